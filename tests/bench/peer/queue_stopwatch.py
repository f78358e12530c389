"""Counts how often the task body ran, and writes down how long the first to the last took."""

import json
import os
import time
from contextlib import contextmanager
from pathlib import Path

COUNT = int(os.environ.get("BENCH_COUNT", "0"))
PAYLOAD = {
    "video": "ab" * 32,
    "task": "ocr.1a2b3c4d-0001",
    "params": {"languages": ["en"]},
    "inputs": ["cd" * 32] * 3,
}
"""What a task's message holds, about 400 bytes of JSON."""
_ran = 0
_began = 0.0


def ran() -> None:
    """The body of every task."""
    global _ran, _began
    if _ran == 0:
        _began = time.perf_counter()
    _ran += 1
    if _ran == COUNT:
        told(time.perf_counter() - _began)


@contextmanager
def publishing():
    began = time.perf_counter()
    yield
    told(time.perf_counter() - began)


def told(seconds: float) -> None:
    out = Path(os.environ["BENCH_OUT"])
    out.with_suffix(".part").write_text(json.dumps(seconds))
    out.with_suffix(".part").rename(out)
