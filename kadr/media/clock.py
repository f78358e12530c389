"""From a stream's own time stamps to milliseconds of the video's timeline, and back."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

MAX_DURATION_MS = 48 * 3_600_000
"""No timeline is longer than two days."""
MAX_ORIGIN_US = 2**53
"""Beyond it a time is no exact number in JSON any more."""
_FREE_MS = 2 * 3_600_000
_LEAST_BYTES_PER_S = 20


def credible_ms(size_bytes: int) -> int:
    """The longest timeline of a file of so many bytes; time stamps beyond it are taken for damage.

    Two hours, or as long as the bytes reach at 20 a second, which is less than the sparsest pictures or the poorest
    speech take: otherwise a few damaged bytes would make days of silence, and gigabytes of results.
    """
    return min(MAX_DURATION_MS, max(_FREE_MS, size_bytes * 1000 // _LEAST_BYTES_PER_S))


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
