"""From a stream's own time stamps to milliseconds of the video's timeline, and back."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

MAX_DURATION_MS = 48 * 3_600_000
"""Time stamps beyond two days are taken for damage."""


@dataclass(frozen=True)
class Clock:
    """``time_base``: seconds a tick. ``origin_us``: the container's time, in microseconds, that is 0 on the timeline."""

    time_base: Fraction
    origin_us: int

    def us(self, ticks: int) -> int:
        """Microseconds of the timeline, rounded down."""
        return ticks * self.time_base.numerator * 1_000_000 // self.time_base.denominator - self.origin_us

    def ms(self, ticks: int) -> int:
        """Milliseconds of the timeline, rounded half up."""
        return (self.us(ticks) + 500) // 1000

    def ticks_after(self, ms: int) -> int:
        """The first tick that is no earlier than any time stamp rounded to ``ms``."""
        us = ms * 1000 + 500 + self.origin_us
        return -(-us * self.time_base.denominator // (self.time_base.numerator * 1_000_000))
