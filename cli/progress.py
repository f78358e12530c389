"""Progress as people see it: bars in a terminal, plain lines elsewhere, JSON lines for scripts."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol

from cli.text import printable
from cli.tracker import Tracker, clock
from kadr.contracts.errors import KadrError
from kadr.pipeline.admission import Admitted
from kadr.pipeline.catalogue import Catalogue

if TYPE_CHECKING:
    from rich.progress import Task as RichTask
    from rich.progress import TaskID


class View(Protocol):
    """How a person follows the work."""

    def __enter__(self) -> View: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def note(self, text: str) -> None: ...
    def hashing(self, title: str, fraction: float) -> None: ...
    def begin(self, admitted: Admitted, title: str, catalogue: Catalogue) -> None: ...
    def event(self, event: Mapping[str, Any]) -> None: ...
    def failed(self, title: str, error: KadrError) -> None: ...


class JsonLines:
    """One JSON object a line on standard output."""

    def __enter__(self) -> View:
        return self

    def __exit__(self, *_: object) -> None: ...

    def _say(self, **fields: Any) -> None:
        print(json.dumps(fields, ensure_ascii=False), flush=True)

    def note(self, text: str) -> None:
        self._say(event="note", text=text)

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
    """A line for each thing that ends: for logs and pipes."""

    def __init__(self) -> None:
        self._titles: dict[str, str] = {}
        self._trackers: dict[str, Tracker] = {}
        self._began = time.monotonic()

    def __enter__(self) -> View:
        return self

    def __exit__(self, *_: object) -> None: ...

    def note(self, text: str) -> None:
        print(printable(text), file=sys.stderr, flush=True)

    def hashing(self, title: str, fraction: float) -> None: ...

    def begin(self, admitted: Admitted, title: str, catalogue: Catalogue) -> None:
        run_id = admitted.request.run_id
        self._titles[run_id] = title
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

    def failed(self, title: str, error: KadrError) -> None:
        self.note(f"{title}: {error}")


class Bars:
    """A progress bar for each run: stage, component, chunk, ×realtime and time left."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn
        from rich.table import Column

        self._trackers: dict[str, Tracker] = {}
        self._rows: dict[str, TaskID] = {}
        self._titles: dict[str, str] = {}
        self._hashing: dict[str, TaskID] = {}
        self._bars = Progress(
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("[bold]{task.fields[title]}", markup=True),
            BarColumn(bar_width=16),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("[cyan]{task.fields[pace]}"),
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
        return self._bars.add_task("", total=1.0, title=_short(title), pace="", doing=doing)

    def hashing(self, title: str, fraction: float) -> None:
        if title not in self._hashing:
            self._hashing[title] = self._add(title, "reading the file")
        self._bars.update(self._hashing[title], completed=fraction)

    def begin(self, admitted: Admitted, title: str, catalogue: Catalogue) -> None:
        if title in self._hashing:
            self._bars.remove_task(self._hashing.pop(title))
        run_id = admitted.request.run_id
        self._trackers[run_id] = Tracker(admitted.request.graph, catalogue)
        self._titles[run_id] = title
        self._rows[run_id] = self._add(title, admitted.how)

    def event(self, event: Mapping[str, Any]) -> None:
        run_id = str(event["run_id"])
        tracker, row = self._trackers[run_id], self._rows[run_id]
        tracker.see(event)
        if event["event"] in ("task.failed", "task.retried", "run.error", "report.failed"):
            what = event.get("component", "run")
            self.note(f"{self._titles[run_id]}: {what}: {event.get('message', '')}")
        if event["event"] == "run.done":
            spent = f"{tracker.computed} computed, {tracker.cached} cached"
            self._bars.update(row, completed=1.0, doing=f"{event['status']}: {spent}", pace="")
            return
        shown = next(t for t in self._bars.tasks if t.id == row)
        pace = _pace(tracker, shown)
        self._bars.update(row, completed=tracker.fraction, doing=tracker.doing, pace=pace)

    def failed(self, title: str, error: KadrError) -> None:
        if title in self._hashing:
            self._bars.remove_task(self._hashing.pop(title))
        self.note(f"{title}: {error}")


def _pace(tracker: Tracker, row: RichTask) -> str:
    elapsed, fraction = row.elapsed or 0.0, tracker.fraction
    if elapsed < 1 or fraction <= 0.01 or not tracker.duration_ms:
        return ""
    speed = tracker.duration_ms / 1000 * fraction / elapsed
    left = clock(1000 * elapsed * (1 - fraction) / fraction)
    return f"{speed:.1f}× realtime {left} left"


def _short(title: str, width: int = 22) -> str:
    from rich.markup import escape

    shown = printable(title).replace("\n", "?")
    return escape(shown if len(shown) <= width else f"{shown[: width - 1]}…")
