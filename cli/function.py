"""The WSGI application of a function's process: ``KADR_FUNCTION=speech gunicorn --worker-class gthread cli.function:app``.

functions-framework's own runner drops requests 30 s after SIGTERM and has no health route: gunicorn serves its application, with ours.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import functions_framework
from flask import Flask

from events.health import add_health, add_metrics

TARGET = Path(__file__).with_name("function_target.py")


def create() -> Flask:
    made: Any = functions_framework.create_app("handle", str(TARGET), "http")  # type: ignore[no-untyped-call]
    target: Any = sys.modules["function_target"]
    app: Flask = made
    add_health(app, target.ready)
    add_metrics(app, target.METRICS)
    return app


app = create()
