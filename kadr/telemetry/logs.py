"""Logs: one JSON object a line on standard error, so that one run can be followed through all processes by its trace id."""

from __future__ import annotations

import json
import logging
import sys
import threading
from datetime import UTC, datetime
from typing import Any, TextIO

FIELDS = ("function", "trace_id", "run_id", "owner", "task", "outcome", "attempt", "seconds")
"""What a line may say beside its message; whoever logs names them in ``extra``."""
OWN = "kadr"
"""Loggers of Kadr's own are below this one; of others' only warnings and errors are written."""


class JsonLines(logging.Formatter):
    """Time (UTC), level, process and message; then those of FIELDS that are known, and the traceback of an error."""

    def __init__(self, process: str, function: str = "") -> None:
        super().__init__()
        self._process = process
        self._function = function

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname,
            "process": self._process,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if self._function:
            said["function"] = self._function
        known = record.__dict__
        said |= {name: known[name] for name in FIELDS if known.get(name) not in (None, "")}
        if record.exc_info:
            said["error"] = self.formatException(record.exc_info)
        return json.dumps(said, ensure_ascii=False, default=str)


def setup(process: str, function: str = "", level: str = "INFO", stream: TextIO | None = None) -> None:
    """Everything that this process logs from now on goes to ``stream`` (standard error), unforeseen errors included."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines(process, function))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(logging.WARNING, _number(level)))
    own = logging.getLogger(OWN)
    own.setLevel(_number(level))
    logging.captureWarnings(True)
    sys.excepthook = lambda kind, error, trace: own.critical(
        "unforeseen: %s", error, exc_info=(kind, error, trace)
    )
    threading.excepthook = _ended


def _number(level: str) -> int:
    return logging.getLevelNamesMapping()[level.upper()]


def _ended(args: threading.ExceptHookArgs) -> None:
    name = args.thread.name if args.thread else "a thread"
    logging.getLogger(OWN).critical("%s ended: %s", name, args.exc_value, exc_info=args.exc_value)


def trace_id(traceparent: str) -> str:
    """The trace id in a W3C traceparent; empty where it has none."""
    parts = traceparent.split("-")
    return parts[1] if len(parts) == 4 and len(parts[1]) == 32 else ""
