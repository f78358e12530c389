"""What is wrong with a file that could be read only in part, and what to do about it: the same words wherever it is told."""

from __future__ import annotations

from functions.report.about import Video
from functions.report.words import clock, span_length

APART = "Cut the file where its recordings were joined, and give each by itself."
APART_AT = "Cut the file at byte {}, where the next recording begins, and give each by itself."
COPY = "Copy or download it again."
COMPARE = "Compare with another copy of the file, if there is one: what follows from the damaged part is missing or may be wrong."


def told(video: Video) -> tuple[str, str] | None:
    """What is wrong and what to do, by the gravest damage of ``video``; None where none of it has words of its own."""
    damage = video.damage
    for one in damage:
        if one.expected_ms and one.found_ms:
            whole, there = span_length(one.expected_ms), span_length(one.found_ms)
            what = f"The file is cut off: it should last {whole} but holds only {there}, so the report covers only that."
            return what, COPY
    for one in damage:
        if one.kind == "stopped" and one.found_ms:
            what = f"The file could be read only up to {clock(one.found_ms)}, so the report covers only that."
            return what, COPY
    for one in damage:
        if one.kind == "joined" and one.unread_bytes:
            what = (
                "Another recording follows in the file after the first, so the report covers only the first."
            )
            return what, APART_AT.format(video.size_bytes - one.unread_bytes) if video.size_bytes else APART
    if any(one.kind == "joined" for one in damage):
        what = "The file was put together from several recordings, and of parts with the same times the report covers only one."
        return what, APART
    if any(one.kind == "clock" for one in damage):
        what = "The file's clock is set back on the way, so of parts with the same times the report covers only one."
        return what, APART
    return None


def advice(video: Video) -> str:
    """What to do about a file that is damaged."""
    words = told(video)
    return words[1] if words else COMPARE
