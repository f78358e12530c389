"""The queue's gauges and totals, as they are when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from events.queue.depth import Depth

PARTS = ("ready", "due", "delayed", "lag", "pending", "parked")
GAUGES: Mapping[str, tuple[str, Callable[[Depth], float]]] = {
    "kadr_queue_depth": ("Tasks that wait or are computed: ready + due + lag + pending.", lambda d: d.depth),
    "kadr_queue_oldest_seconds": (
        "Age of what has been in the queue the longest.",
        lambda d: d.oldest_ms / 1000,
    ),
    "kadr_queue_in_flight": ("Tasks that somebody computes under a lease.", lambda d: d.in_flight),
    "kadr_queue_paused": ("1 where nothing is taken.", lambda d: float(d.paused is not None)),
    "kadr_dead_letters": ("Tasks that were given up and wait for `kadr dlq`.", lambda d: d.dead),
}
TOTALS: Mapping[str, tuple[str, Callable[[Depth], float]]] = {
    "kadr_queue_enqueued": ("Tasks that were put in line.", lambda d: d.enqueued),
    "kadr_queue_finished": ("Tasks that left the queue done.", lambda d: d.finished),
    "kadr_queue_retries": ("Attempts that failed and were put back.", lambda d: d.retries),
    "kadr_queue_taken_over": ("Tasks whose lease ran out and that another took.", lambda d: d.taken_over),
    "kadr_queue_given_up": ("Tasks that became dead letters.", lambda d: d.given_up),
    "kadr_queue_cancelled": (
        "Tasks that were dropped because their run was cancelled.",
        lambda d: d.cancelled,
    ),
}


@dataclass(frozen=True)
class QueueGauges(Collector):
    """``depths`` by function; ``replicas`` by function: (ready, starting)."""

    depths: Callable[[], Mapping[str, Depth]]
    replicas: Callable[[], Mapping[str, tuple[int, int]]]

    def collect(self) -> Iterator[Metric]:
        depths = self.depths()
        parts = GaugeMetricFamily(
            "kadr_queue_tasks", "Tasks in each part of the queue.", labels=("function", "part")
        )
        for function, depth in depths.items():
            for part in PARTS:
                parts.add_metric((function, part), getattr(depth, part))
        yield parts
        for name, (text, of) in GAUGES.items():
            gauge = GaugeMetricFamily(name, text, labels=("function",))
            for function, depth in depths.items():
                gauge.add_metric((function,), of(depth))
            yield gauge
        for name, (text, of) in TOTALS.items():
            total = CounterMetricFamily(name, text, labels=("function",))
            for function, depth in depths.items():
                total.add_metric((function,), of(depth))
            yield total
        yield self._replicas()

    def _replicas(self) -> Metric:
        family = GaugeMetricFamily(
            "kadr_replicas", "Processes of each function.", labels=("function", "state")
        )
        for function, (ready, starting) in self.replicas().items():
            family.add_metric((function, "ready"), ready)
            family.add_metric((function, "starting"), starting)
        return family
