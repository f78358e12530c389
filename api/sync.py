"""``POST /process/sync``: one request runs to its end within its answer. For development only, and off unless a setting says so.

It holds a thread of the API for as long as the run takes; whoever runs a service asks for a run and is told when it has ended.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from flask import Blueprint, Response

from api.app import Api, BadRequest, json_body, problem, said
from kadr.contracts.errors import KadrError
from kadr.contracts.run import Request
from kadr.pipeline.admission import load_objects
from kadr.pipeline.epochs import Stored
from kadr.pipeline.state import RunState, evaluate

LONGEST_S = 300
LOOK_S = 0.25
AT_ONCE = 4


class SyncOff(KadrError):
    """POST /process/sync is for development and is off: KADR_PROCESS_SYNC=true turns it on; else POST /v1/runs and ask for the run."""

    status = 403


class SyncBusy(KadrError):
    """As many requests as may wait at once are waiting: POST /v1/runs, or try again later."""

    status = 503
    retryable = True


@dataclass(frozen=True)
class Sync:
    """The route; what may be asked is what POST /v1/runs takes, and ``timeout_s`` beside it."""

    api: Api
    on: bool
    longest_s: float = LONGEST_S
    _places: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(AT_ONCE), repr=False)

    def blueprint(self) -> Blueprint:
        made = Blueprint("sync", __name__, url_prefix="/process")
        made.before_request(self.api.check_key)
        made.register_error_handler(KadrError, problem)
        made.add_url_rule("/sync", "process", self.process, methods=["POST"])
        return made

    def process(self) -> Response:
        """200 and the run when it has ended, however; 504 and where it is found when time is over: it goes on."""
        if not self.on:
            raise SyncOff
        body = json_body()
        patience_s = self._patience_s(body.pop("timeout_s", self.longest_s))
        if not self._places.acquire(blocking=False):
            raise SyncBusy
        try:
            asked = self.api.begun(body).request
            state = self._ended(asked, time.monotonic() + patience_s)
        finally:
            self._places.release()
        if state.closed is None:
            return _late(asked, state, patience_s)
        return said(200, {**self.api.told(asked, state), "url": _url(asked)})

    def _patience_s(self, told: Any) -> float:
        if isinstance(told, bool) or not isinstance(told, int | float) or not 0 < told <= self.longest_s:
            raise BadRequest(f"timeout_s {str(told)[:50]!r} must be seconds, at most {self.longest_s:g}")
        return float(told)

    def _ended(self, asked: Request, until: float) -> RunState:
        objects: Mapping[str, Stored] = {}
        while True:
            objects = load_objects(self.api.store, asked, objects)
            state = evaluate(asked, objects)
            if state.closed is not None or time.monotonic() >= until:
                return state
            time.sleep(min(LOOK_S, max(0.0, until - time.monotonic())))


def _late(asked: Request, state: RunState, patience_s: float) -> Response:
    body = {
        "type": "urn:kadr:error:RunGoesOn",
        "title": "RunGoesOn",
        "status": 504,
        "detail": f"the run is {state.status.value} after {patience_s:g} s and goes on: GET {_url(asked)}",
        "retryable": False,
        "run_id": asked.run_id,
        "url": _url(asked),
    }
    return Response(json.dumps(body), 504, content_type="application/problem+json")


def _url(asked: Request) -> str:
    return f"/v1/runs/{asked.run_id}"
