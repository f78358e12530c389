"""Captions without their markup, in a time that grows with their length: pysubs2's own takes the square of it."""

from __future__ import annotations

import re
from collections.abc import Iterator

_OPENS = {"<": re.compile(r"< */?[a-zA-Z]|</ +[a-zA-Z]|<\d\d:\d\d[\d:.]*>"), "{": re.compile("{")}
"""What begins markup: a name or a time in angle brackets, anything in braces. What nothing closes is text."""
_CLOSES = {"<": ">", "{": "}"}
_DRAWS = re.compile(r"\\p[1-9]")


def plain(text: str, *, angles: bool) -> str | None:
    """``text`` of a cue as one reads it, or None if it is a drawing. ``angles``: whether ``<…>`` is markup in its format."""
    kept = _outside(text, "<")[0] if angles else text
    kept, blocks = _outside(kept, "{")
    if any(map(_DRAWS.search, blocks)):
        return None
    return kept.replace(r"\h", " ").replace(r"\n", "\n").replace(r"\N", "\n")


def _outside(text: str, opener: str) -> tuple[str, list[str]]:
    """What stands outside of markup, and the markup."""
    kept, inside, at = [], [], 0
    for start, end in _marked(text, opener):
        kept.append(text[at:start])
        inside.append(text[start:end])
        at = end
    return "".join([*kept, text[at:]]), inside


def _marked(text: str, opener: str) -> Iterator[tuple[int, int]]:
    at = 0
    while (found := _OPENS[opener].search(text, at)) is not None:
        end = text.find(_CLOSES[opener], found.start())
        if end < 0:
            return
        at = end + 1
        yield found.start(), at
