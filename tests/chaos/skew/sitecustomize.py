"""Found by the processes under attack on their PYTHONPATH: each has a clock of its own, some minutes away from the true one.

What measures (time.monotonic) is left alone, as on a machine whose date is wrong.
"""

from __future__ import annotations

import datetime as datetimes
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

MOST_S = 600
"""Stores take signatures that are at most 15 minutes old or early."""
SKEWED = ("cli.function", "cli.worker", "cli.control", "cli.web")


def skew(seconds: float) -> None:
    """Shift this process's date."""
    true_time, true_time_ns = time.time, time.time_ns
    time.time = lambda: true_time() + seconds
    time.time_ns = lambda: true_time_ns() + int(seconds * 1e9)
    true = datetimes.datetime
    away = datetimes.timedelta(seconds=seconds)

    class Kind(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, true)

        def __subclasscheck__(cls, other: type) -> bool:
            return issubclass(other, true)

    class Skewed(true, metaclass=Kind):  # type: ignore[misc, valid-type]
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return true.now(tz) + away

        @classmethod
        def utcnow(cls) -> Any:
            return true.now(datetimes.UTC).replace(tzinfo=None) + away

    datetimes.datetime = Skewed  # type: ignore[misc]


def main() -> None:
    said = " ".join(sys.orig_argv)
    folder = os.environ.get("CHAOS_SKEW")
    if not folder or not any(name in said for name in SKEWED):
        return
    seconds = random.uniform(-MOST_S, MOST_S)
    Path(folder, f"{os.getpid()}-{time.time_ns()}").write_text(f"{seconds:.0f}")
    skew(seconds)


main()
