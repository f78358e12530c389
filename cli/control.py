"""The process that routes, dispatches, pumps and scales: ``python -m cli.control LOGS``."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from flask import Flask
from werkzeug.serving import make_server

from cli.answers import Answers
from cli.compose import cores
from cli.forking import Forked, Nursery
from cli.servers.process import LOOPBACK, Process, answers, free_port, gunicorn
from cli.service import Service
from events.answers.outbox import ANSWERS
from events.control import Control, Lane, MachineGate
from events.gauges import QueueGauges
from events.health import add_health, add_metrics
from events.leftovers import Leftovers
from events.pump import Pump, Told
from events.queue.closers import RedisClosers
from events.queue.consumer import Consumer
from events.queue.depth import Depth, depth
from events.queue.errors import QueueUnavailable
from events.queue.queue import Queue
from events.queue.replicas import Rule
from events.reconciler import Reconciler
from events.router import Router
from events.scaling import Scaler
from index.keeping import Index
from kadr.contracts.component import Resources
from kadr.contracts.errors import KadrError
from kadr.contracts.run import ACQUIRE
from kadr.pipeline.budget import of_machine
from kadr.telemetry import logs
from kadr.telemetry.metrics import ControlMetrics

_log = logging.getLogger("kadr.control")

APP = "cli.function:app"
MOST = 2
"""Replicas of one function on one machine."""
COOLDOWN_MS = 30_000
STOP_S = 30
MARGIN_S = 60


class LocalReplica:
    """One gunicorn with the function's application, on a port of its own; forked where that can be done, else started."""

    def __init__(self, function: str, logs: Path, nursery: Nursery | None) -> None:
        self.port = free_port()
        command = gunicorn(APP, f"{LOOPBACK}:{self.port}", 4, 0, STOP_S)
        environment, log = {"KADR_FUNCTION": function}, logs / f"{function}.log"
        self._process: Process | Forked
        if nursery is not None:
            self._process = nursery.fork(function, command, log, environment)
        else:
            self._process = Process(function, command, log, lambda: answers(self.port), environment).launch()

    @property
    def address(self) -> str:
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def alive(self) -> bool:
        return self._process.alive

    def stop(self) -> None:
        # It may take a while to drain; nobody waits for that.
        threading.Thread(target=self._process.stop, daemon=True).start()


def build(service: Service, folder: Path, nursery: Nursery | None) -> Control:
    queue = Queue(service.server)
    metrics = ControlMetrics()
    answers = Answers(service, queue)
    router = Router(
        service.steering,
        RedisClosers(service.server),
        service.catalogue,
        queue,
        service.sources,
        service.news,
        answers=answers.announcer,
    )
    gate = MachineGate(of_machine(service.catalogue, cores()))

    def lost(plain: dict[str, object]) -> None:
        try:
            service.hints.tell(lost=dict(plain))
        except QueueUnavailable as error:
            _log.warning("%s", error)

    lanes = {}
    for name in (ACQUIRE, *service.catalogue.components):
        entry = service.catalogue.components.get(name)
        needs = entry.resources if entry else Resources()
        rule = Rule(needs.batch, MOST, COOLDOWN_MS)
        scaler = Scaler(name, rule, partial(LocalReplica, name, folder, nursery), metrics=metrics)
        pump = Pump(
            consumer=Consumer(service.server, name),
            queue=queue,
            store=service.store,
            replicas=scaler,
            told=Told(service.hint, lost),
            most=MOST,
            timeout_s=needs.timeout_s + MARGIN_S,
            batch=needs.batch,
            window_ms=needs.batch_window_ms,
            gate=gate,
            metrics=metrics,
        )
        scaler.busy = pump.busy
        lanes[name] = Lane(scaler, pump, MOST * needs.batch)

    leftovers = Leftovers(service.store, service.bucket, service.store.sweep)

    def sweep() -> None:
        service.inbox.sweep()
        leftovers.sweep()
        metrics.answers_owed.set(answers.outbox.sweep())

    reconciler = Reconciler(service.steering, router, sweep, metrics)
    index = service.index
    told = (lambda owner, run_id, ended: None) if index is None else _recording(index)
    control = Control(
        service.server, service.hints, router, reconciler, service.dispatcher, lanes, told, metrics
    )
    control.beside = answers.deliverer(metrics)

    def depths() -> dict[str, Depth]:
        with suppress(QueueUnavailable):
            return {**control.depths, ANSWERS: depth(service.server, ANSWERS)}
        return dict(control.depths)

    metrics.registry.register(QueueGauges(depths, control.replicas))
    return control


def _recording(index: Index) -> Callable[[str, str, bool], None]:
    """Has a run's rows written, in a thread: routing waits for no database."""
    threading.Thread(target=index.keep_up, args=(threading.Event(),), name="index", daemon=True).start()
    return index.told


def listen(service: Service, control: Control) -> None:
    """Answer for health and metrics, on loopback."""

    def ready() -> str:
        if control.ended:
            return f"{control.ended} ended: see the log"
        if service.client.resting:
            return "the object store does not answer"
        try:
            return "" if service.server.answers() else "the queue does not answer"
        except KadrError as error:
            return str(error)

    app = Flask("kadr")
    add_health(app, ready)
    add_metrics(app, control.metrics)
    server = make_server(LOOPBACK, service.settings.control_port, app, threaded=True)
    threading.Thread(target=server.serve_forever, name="listener", daemon=True).start()


def main() -> None:
    """Work until SIGTERM or SIGINT, then drain."""
    parent, ended = os.getppid(), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    service = Service()
    logs.setup("control", level=service.settings.log_level)
    folder = Path(sys.argv[1])
    nursery = Nursery(APP, folder / "nursery.log") if sys.platform == "linux" else None
    if nursery is not None:
        nursery.start()
    control = build(service, folder, nursery)
    control.start()
    listen(service, control)
    while not ended.wait(1.0):
        if os.getppid() != parent:  # who started us is gone
            break
    control.stop()
    if nursery is not None:
        nursery.stop()


if __name__ == "__main__":
    main()
