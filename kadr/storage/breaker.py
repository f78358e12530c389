"""A breaker around a server: while it is down it is not asked, and callers learn at once that they must come again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

import pybreaker

T = TypeVar("T")
FAILURES = 5
PAUSE_S = 5.0


class BreakerOpen(Exception):
    """The last calls failed; the server is given a pause."""


class Breaker:
    """Opens after ``failures`` in a row; after ``pause_s`` the next caller probes, and an answer closes it.

    pybreaker holds its lock during a call, so that calls would queue up behind one another: here it only counts what came of
    those that ran beside it, and runs the probe.
    """

    def __init__(
        self,
        probe: Callable[[], object],
        counts: Callable[[BaseException], bool],
        failures: int = FAILURES,
        pause_s: float = PAUSE_S,
    ) -> None:
        """``probe`` asks the server something small; ``counts`` tells which errors speak of one that is down: others are answers."""
        self._ask = probe
        self._counts = counts
        self._breaker = pybreaker.CircuitBreaker(
            failures,
            pause_s,
            exclude=[lambda error: not counts(error)],
            throw_new_error_on_trip=False,
        )
        self._probing = threading.Lock()

    @property
    def open(self) -> bool:
        return bool(self._breaker.current_state != pybreaker.STATE_CLOSED)

    def call(self, function: Callable[[], T]) -> T:
        """What ``function`` gives or raises. Raises BreakerOpen instead of calling it while the pause lasts."""
        if self.open:
            self._probe()
        try:
            result = function()
        except Exception as error:
            self._told(error)
            raise
        if self._breaker.fail_counter:
            self._told(None)
        return result

    def _probe(self) -> None:
        """Close it if the server answers. Of many callers one asks; what was wanted itself may take long."""
        if not self._probing.acquire(blocking=False):
            raise BreakerOpen
        try:
            self._breaker.call(self._ask)
        except pybreaker.CircuitBreakerError as error:
            raise BreakerOpen from error
        except Exception as error:
            if self._counts(error):
                raise
        finally:
            self._probing.release()

    def _told(self, error: Exception | None) -> None:
        """Count the outcome of a call that ran while it was closed, unless it has opened since."""

        def outcome() -> None:
            if error is not None:
                raise error

        if self.open:
            return
        try:
            self._breaker.call(outcome)
        except pybreaker.CircuitBreakerError:
            return
        except Exception as raised:
            if raised is not error:
                raise
