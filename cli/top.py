"""``kadr top``: what every function of the service does now, live."""

from __future__ import annotations

import sys
import time
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from cli.running import running, service
from cli.tables import console, print_json
from cli.text import number, printable
from kadr.contracts.errors import KadrError
from kadr.contracts.run import ACQUIRE
from kadr.settings import Settings

if TYPE_CHECKING:
    from prometheus_client.core import Metric
    from rich.table import Table

PATIENCE_S = 10


class ControlAway(KadrError):
    """The control process does not answer."""


@dataclass(frozen=True)
class Row:
    """One function. Replicas and starting are None where only the queue could be asked."""

    function: str
    depth: int
    ready: int
    due: int
    delayed: int
    lag: int
    pending: int
    parked: int
    in_flight: int
    oldest_s: float
    dead: int
    paused: bool
    replicas: int | None
    starting: int | None
    done_per_s: float
    retries_per_s: float

    @property
    def idle(self) -> bool:
        standing = (
            self.depth,
            self.delayed,
            self.parked,
            self.dead,
            self.paused,
            self.replicas,
            self.starting,
        )
        return not any((*standing, self.done_per_s))


Samples = Mapping[tuple[str, ...], float]
"""Values by the metric's name and its labels' values."""


@click.command("top")
@click.option(
    "--control",
    metavar="URL",
    help="The control process, like http://127.0.0.1:8081; by default the one here.",
)
@click.option(
    "--interval",
    type=click.FloatRange(0.1, 60),
    default=1.0,
    show_default=True,
    help="Seconds that rates are of.",
)
@click.option(
    "--once", is_flag=True, help="Print one table and end, as is done anyway where this is no terminal."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object, once.")
def command(control: str | None, interval: float, once: bool, as_json: bool) -> None:
    """Show, per function, what waits, what runs, how many processes there are and how fast it goes. Ctrl-C ends it.

    The service is the one that runs here, or the queue that KADR_REDIS_URL names; the queue does not know of replicas.
    """
    ask = _source(control)
    before, at = ask(), time.monotonic()
    time.sleep(interval)
    now, then = ask(), time.monotonic()
    rows = _rows(before, now, then - at)
    if as_json:
        return print_json({"open_runs": _open_runs(now), "functions": [asdict(row) for row in rows]})
    if once or not sys.stdout.isatty():
        return console().print(_table(rows, now))
    return _live(ask, interval, now, then, rows)


def _live(ask: Callable[[], Samples], interval: float, now: Samples, then: float, rows: list[Row]) -> None:
    from rich.live import Live

    with suppress(KeyboardInterrupt), Live(_table(rows, now), console=console(), screen=True) as live:
        while True:
            time.sleep(interval)
            before, at = now, then
            try:
                now, then = ask(), time.monotonic()
            except KadrError as error:  # it may be started again
                live.update(printable(str(error)))
                continue
            live.update(_table(_rows(before, now, then - at), now))


def _source(control: str | None) -> Callable[[], Samples]:
    """Asks the control process, or where none is known the queue itself."""
    here = None if control else running(Settings.read())
    if control or here:
        url = f"{(control or here['control']).rstrip('/')}/metrics"  # type: ignore[index]
        return lambda: _asked(url)
    return _of_queue()


def _asked(url: str) -> Samples:
    """Raises ControlAway."""
    from prometheus_client.parser import text_string_to_metric_families

    try:
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:
            return _samples(text_string_to_metric_families(answer.read().decode()))
    except (OSError, ValueError) as error:
        why = getattr(error, "reason", error)
        raise ControlAway(f"{url} cannot be read: {why}; is the service up (`kadr up`)?") from error


def _of_queue() -> Callable[[], Samples]:
    from events.answers.outbox import ANSWERS
    from events.gauges import QueueGauges
    from events.queue.depth import depth

    found = service()
    functions = (ACQUIRE, *found.catalogue.components, ANSWERS)
    gauges = QueueGauges(lambda: {f: depth(found.server, f) for f in functions}, dict)
    return lambda: _samples(gauges.collect())


def _samples(families: Iterable[Metric]) -> Samples:
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def _open_runs(samples: Samples) -> int | None:
    found = samples.get(("kadr_open_runs",))
    return None if found is None else int(found)


def _rows(before: Samples, now: Samples, seconds: float) -> list[Row]:
    functions = [name[1] for name in now if name[0] == "kadr_queue_depth"]
    return [_row(function, before, now, seconds) for function in functions]


def _row(function: str, before: Samples, now: Samples, seconds: float) -> Row:
    def of(name: str, *labels: str) -> float:
        return now.get((name, function, *labels), 0)

    def rate(name: str) -> float:
        grown = of(name) - before.get((name, function), 0)
        return round(max(0.0, grown) / seconds, 2)

    def replicas(state: str) -> int | None:
        found = now.get(("kadr_replicas", function, state))
        return None if found is None else int(found)

    return Row(
        function=function,
        depth=int(of("kadr_queue_depth")),
        ready=int(of("kadr_queue_tasks", "ready")),
        due=int(of("kadr_queue_tasks", "due")),
        delayed=int(of("kadr_queue_tasks", "delayed")),
        lag=int(of("kadr_queue_tasks", "lag")),
        pending=int(of("kadr_queue_tasks", "pending")),
        parked=int(of("kadr_queue_tasks", "parked")),
        in_flight=int(of("kadr_queue_in_flight")),
        oldest_s=of("kadr_queue_oldest_seconds"),
        dead=int(of("kadr_dead_letters")),
        paused=bool(of("kadr_queue_paused")),
        replicas=replicas("ready"),
        starting=replicas("starting"),
        done_per_s=rate("kadr_queue_finished_total"),
        retries_per_s=rate("kadr_queue_retries_total"),
    )


def _table(rows: list[Row], samples: Samples) -> Table:
    from rich.table import Table

    shown = [row for row in rows if not row.idle]
    idle = len(rows) - len(shown)
    runs = _open_runs(samples)
    caption = [f"{number(runs, 'open run')} when last counted"] if runs is not None else []
    caption += [f"{number(idle, 'function')} idle"] if idle else []
    table = Table(
        box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False, caption=", ".join(caption)
    )
    table.caption_justify = "left"
    table.add_column("function")
    heads = (
        "depth",
        "waiting",
        "delayed",
        "parked",
        "in flight",
        "replicas",
        "done/s",
        "retries/s",
        "oldest",
        "dead",
    )
    for head in heads:
        table.add_column(head, justify="right", no_wrap=True)
    for row in shown:
        waiting = row.ready + row.due + row.lag
        counts = (row.depth, waiting, row.delayed, row.parked, row.in_flight, _replicas(row))
        last = (
            f"{row.done_per_s:g}",
            f"{row.retries_per_s:g}",
            f"{row.oldest_s:.0f} s" if row.oldest_s else "",
            row.dead or "",
        )
        name = f"{row.function} (paused)" if row.paused else row.function
        table.add_row(name, *map(str, (*counts, *last)))
    return table


def _replicas(row: Row) -> str:
    if row.replicas is None:
        return "?"
    return f"{row.replicas}+{row.starting}" if row.starting else str(row.replicas)
