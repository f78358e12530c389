"""How long to wait before the next attempt: exponential backoff with full jitter.

Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
"""

from __future__ import annotations

from collections.abc import Callable

FIRST_MS = 1000
LONGEST_MS = 300_000
LONGEST_ASKED_MS = 3_600_000
"""The longest Retry-After that is honoured: a server that asks for more is asked again after this."""


def delay_ms(
    attempt: int,
    retry_after_ms: int | None,
    random: Callable[[], float],
    first_ms: int = FIRST_MS,
    longest_ms: int = LONGEST_MS,
) -> int:
    """Milliseconds before attempt ``attempt`` + 1, where ``attempt`` counts from 0; ``random`` gives 0 to 1.

    Never earlier than ``retry_after_ms``; the jitter then comes on top, or all who were told the same would return at once.
    """
    ceiling = min(longest_ms, first_ms << min(max(attempt, 0), 20))
    asked = min(max(retry_after_ms or 0, 0), LONGEST_ASKED_MS)
    return asked + int(random() * ceiling)
