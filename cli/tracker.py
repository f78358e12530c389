"""How far a run is, told from its events: a pure fold, so that bars, logs and tests see the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from kadr.contracts.profile import part_asked
from kadr.contracts.run import Graph
from kadr.pipeline.catalogue import Catalogue

_SMALL = 0.01
"""Minutes' cost of what costs next to nothing: enough to move a bar."""


class Tracker:
    """Folds a run's events. ``fraction`` weighs components by their declared cost; ``doing`` says what is under way.

    ``length_ms``: of the part that ``profile`` (as a request has it) asks about, 0 until it is known.
    """

    def __init__(self, graph: Graph, catalogue: Catalogue, profile: Mapping[str, Any] | None = None) -> None:
        self._profile = profile or {}
        self._costs = {
            n.component: max(_SMALL, catalogue.components[n.component].resources.cost(n.models))
            for n in graph.nodes
        }
        self._stages = {n.component: n.stage for n in graph.nodes}
        self._chunked = {n.component: n.plan for n in graph.nodes if n.plan}
        self._merged = {n.component for n in graph.nodes if n.merge}
        self.begun = False
        self.closed = False
        self._plans: dict[str, int] = {}
        self._done: dict[str, set[str]] = defaultdict(set)
        self._given: dict[str, set[str]] = defaultdict(set)
        self._part: dict[str, dict[str, float]] = defaultdict(dict)
        self.running: dict[str, Mapping[str, Any]] = {}
        self.length_ms = 0
        self.cached = 0
        self.computed = 0
        self.failed = 0

    def see(self, event: Mapping[str, Any]) -> None:
        """Take one event of this run into account."""
        self.begun = True
        kind = event["event"]
        if kind == "run.probed":
            start, end = part_asked(self._profile, int(event["duration_ms"]))
            self.length_ms = end - start
        elif kind == "run.planned":
            self._plans[str(event["component"])] = int(event["chunks"])
        elif kind == "run.closed":
            self.closed = True
        elif kind.startswith("task."):
            self._see_task(kind, event)

    def _see_task(self, kind: str, event: Mapping[str, Any]) -> None:
        task, component = str(event["task"]), str(event["component"])
        if kind == "task.started":
            self.running[task] = event
        elif kind == "task.progress":
            # A task that is tried again starts over; the bar waits for it instead of going back.
            part = self._part[component]
            part[task] = max(part.get(task, 0.0), float(event["fraction"]))
        elif kind in ("task.done", "task.failed", "task.recorded"):
            self.running.pop(task, None)
            self._part[component].pop(task, None)
            if task not in self._done[component] and (kind == "task.recorded" or event.get("cached")):
                self._given[component].add(task)
            self._done[component].add(task)
            self.failed += kind == "task.failed"
            if kind == "task.done":
                self.cached += bool(event["cached"])
                self.computed += not event["cached"]
        else:
            self.running.pop(task, None)

    @property
    def fraction(self) -> float:
        """0 to 1. What is blocked never ends by itself: the run's closing ends it."""
        if self.closed:
            return 1.0
        return self._weighed({c: self._fraction_of(c) for c in self._costs})

    @property
    def worked(self) -> float:
        """The part of ``fraction`` that was computed here, not found: what tells how fast the rest may go."""
        given = {c: min(1.0, len(self._given[c]) / (self._tasks(c) or 1)) for c in self._costs}
        return max(0.0, self.fraction - self._weighed(given))

    def _weighed(self, fractions: Mapping[str, float]) -> float:
        whole = sum(self._costs.values())
        return min(1.0, sum(self._costs[c] * f for c, f in fractions.items()) / whole)

    def _fraction_of(self, component: str) -> float:
        if component in self._chunked and component in self._done[component]:
            return 1.0
        tasks = self._tasks(component)
        if tasks is None:
            return 0.0
        done = len(self._done[component]) + sum(self._part[component].values())
        return min(1.0, done / tasks) if tasks else 1.0

    def _tasks(self, component: str) -> int | None:
        """How many it has; None while that is not known."""
        plan = self._chunked.get(component)
        if plan is None:
            return 1
        return self._plans[plan] + (component in self._merged) if plan in self._plans else None

    @property
    def doing(self) -> str:
        """Stage, component and chunk under way, e.g. ``visual objects 02:00 · text ocr 02:00``."""
        return " · ".join(self._name(e) for e in list(self.running.values())[:3])

    def _name(self, event: Mapping[str, Any]) -> str:
        component = str(event["component"])
        chunk = event.get("chunk")
        where = " merge" if event.get("merge") else f" at {clock(chunk[0])}" if chunk else ""
        return f"{self._stages.get(component, '')} {component}{where}"


class Together:
    """Several runs as one: each weighs as much as it is long, and as large as its file while that is not known.

    ``expected``: files whose runs are not there yet, and ``expected_size``: their bytes.
    """

    def __init__(self) -> None:
        self._runs: dict[str, tuple[Tracker, int]] = {}
        self._reached = 0.0
        self.ended: set[str] = set()
        self.expected = 0
        self.expected_size = 0

    def add(self, run_id: str, tracker: Tracker, size: int) -> None:
        self._runs[run_id] = (tracker, size)

    @property
    def waiting(self) -> list[str]:
        """Ids of the runs of which nothing was heard yet, in order."""
        return [run_id for run_id, (t, _) in self._runs.items() if not t.begun and run_id not in self.ended]

    @property
    def under_way(self) -> int:
        """Runs that are there and have not ended."""
        return len(self._runs.keys() - self.ended)

    @property
    def length_ms(self) -> float:
        lengths, later_ms = self._lengths()
        return sum(lengths.values()) + later_ms

    @property
    def fraction(self) -> float:
        """0 to 1; estimates of lengths get better, but what was reached is never taken back."""
        done = {i: 1.0 if i in self.ended else t.fraction for i, (t, _) in self._runs.items()}
        self._reached = max(self._reached, self._weighed(done))
        return self._reached

    @property
    def worked(self) -> float:
        return self._weighed({i: t.worked for i, (t, _) in self._runs.items()})

    def _weighed(self, fractions: Mapping[str, float]) -> float:
        lengths, later_ms = self._lengths()
        return sum(lengths[i] * f for i, f in fractions.items()) / (sum(lengths.values()) + later_ms or 1.0)

    def _lengths(self) -> tuple[dict[str, float], float]:
        """Of each run, and of all that are not there yet."""
        known = [(t.length_ms, size) for t, size in self._runs.values() if t.length_ms]
        ms_of_byte = sum(ms for ms, _ in known) / sum(size for _, size in known) if known else 1.0
        there = {i: t.length_ms or size * ms_of_byte for i, (t, size) in self._runs.items()}
        return there, self.expected_size * ms_of_byte


SURE_S, SURE_PART = 2.0, 0.02
"""Before so long, and so much of the work, a guess at the time left would only jump about."""


def pace(of: Tracker | Together, elapsed_s: float) -> str:
    """``00:40 left, 2.3× realtime``, once it can be told and while anything is left."""
    worked, rest = of.worked, 1 - of.fraction
    if elapsed_s < SURE_S or worked < SURE_PART or rest <= 0:
        return ""
    left = clock(1000 * elapsed_s * rest / worked)
    return f"{left} left, {of.length_ms / 1000 * worked / elapsed_s:.1f}× realtime"


def clock(ms: float) -> str:
    """``65000`` as ``01:05``, with hours once there are any."""
    seconds = int(ms // 1000)
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60:02d}:{rest % 60:02d}"


def exactly(ms: int) -> str:
    """As :func:`clock`, with the fraction of a second if there is one: ``65250`` as ``01:05.25``."""
    rest = f".{ms % 1000:03d}".rstrip("0").rstrip(".")
    return f"{clock(ms)}{rest}"
