"""How far a run is, told from its events: a pure fold, so that bars, logs and tests see the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from kadr.contracts.run import Graph
from kadr.pipeline.catalogue import Catalogue

_SMALL = 0.01
"""Minutes' cost of what costs next to nothing: enough to move a bar."""


class Tracker:
    """Folds a run's events. ``fraction`` weighs components by their declared cost; ``doing`` says what is under way."""

    def __init__(self, graph: Graph, catalogue: Catalogue) -> None:
        self._costs = {
            n.component: max(_SMALL, catalogue.components[n.component].resources.cost(n.models))
            for n in graph.nodes
        }
        self._stages = {n.component: n.stage for n in graph.nodes}
        self._chunked = {n.component: n.plan for n in graph.nodes if n.plan}
        self._merged = {n.component for n in graph.nodes if n.merge}
        self._closed = False
        self._plans: dict[str, int] = {}
        self._done: dict[str, set[str]] = defaultdict(set)
        self._part: dict[str, dict[str, float]] = defaultdict(dict)
        self.running: dict[str, Mapping[str, Any]] = {}
        self.duration_ms = 0
        self.cached = 0
        self.computed = 0
        self.failed = 0

    def see(self, event: Mapping[str, Any]) -> None:
        """Take one event of this run into account."""
        kind = event["event"]
        if kind == "run.probed":
            self.duration_ms = int(event["duration_ms"])
        elif kind == "run.planned":
            self._plans[str(event["component"])] = int(event["chunks"])
        elif kind == "run.closed":
            self._closed = True
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
        if self._closed:
            return 1.0
        total = sum(self._costs.values())
        return min(1.0, sum(cost * self._fraction_of(c) for c, cost in self._costs.items()) / total)

    def _fraction_of(self, component: str) -> float:
        done = len(self._done[component])
        partly = sum(self._part[component].values())
        plan = self._chunked.get(component)
        if plan is None:
            return min(1.0, done + partly)
        if component in self._done[component]:
            return 1.0
        if plan not in self._plans:
            return 0.0
        tasks = self._plans[plan] + (component in self._merged)
        return min(1.0, (done + partly) / tasks) if tasks else 1.0

    @property
    def doing(self) -> str:
        """Stage, component and chunk under way, e.g. ``visual objects 02:00 · text ocr 02:00``."""
        return " · ".join(self._name(e) for e in list(self.running.values())[:3])

    def _name(self, event: Mapping[str, Any]) -> str:
        component = str(event["component"])
        chunk = event.get("chunk")
        where = " merge" if event.get("merge") else f" at {clock(chunk[0])}" if chunk else ""
        return f"{self._stages.get(component, '')} {component}{where}"


def clock(ms: float) -> str:
    """``65000`` as ``01:05``, with hours once there are any."""
    seconds = int(ms // 1000)
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60:02d}:{rest % 60:02d}"
