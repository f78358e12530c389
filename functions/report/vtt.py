"""WebVTT captions (W3C, https://www.w3.org/TR/webvtt1/) of a run: from its words, or from the file's own captions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from functions.report.items import CaptionLine, Segment
from kadr.craft.captions import Cue, Said, cues, plain
from kadr.craft.webvtt import payload, stamp


def cues_of(
    transcript: Sequence[Segment], captions: Sequence[CaptionLine], limit_ms: int | None = None
) -> tuple[Cue, ...]:
    """Captions from speech, up to ``limit_ms``; from the file's own captions where nothing was heard."""
    said = ([Said(w.start_ms, w.end_ms, w.text, w.space, w.speaker) for w in s.words] for s in transcript)
    return cues(said, limit_ms) or tuple(cue for line in captions for cue in _caption_cues(line))


def captions_vtt(cues: Sequence[Cue], language: str | None) -> str:
    head = f"WEBVTT\nKind: captions\nLanguage: {language}" if language else "WEBVTT\nKind: captions"
    blocks = [f"{stamp(c.start_ms)} --> {stamp(c.end_ms)}\n{payload(c)}" for c in cues]
    return "\n\n".join([head, "NOTE Made by Kadr", *blocks]) + "\n"


def _caption_cues(line: CaptionLine) -> Iterator[Cue]:
    lines = tuple(text for text in map(plain, line.text.splitlines()) if text)
    if lines and line.end_ms > line.start_ms:
        yield Cue(line.start_ms, line.end_ms, lines)
