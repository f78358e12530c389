"""Text from outside, made safe for a terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """``text`` with everything that a terminal might obey (escapes, controls, direction marks) shown as ``?``.

    Line ends stay: messages have them. File names and reasons may come from hostile files.
    """
    return "".join(c if c.isprintable() or c == "\n" else "?" for c in text)


def number(n: int, what: str) -> str:
    """``n`` of ``what``, which is said of one: ``number(2, "result")`` is ``2 results``."""
    return f"{n} {what}" if n == 1 else f"{n} {what}s"


def about(title: str, message: str) -> str:
    """``message`` with what it is about before it, unless it says so itself."""
    return message if title in message else f"{title}: {message}"
