"""What functions-framework loads in a process of a function: the component that KADR_FUNCTION names, answering CloudEvents."""

from __future__ import annotations

import functions_framework
from flask import Request, Response

from cli.service import Service
from events.batches import Batches
from events.function import Function
from events.watched import Watched
from kadr.telemetry import logs
from kadr.telemetry.metrics import FunctionMetrics

SERVICE = Service()
NAME = SERVICE.settings.function
logs.setup("function", NAME, SERVICE.settings.log_level)
METRICS = FunctionMetrics()
ANSWERING = SERVICE.function(NAME)
WATCHED = Watched(NAME, ANSWERING.take, METRICS)
FUNCTION = Batches(WATCHED.take, ANSWERING.drop) if isinstance(ANSWERING, Function) else Batches(WATCHED.take)


@functions_framework.http
def handle(request: Request) -> Response:
    """One task, or a batch of them. The framework's own CloudEvents signature answers nothing but OK, so events are parsed here."""
    return FUNCTION(request)


def ready() -> str:
    """Why this process cannot work now; empty if it can."""
    return "the object store does not answer" if SERVICE.client.resting else ""
