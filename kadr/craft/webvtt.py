"""How WebVTT (W3C, https://www.w3.org/TR/webvtt1/) writes times and texts."""

from __future__ import annotations

from kadr.craft.captions import Cue, plain

ESCAPES = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}


def stamp(ms: int, point: str = ".") -> str:
    """``ms`` as HH:MM:SS.mmm; hours have two digits or more."""
    minutes, rest = divmod(ms, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{point}{rest % 1000:03}"


def payload(cue: Cue, voices: bool = True) -> str:
    """The cue's text: escaped, with the speaker as its voice."""
    text = "\n".join(line.translate(ESCAPES) for line in cue.lines)
    name = plain(cue.speaker or "") if voices else ""
    return f"<v {name.translate(ESCAPES)}>{text}" if name else text
