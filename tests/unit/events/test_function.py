"""What a function answers before anything is run."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from events.binding import TASK_READY, Event
from events.function import Function
from events.outcomes import outcome
from kadr.contracts.errors import StoreFailure
from kadr.pipeline.messages import Finished, RenderSpec
from kadr.pipeline.spec import spec_to_json
from kadr.storage import layout
from kadr.storage.claims import FileClaims
from kadr.storage.files import FileStore
from kadr.storage.relay import Relay, RelayStore
from tests.unit.pipeline.test_recording import TASK


def test_a_task_of_another_function_is_tried_again() -> None:
    """It came to a port that was another's a moment ago: the run must not fail for that."""
    nobody: Any = None
    function = Function(frozenset(["ocr"]), nobody, nobody, nobody)
    answer = function.take(Event("1", "/test", TASK_READY, {"task": spec_to_json(TASK)}))
    said = json.loads(answer.data)
    assert said["title"] == "WrongFunction"
    assert outcome(answer.status_code, said) == "retried"


RUN = "main", "r"
REPORT = RenderSpec(*RUN, "m" * 64, "report", "")


@dataclass
class TakenOver:
    """A renderer that does what its attacker wants."""

    store: RelayStore
    may: list[str] = field(default_factory=list)
    wants: tuple[tuple[str, str], ...] = (
        ("put", layout.report_file(*RUN, "m" * 64, "report.html")),
        ("put", layout.report_file(*RUN, "n" * 64, "report.html")),
        ("put", layout.answer(*RUN, "e" * 64, "t" * 16, delivered=True)),
        ("put", layout.manifest(*RUN, "m" * 64)),
        ("delete", layout.manifest_copy(*RUN)),
        ("get", layout.manifest(*RUN, "m" * 64)),
        ("get", layout.request(*RUN)),
        ("get", layout.answer(*RUN, "e" * 64, "t" * 16, delivered=False)),
    )

    def run(self, *_: object, **__: object) -> Finished:
        for call, name in self.wants:
            with suppress(StoreFailure):
                getattr(self.store, call)(name, *([b"mine"] if call == "put" else []))
                self.may.append(f"{call} {name}")
        return Finished(ticket=0, rendered=())


def test_a_rendering_writes_its_report_and_nothing_else_of_the_run(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "store")
    nobody: Any = None
    store.put(layout.manifest(*RUN, "m" * 64), b"{}")
    relay = Relay(store, FileClaims(tmp_path / "claims"), nobody, tmp_path)
    near, far = socket.socketpair()
    relay.serve(Connection(near.detach()))
    with Connection(far.detach()) as child:
        worker: Any = TakenOver(RelayStore(child, tmp_path))
        plain = {name: getattr(REPORT, name) for name in RenderSpec.__dataclass_fields__}
        function = Function(frozenset(["report"]), store, relay, worker)
        answer = function.take(Event("1", "/test", TASK_READY, {"render": plain}))
    assert answer.status_code == 200
    assert worker.may == [f"put {worker.wants[0][1]}", f"get {layout.manifest(*RUN, 'm' * 64)}"]
