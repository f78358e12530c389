"""Health routes that every process of the service has: alive at all, and ready for work."""

from __future__ import annotations

import json
from collections.abc import Callable

from flask import Flask, Response

Ready = Callable[[], str]
"""Why there can be no work now; empty if there can."""


def add_health(app: Flask, ready: Ready) -> None:
    """``/health/live`` and ``/live``; ``/health``, ``/health/ready`` and ``/ready`` look at what the process needs."""

    def live() -> Response:
        return _said(200, "alive")

    def is_ready() -> Response:
        why = ready()
        return _said(503, why) if why else _said(200, "ready")

    for path in ("/health/live", "/live"):
        app.add_url_rule(path, path, live, methods=["GET"])
    for path in ("/health", "/health/ready", "/ready"):
        app.add_url_rule(path, path, is_ready, methods=["GET"])


def _said(status: int, what: str) -> Response:
    return Response(json.dumps({"status": what}), status, content_type="application/json")
