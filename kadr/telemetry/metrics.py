"""Metrics of the service's processes, in Prometheus's text format. Names say their unit; labels are few and bounded: never a run."""

from __future__ import annotations

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

CONTENT_TYPE = prometheus_client.CONTENT_TYPE_LATEST
STARTS_S = (0.25, 0.5, 1, 2, 3, 5, 8, 13, 20, 30, 60)
TASKS_S = (0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600)
NO_ROUTE = "none"
"""The label of answers to addresses that are no routes: these are strangers' to choose."""


class Metrics:
    """What every process counts: itself, and its HTTP answers."""

    def __init__(self) -> None:
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.http_answers = Counter(
            "kadr_http_answers",
            "HTTP requests that were answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )

    def text(self) -> bytes:
        return prometheus_client.generate_latest(self.registry)


class FunctionMetrics(Metrics):
    """Of a process of a function."""

    def __init__(self) -> None:
        super().__init__()
        self.task_seconds = Histogram(
            "kadr_task_seconds",
            "Tasks by how they ended, and the seconds they took.",
            ("function", "outcome"),
            buckets=TASKS_S,
            registry=self.registry,
        )


class ControlMetrics(Metrics):
    """Of the process that routes, dispatches, pumps and scales; the queue's gauges are read when they are asked for."""

    def __init__(self) -> None:
        super().__init__()
        to = self.registry
        self.delivery_seconds = Histogram(
            "kadr_delivery_seconds",
            "Tasks that were handed to a replica, by what came of it, and the seconds until its answer.",
            ("function", "outcome"),
            buckets=TASKS_S,
            registry=to,
        )
        self.cold_start_seconds = Histogram(
            "kadr_cold_start_seconds",
            "Replicas that were started, and the seconds until each was ready.",
            ("function",),
            buckets=STARTS_S,
            registry=to,
        )
        self.replica_deaths = Counter(
            "kadr_replica_deaths", "Replicas that ended by themselves.", ("function",), registry=to
        )
        self.answer_seconds = Histogram(
            "kadr_answer_seconds",
            "Attempts to tell a callback, sink or webhook, by what came of it, and the seconds that each took.",
            ("target", "outcome"),
            buckets=STARTS_S,
            registry=to,
        )
        self.answers_owed = Gauge(
            "kadr_answers_owed", "Events that targets were still to be told at the last look.", registry=to
        )
        self.hints = Counter("kadr_hints_handled", "Hints that objects were written, handled.", registry=to)
        self.reconciler_passes = Counter(
            "kadr_reconciler_passes", "Times that the reconciler looked at all runs.", registry=to
        )
        self.open_runs = Gauge(
            "kadr_open_runs", "Runs that had not ended when the reconciler last looked.", registry=to
        )
