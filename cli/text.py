"""Text from outside, made safe for a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """``text`` with everything that a terminal might obey (escapes, controls, direction marks) shown as ``?``.

    Line ends stay: messages have them. File names and reasons may come from hostile files.
    """
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)
