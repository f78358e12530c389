"""Progress as people see it: bars in a terminal, plain lines elsewhere, JSON lines for scripts."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from cli.text import about, printable
from cli.tracker import Together, Tracker, pace
from kadr.contracts.errors import KadrError
from kadr.pipeline.admission import Admitted
from kadr.pipeline.catalogue import Catalogue

if TYPE_CHECKING:
    from rich.progress import TaskID

SILENCE_S = 20.0
"""After so long without a word, lines say what goes on."""
WAITING_SHOWN = 3
"""Rows of runs that have not begun: the others are counted."""


class View(Protocol):
    """How a person follows the work."""

    def __enter__(self) -> View: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def note(self, text: str) -> None: ...
    def expect(self, videos: int, left: int, size: int) -> None:
        """Of so many videos so many have yet to begin, of ``size`` bytes together."""
        ...

    def hashing(self, title: str, fraction: float) -> None: ...
    def begin(self, admitted: Admitted, title: str, catalogue: Catalogue) -> None: ...
    def event(self, event: Mapping[str, Any]) -> None: ...
    def failed(self, title: str, error: KadrError) -> None: ...


class OneAtATime:
    """A view that several threads tell of what happens."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._lock = threading.RLock()

    def __enter__(self) -> View:
        self._view.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._view.__exit__(kind, error, trace)

    def note(self, text: str) -> None:
        with self._lock:
            self._view.note(text)

    def expect(self, videos: int, left: int, size: int) -> None:
        with self._lock:
            self._view.expect(videos, left, size)

    def hashing(self, title: str, fraction: float) -> None:
        with self._lock:
            self._view.hashing(title, fraction)

    def begin(self, admitted: Admitted, title: str, catalogue: Catalogue) -> None:
        with self._lock:
            self._view.begin(admitted, title, catalogue)

    def event(self, event: Mapping[str, Any]) -> None:
        with self._lock:
            self._view.event(event)

    def failed(self, title: str, error: KadrError) -> None:
        with self._lock:
            self._view.failed(title, error)


class JsonLines:
    """One JSON object a line on standard output."""

    def __enter__(self) -> View:
        return self

    def __exit__(self, *_: object) -> None: ...

    def _say(self, **fields: Any) -> None:
        print(json.dumps(fields, ensure_ascii=False), flush=True)

    def note(self, text: str) -> None:
        self._say(event="note", text=text)

    def expect(self, videos: int, left: int, size: int) -> None: ...

    def hashing(self, title: str, fraction: float) -> None: ...

    def begin(self, admitted: Admitted, title: str, catalogue: Catalogue) -> None:
        request = admitted.request
        components = [n.component for n in request.graph.nodes]
        self._say(
            event="run.admitted",
            run_id=request.run_id,
            video=title,
            video_id=request.video_id,
            how=admitted.how,
            components=components,
        )

    def event(self, event: Mapping[str, Any]) -> None:
        self._say(**event)

    def failed(self, title: str, error: KadrError) -> None:
        self._say(event="video.failed", video=title, code=error.code, message=str(error))


class Lines:
    """A line for each thing that ends, and now and then for what goes on: for logs and pipes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._said = clock()
        self._titles: dict[str, str] = {}
        self._trackers: dict[str, Tracker] = {}
        self._hashed: set[str] = set()

    def __enter__(self) -> View:
        return self

    def __exit__(self, *_: object) -> None: ...

    def note(self, text: str) -> None:
        self._said = self._clock()
        print(printable(text), file=sys.stderr, flush=True)

    def expect(self, videos: int, left: int, size: int) -> None: ...

    def hashing(self, title: str, fraction: float) -> None:
        if fraction < 1 and title not in self._hashed:
            self._hashed.add(title)
            self.note(f"{title}: reading the file")

    def begin(self, admitted: Admitted, title: str, catalogue: Catalogue) -> None:
        run_id = admitted.request.run_id
        self._titles[run_id] = title  # another name of a run follows when the run has ended
        self._trackers[run_id] = Tracker(admitted.request.graph, catalogue)
        self.note(f"{title}: run {run_id} ({admitted.how})")

    def event(self, event: Mapping[str, Any]) -> None:
        tracker, title = self._trackers[event["run_id"]], self._titles[event["run_id"]]
        tracker.see(event)
        if event["event"] in ("task.done", "task.failed", "task.retried", "run.error", "report.failed"):
            said = event.get("message") or (
                "cached" if event.get("cached") else f"{event.get('seconds', 0):.1f} s"
            )
            what = event.get("task", event["event"])
            self.note(f"{title}: {100 * tracker.fraction:3.0f} %  {event['event']:12} {what}  {said}")
        if event["event"] == "run.done":
            self.note(f"{title}: {event['status']}")
        elif self._clock() - self._said >= SILENCE_S:
            self.note(f"{title}: {100 * tracker.fraction:3.0f} %  at work on    {_doing(tracker)}")

    def failed(self, title: str, error: KadrError) -> None:
        self.note(about(title, str(error)))


class Bars:
    """A bar for each run that is at work or next, saying what is being done; for several also one for all of them."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
        from rich.table import Column

        self._titles: dict[str, str] = {}
        self._trackers: dict[str, Tracker] = {}
        self._all = Together()
        self._rows: dict[str, TaskID] = {}
        self._hashing: TaskID | None = None
        self._whole: TaskID | None = None
        self._videos = 1
        self._began = 0.0
        self._bars = Progress(
            SpinnerColumn(),
            TextColumn("[bold]{task.fields[title]}", markup=True),
            BarColumn(bar_width=16),
            TextColumn("{task.percentage:>3.0f} %"),
            # What is under way gives way first where the terminal is narrow; the bar never does.
            TextColumn(
                "[dim]{task.fields[doing]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")
            ),
            console=Console(stderr=True),
            expand=True,
        )

    def __enter__(self) -> View:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def note(self, text: str) -> None:
        self._bars.console.print(printable(text), style="dim", markup=False, highlight=False)

    def _add(self, title: str, doing: str) -> TaskID:
        return self._bars.add_task("", total=1.0, title=_short(title), doing=doing)

    def expect(self, videos: int, left: int, size: int) -> None:
        self._all.expected, self._all.expected_size = left, size
        if videos > 1:
            self._videos = videos
            self._show_whole()

    def hashing(self, title: str, fraction: float) -> None:
        if self._hashing is None:
            self._hashing = self._add(title, "reading the file")
        self._bars.update(self._hashing, completed=fraction, title=_short(title))

    def _hashed(self) -> None:
        if self._hashing is not None:
            self._bars.remove_task(self._hashing)
            self._hashing = None

    def begin(self, admitted: Admitted, title: str, catalogue: Catalogue) -> None:
        self._hashed()
        request = admitted.request
        if request.run_id in self._titles:
            return  # it has a row, or had one
        tracker = Tracker(request.graph, catalogue, request.profile)
        self._titles[request.run_id], self._trackers[request.run_id] = title, tracker
        self._all.add(request.run_id, tracker, admitted.source.size)
        self._rows[request.run_id] = self._add(title, f"waiting ({admitted.how})")
        self._show_waiting()

    def event(self, event: Mapping[str, Any]) -> None:
        run_id = str(event["run_id"])
        tracker = self._trackers[run_id]
        self._began = self._began or time.monotonic()
        tracker.see(event)
        if event["event"] in ("task.failed", "task.retried", "run.error", "report.failed"):
            what = event.get("component", "run")
            self.note(f"{self._titles[run_id]}: {what}: {event.get('message', '')}")
        if event["event"] in ("run.done", "run.error"):
            self._end(run_id, event.get("status", "stopped here, to be resumed"))
        elif run_id in self._rows:
            # With several, how fast one goes says little: another may take its place.
            fast = pace(tracker, self._elapsed) if self._videos == 1 else ""
            doing = " · ".join(filter(None, (fast, _doing(tracker))))
            self._bars.update(self._rows[run_id], completed=tracker.fraction, doing=doing, visible=True)
        self._show_waiting()
        if self._videos > 1:
            self._show_whole()

    @property
    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _end(self, run_id: str, status: str) -> None:
        if run_id in self._rows:
            self._bars.remove_task(self._rows.pop(run_id))
            self._all.ended.add(run_id)
            tracker = self._trackers[run_id]
            spent = f"{tracker.computed} computed, {tracker.cached} cached"
            self.note(f"{self._titles[run_id]}: {status} ({spent})")

    def _show_waiting(self) -> None:
        """The next few that wait have rows; the others are only counted."""
        for place, run_id in enumerate(self._all.waiting):
            self._bars.update(self._rows[run_id], visible=place < WAITING_SHOWN)

    def _show_whole(self) -> None:
        """The first row, which stays where it is while others come and go."""
        if self._whole is None:
            self._whole = self._add(f"all {self._videos} videos", "")
        waiting = len(self._all.waiting) + self._all.expected
        done = self._videos - self._all.expected - self._all.under_way
        counts = f"{done} done" + (f", {waiting} waiting" if waiting else "")
        doing = " · ".join(filter(None, (pace(self._all, self._elapsed), counts)))
        self._bars.update(self._whole, completed=self._all.fraction, doing=doing)

    def failed(self, title: str, error: KadrError) -> None:
        self._hashed()
        self.note(about(title, str(error)))


def _doing(tracker: Tracker) -> str:
    return "writing the report" if tracker.closed else tracker.doing or "waiting for a free core"


def _short(title: str, width: int = 22) -> str:
    from rich.markup import escape

    shown = printable(title).replace("\n", "?")
    return escape(shown if len(shown) <= width else f"{shown[: width - 1]}…")
