"""Routes that every process of the service has: alive at all, ready for work, and its metrics."""

from __future__ import annotations

import json
from collections.abc import Callable

from flask import Flask, Response, request

from kadr.telemetry.metrics import CONTENT_TYPE, NO_ROUTE, Metrics

Ready = Callable[[], str]
"""Why there can be no work now; empty if there can."""


def add_metrics(app: Flask, metrics: Metrics) -> None:
    """``/metrics``, and every answer counted by its route."""

    def counted(answer: Response) -> Response:
        route = request.url_rule.rule if request.url_rule else NO_ROUTE
        method = request.method if request.url_rule else NO_ROUTE
        metrics.http_answers.labels(method, route, str(answer.status_code)).inc()
        return answer

    app.after_request(counted)
    app.add_url_rule(
        "/metrics", "metrics", lambda: Response(metrics.text(), content_type=CONTENT_TYPE), methods=["GET"]
    )


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
