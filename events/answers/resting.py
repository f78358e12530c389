"""How much of the deliverer one target may take: most while it is quick, little while it is slow, next to nothing while it fails."""

from __future__ import annotations

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

QUICK, OTHERS = 6, 2
"""Places for a target that answered quickly the last time, and for any other."""
QUICK_S = 1.0
BUSY_S = 2.0
FAILURES = 3
"""In a row, after which a target is left alone for a while."""
REST_S = (5.0, 300.0)
"""At first, and at most: each further failure doubles it."""
REMEMBERED = 10_000


@dataclass
class Resting:
    """By a name for each receiver. One that hangs or is down then holds up nobody else's answers."""

    rest_s: tuple[float, float] = REST_S
    clock: Callable[[], float] = time.monotonic
    _busy: Counter[str] = field(default_factory=Counter)
    _quick: OrderedDict[str, None] = field(default_factory=OrderedDict)
    _failed: OrderedDict[str, tuple[int, float]] = field(default_factory=OrderedDict)
    """How often in a row, and until when it rests."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def enter(self, target: str) -> float:
        """0: it may be asked, and :meth:`leave` must follow. Else the seconds after which to try again."""
        with self._lock:
            _, until = self._failed.get(target, (0, 0.0))
            if (left := until - self.clock()) > 0:
                return left
            if self._busy[target] >= (QUICK if target in self._quick else OTHERS):
                return BUSY_S
            self._busy[target] += 1
            return 0.0

    def leave(self, target: str, failed: bool, seconds: float) -> None:
        with self._lock:
            self._busy[target] -= 1
            if self._busy[target] <= 0:
                del self._busy[target]
            self._quick.pop(target, None)
            times, _ = self._failed.pop(target, (0, 0.0))
            if failed:
                over = times + 1 - FAILURES
                rest_s = min(self.rest_s[1], self.rest_s[0] * 2 ** min(over, 10)) if over >= 0 else 0.0
                self._failed[target] = (times + 1, self.clock() + rest_s)
            elif seconds < QUICK_S:
                self._quick[target] = None
            for known in (self._failed, self._quick):
                while len(known) > REMEMBERED:
                    known.popitem(last=False)
