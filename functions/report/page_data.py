"""What the page's script reads: the insights in a compact form, pictures as base64, and the curves of the timeline."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from functions.report.insights import Insights
from functions.report.items import Word
from functions.report.kinds import kinds, own
from functions.report.others import taken_apart
from functions.report.sources import Found, Sources
from kadr.craft.captions import Cue
from kadr.craft.webvtt import payload

CURVE_POINTS = 6000
KEY_FRAME_SHARE = 0.6
"""Of the bytes for pictures; what key frames leave goes to the storyboard."""


def page_data(sources: Sources, found: Insights, cues: Sequence[Cue]) -> dict[str, Any]:
    return {
        "href": sources.run.video_href,
        "insights": _compact(found),
        "loudness": curve(sources["loudness"], "t_ms", "momentary_lufs"),
        "motion": curve(sources["shots"], "motion_ms", "motion"),
        "cues": [[c.start_ms, c.end_ms, payload(c)] for c in cues],
        "kinds": {c.name: kind for c in found.run.components for kind in kinds([c.name])},
        "added": own(c.name for c in found.run.components),
        "curves": {other.component: _curves(sources[other.component]) for other in found.others},
    }


def _curves(found: Found) -> list[list[list[float]]]:
    """Of each series of a component that somebody added."""
    return [_thin(t_ms, values) for t_ms, values in taken_apart(found).curves.values()]


def _compact(found: Insights) -> dict[str, Any]:
    data = found.model_dump(mode="json")
    for segment, source in zip(data["transcript"], found.transcript, strict=True):
        segment["words"] = [_word(w) for w in source.words]
    packed = _short_evidence(data)
    assert isinstance(packed, dict)
    return packed


def _word(word: Word) -> list[Any]:
    return [word.start_ms, word.end_ms, word.text, int(word.space), word.speaker]


def _short_evidence(value: Any) -> Any:
    """Evidence as [component, index]: the page finds keys and digests in the list of components."""
    if isinstance(value, dict):
        if value.keys() == {"component", "key", "digest", "index"}:
            return [value["component"], value["index"]]
        return {name: _short_evidence(v) for name, v in value.items()}
    return [_short_evidence(v) for v in value] if isinstance(value, list) else value


def curve(found: Found, times: str, values: str) -> list[list[float]]:
    """[[ms, value]], the highest value of each stretch where there are more points than a screen can show."""
    return _thin(found.array(times), found.array(values))


def _thin(t_ms: np.ndarray, y: np.ndarray) -> list[list[float]]:
    stride = max(1, -(-len(t_ms) // CURVE_POINTS))
    starts = np.arange(0, len(t_ms), stride)
    highest = np.maximum.reduceat(y, starts) if len(starts) else y
    return [[int(t), round(float(v), 3)] for t, v in zip(t_ms[starts], highest, strict=True)]


def pictures(shots: Found, limit: int) -> bytes:
    """JSON {"keyframes": [JPEG or null by shot], "story": [[ms, JPEG]]}, as base64 of at most ``limit`` bytes."""
    frames, story = _jpegs(shots, "keyframe"), _jpegs(shots, "story")
    kept = thinned([_encoded_size(f) for f in frames], int(limit * KEY_FRAME_SHARE))
    left = limit - sum(_encoded_size(frames[i]) for i in kept)
    shown = thinned([_encoded_size(f) for f in story], left)
    times = shots.ints("story_ms")
    key_frames = (_text(f) if i in kept else b"null" for i, f in enumerate(frames))
    timed = (b"[%d,%s]" % (times[i], _text(story[i])) for i in sorted(shown))
    return b'{"keyframes":[%s],"story":[%s]}' % (b",".join(key_frames), b",".join(timed))


def _jpegs(shots: Found, prefix: str) -> list[np.ndarray]:
    """Their files, uint8 [B] each, where they lie."""
    return [shots[f"{prefix}_bytes"][a:b] for a, b in pairwise(shots.ints(f"{prefix}_offsets"))]


def _encoded_size(picture: np.ndarray) -> int:
    return 4 * -(-len(picture) // 3)


def thinned(sizes: Sequence[int], limit: int) -> set[int]:
    """Evenly spread positions of as many pictures as fit into ``limit`` bytes; all of them when they fit."""
    total = sum(sizes)
    wanted = len(sizes) if total <= limit else int(len(sizes) * limit / total)
    while wanted > 0:
        kept = {int(i) for i in np.linspace(0, len(sizes) - 1, wanted).round()}
        if sum(sizes[i] for i in kept) <= limit:
            return kept
        wanted = int(wanted * 0.95)
    return set()


def _text(picture: np.ndarray) -> bytes:
    return b'"%s"' % base64.b64encode(picture.tobytes())
