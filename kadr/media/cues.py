"""Captions as plain text with times, and those of a text file that was given or lies beside the video.

It needs no PyAV: what asks about a video tells files that hold no captions before anything runs.
"""

from __future__ import annotations

import html
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import pysubs2

from kadr.contracts.errors import InvalidProfile
from kadr.media.clock import MAX_DURATION_MS
from kadr.media.markup import plain

MAX_CUES = 50_000
MAX_CUE_CHARACTERS = 2_000
MAX_RAW_CHARACTERS = 2 * MAX_CUE_CHARACTERS
"""Of a cue with its markup."""
MAX_HEADING = 100
_HEADING_WITHIN = 4
MAX_CUE_MS = 60_000
"""Cues without a credible end are shown for so long at most."""
_TIMES = re.compile(r"^.*-->", re.MULTILINE)
_BLANK_LINES = re.compile(r"\n{3,}")
_ASS, _SSA = ("[Script Info]", "[V4+ Styles]"), "[V4 Styles]"


@dataclass(frozen=True, order=True)
class Cue:
    start_ms: int
    end_ms: int
    text: str


def sidecar_cues(text: str) -> list[Cue]:
    """Cues of an SRT, WebVTT or ASS file given as text, sorted; at least one. Raises InvalidProfile when there is none."""
    form = _form(text)
    if form is None:
        raise InvalidProfile("The captions are neither SRT, WebVTT nor ASS: check the file")
    try:
        found = _parsed(_bounded(_normal(text), form), form)
    except (pysubs2.exceptions.Pysubs2Error, ValueError, LookupError, OverflowError) as error:
        raise InvalidProfile(f"The captions are damaged {form.upper()}: check the file") from error
    angles = form in ("srt", "vtt")
    texts = ((e, plain(e.text, angles=angles)) for e in found.events if not e.is_comment)
    cues = kept_cues(Cue(e.start, e.end, words) for e, words in texts if words is not None)
    if not cues:
        raise InvalidProfile("The captions have no text with times that can be read: check the file")
    return cues


def _parsed(text: str, form: str) -> pysubs2.SSAFile:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fields that say nothing about times and text
        # Only the times are pysubs2's work: its way to read markup takes the square of a cue's length.
        return pysubs2.SSAFile.from_string(text, format_=form, keep_html_tags=True)


def _bounded(text: str, form: str) -> str:
    """Of each cue only the beginning, and of headings: pysubs2's expressions take quadratic time on one long text."""
    kept, room = [], MAX_RAW_CHARACTERS
    for line in text.split("\n"):
        if "-->" in line or line.startswith(("Dialogue:", "Style:", "Format:", "[")):
            room = MAX_RAW_CHARACTERS
        heading = form in ("ass", "ssa") and "[" in line.lstrip()[:_HEADING_WITHIN]
        kept.append(line[: min(room, MAX_HEADING) if heading else room])
        room = max(0, room - len(line))
    return "\n".join(kept)


def _form(text: str) -> str | None:
    """What ``text`` looks like, of the formats that are read."""
    if text.lstrip("\ufeff").startswith("WEBVTT"):
        return "vtt"
    if _SSA in text:
        return "ssa"
    if any(head in text for head in _ASS):
        return "ass"
    return "srt" if "-->" in text else None


def _normal(text: str) -> str:
    """Plain line ends; of WebVTT only the blocks that have times, without identifiers, which pysubs2 takes for text."""
    even = text.replace("\r\n", "\n").replace("\r", "\n").lstrip("\ufeff")
    even = _BLANK_LINES.sub("\n\n", even)
    if not even.startswith("WEBVTT"):
        return even
    blocks = [(block, _TIMES.search(block)) for block in re.split(r"\n[ \t]*\n", even)]
    timed = [block[times.start() :] for block, times in blocks if times]
    return "\n\n".join(["WEBVTT", *timed, ""])


def kept_cues(cues: Iterable[Cue]) -> list[Cue]:
    """Those with text and a credible time, sorted; at most MAX_CUES, each within its bounds."""
    kept: list[Cue] = []
    for cue in cues:
        text = html.unescape(cue.text).strip()[:MAX_CUE_CHARACTERS]
        start = max(0, cue.start_ms)
        if text and start < cue.end_ms and start <= MAX_DURATION_MS:
            kept.append(Cue(start, min(cue.end_ms, start + MAX_CUE_MS), text))
        if len(kept) >= MAX_CUES:
            break
    return sorted(kept)
