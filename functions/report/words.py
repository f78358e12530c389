"""Numbers, times and lists as people read them."""

from __future__ import annotations

from collections.abc import Sequence

from kadr.craft.languages import NAMES, OTHERWISE


def language_name(code: str) -> str:
    return NAMES.get(OTHERWISE.get(code, code), code)


def clock(ms: int) -> str:
    """1:05, 2:03:04: a point on the timeline."""
    minutes, seconds = divmod(ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def border(ms: int) -> str:
    """A point that somebody named, with tenths where it has any: 0:08.5."""
    return f"{clock(ms)}.{ms % 1000 // 100}" if ms % 1000 >= 100 else clock(ms)


def span_length(ms: int) -> str:
    """0.8 s, 12 s, 3 min 5 s, 2 h 14 min: a length of time."""
    if ms < 9950:
        return f"{ms / 1000:.1f}".removesuffix(".0") + " s"
    seconds = ms // 1000 if ms >= 60_000 else round(ms / 1000)  # as the clock says it
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    if minutes:
        return f"{minutes} min {seconds} s" if seconds else f"{minutes} min"
    return f"{seconds} s"


def count(n: int, noun: str) -> str:
    return f"{n:,} {noun}" if n == 1 else f"{n:,} {noun}s"


def listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]])) if names else ""


def shortened(text: str, chars: int) -> str:
    """``text`` on one line, cut at a word with an ellipsis when it is longer than ``chars``."""
    text = " ".join(text.split())
    if len(text) <= chars:
        return text
    cut = text[:chars].rsplit(" ", 1)[0] or text[:chars]
    return cut.rstrip(" ,.;:") + "…"
