"""What was seen: shots, scenes, objects, faces, tags, moderation, quality, on-screen text."""

from __future__ import annotations

import sys
from typing import Literal

import numpy as np

from functions.report.items import (
    Box,
    FaceTrack,
    KeyFrame,
    Moderation,
    ModerationPeak,
    ModerationSpan,
    ObjectTrack,
    Point,
    QualitySpan,
    Scene,
    Shot,
    Tag,
    TextTrack,
)
from functions.report.sources import Found, Sources, Span, at, score
from kadr.contracts.profile import part_asked

KINDS: tuple[Literal["start", "cut", "gradual"], ...] = ("start", "cut", "gradual")
TAG_FLOOR = 0.1
"""Tags below this probability are among the best five only because something has to be."""


def shots(sources: Sources) -> tuple[Shot, ...]:
    found = sources["shots"]
    scene, kind, scores = found.ints("shot_scene"), found.ints("shot_kind"), found.scores("shot_score")
    return tuple(
        Shot(
            start_ms=s,
            end_ms=e,
            index=i,
            scene=scene[i],
            kind=KINDS[kind[i]],
            score=scores[i],
            evidence=found.evidence(i),
        )
        for i, (s, e) in enumerate(found.spans("shot_"))
    )


def scenes(sources: Sources, all_shots: tuple[Shot, ...]) -> tuple[Scene, ...]:
    found = sources["shots"]
    members: dict[int, list[int]] = {}
    for shot in all_shots:
        members.setdefault(shot.scene, []).append(shot.index)
    return tuple(
        Scene(start_ms=s, end_ms=e, index=i, shots=tuple(members.get(i, ())), evidence=found.evidence(i))
        for i, (s, e) in enumerate(found.spans("scene_"))
    )


def key_frames(sources: Sources) -> tuple[KeyFrame, ...]:
    found = sources["shots"]
    return tuple(
        KeyFrame(start_ms=t, end_ms=t, shot=i, evidence=found.evidence(i))
        for i, t in enumerate(found.ints("keyframe_ms"))
    )


def objects(sources: Sources) -> tuple[ObjectTrack, ...]:
    found = sources["objects"]
    labels, which, scores = found.strings("labels"), found.ints("track_label"), found.scores("track_score")
    best = _best_detections(found, len(which))
    return tuple(
        ObjectTrack(
            start_ms=s,
            end_ms=e,
            label=at(labels, which[i]) or "?",
            score=scores[i],
            detections=best[i][0],
            best_ms=best[i][1],
            best_box=best[i][2],
            evidence=found.evidence(i),
        )
        for i, (s, e) in enumerate(found.spans("track_"))
    )


def _best_detections(found: Found, tracks: int) -> list[tuple[int, int | None, Box | None]]:
    """For each track: number of detections, and time and box of the most certain one."""
    track, scores = found.array("det_track"), found.array("det_score")
    counts = np.bincount(track[track >= 0], minlength=tracks)
    made: list[tuple[int, int | None, Box | None]] = [(int(counts[i]), None, None) for i in range(tracks)]
    for d in np.argsort(scores, kind="stable"):
        i = int(track[d])
        if 0 <= i < tracks:
            made[i] = (int(counts[i]), int(found["det_t_ms"][d]), _box(found["det_box"][d]))
    return made


def _box(values: np.ndarray) -> Box:
    x1, y1, x2, y2 = (round(float(v), 1) for v in values)
    return x1, y1, x2, y2


def faces(sources: Sources) -> tuple[FaceTrack, ...]:
    found = sources["faces"]
    names, scores = found.strings("emotions"), found.scores("track_score")
    best = _best_detections(found, len(scores))
    made = []
    for i, (s, e) in enumerate(found.spans("track_")):
        emotions = _emotions(names, found["track_emotion"][i])
        made.append(
            FaceTrack(
                start_ms=s,
                end_ms=e,
                score=scores[i],
                detections=best[i][0],
                best_ms=best[i][1],
                best_box=best[i][2],
                emotion=max(emotions, key=lambda n: emotions[n]) if emotions else None,
                emotions=emotions,
                evidence=found.evidence(i),
            )
        )
    return tuple(made)


def _emotions(names: list[str], values: np.ndarray) -> dict[str, float]:
    """Scores by name; nothing when all are zero, which is how "not read" is stored."""
    return {n: score(v) for n, v in zip(names, values, strict=False)} if values.any() else {}


def tags(sources: Sources) -> tuple[Tag, ...]:
    found = sources["tags"]
    labels = found.strings("labels")
    step, end_ms = _step(found.array("t_ms")), _asked_end_ms(sources)
    made = []
    for i, summary in enumerate(found.value("summary", [])):
        label = str(summary["label"])
        spans = _tag_spans(found, labels.index(label) if label in labels else -1, step, end_ms)
        first, seen = int(summary["first_ms"]), int(summary["ms"])
        spans = spans or [(first, first + seen)]
        made.append(
            Tag(
                start_ms=spans[0][0],
                end_ms=spans[-1][1],
                label=label,
                score=score(summary["score"]),
                seen_ms=seen,
                spans=tuple(spans),
                evidence=found.evidence(i),
            )
        )
    return tuple(made)


def _asked_end_ms(sources: Sources) -> int:
    """Where the asked part of the video ends; endless when probe's facts are missing."""
    duration_ms = int(sources["probe"].value("duration_ms", 0)) or sys.maxsize
    return part_asked(sources.run.manifest.get("profile") or {}, duration_ms)[1]


def _tag_spans(found: Found, label: int, step: int, end_ms: int) -> list[Span]:
    """Runs of sampled frames that show ``label`` among their best, as spans: a frame stands for the time until the next one."""
    if label < 0 or not len(found.array("t_ms")):
        return []
    shown = ((found["top"] == label) & (found["top_score"] >= TAG_FLOOR)).any(axis=1)
    spans: list[Span] = []
    for t in map(int, found["t_ms"][shown]):
        start = spans.pop()[0] if spans and t <= spans[-1][1] else t
        spans.append((start, min(t + step, max(end_ms, t))))
    return spans


def _step(t_ms: np.ndarray) -> int:
    return int(np.median(np.diff(t_ms))) if len(t_ms) > 1 else 1000


def moderation(sources: Sources) -> Moderation | None:
    found = sources["moderation"]
    if not found.exists:
        return None
    labels, which, scores = found.strings("labels"), found.ints("span_label"), found.scores("span_score")
    spans = [
        ModerationSpan(
            start_ms=s,
            end_ms=e,
            label=at(labels, which[i]) or "?",
            score=scores[i],
            evidence=found.evidence(i),
        )
        for i, (s, e) in enumerate(found.spans("span_"))
    ]
    return Moderation(
        threshold=_threshold(sources),
        peaks=tuple(_peaks(found, labels)),
        spans=tuple(spans),
        evidence=found.evidence(),
    )


def _threshold(sources: Sources) -> float | None:
    profile = sources.run.manifest.get("profile") or {}
    asked = profile.get("components", {}).get("moderation") or {}
    value = asked.get("params", {}).get("threshold")
    return None if value is None else score(value)


def _peaks(found: Found, labels: list[str]) -> list[ModerationPeak]:
    t_ms, values = found.array("t_ms"), found.array("score")
    if not len(t_ms):
        return []
    where = values.argmax(axis=0)
    return [
        ModerationPeak(label=n, score=score(values[where[i], i]), at_ms=int(t_ms[where[i]]))
        for i, n in enumerate(labels)
    ]


def quality(sources: Sources) -> tuple[QualitySpan, ...]:
    found = sources["quality"]
    kinds, which = found.strings("kinds"), found.ints("span_kind")
    return tuple(
        QualitySpan(start_ms=s, end_ms=e, kind=at(kinds, which[i]) or "?", evidence=found.evidence(i))
        for i, (s, e) in enumerate(found.spans("span_"))
    )


def texts(sources: Sources) -> tuple[TextTrack, ...]:
    found = sources["ocr"]
    strings, scores = found.strings("tracks"), found.scores("track_score")
    return tuple(
        TextTrack(
            start_ms=s,
            end_ms=e,
            text=strings[i],
            score=scores[i],
            quad=_quad(found["track_box"][i]),
            evidence=found.evidence(i),
        )
        for i, (s, e) in enumerate(found.spans("track_"))
    )


def _quad(points: np.ndarray) -> tuple[Point, Point, Point, Point]:
    a, b, c, d = ((round(float(x), 1), round(float(y), 1)) for x, y in points)
    return a, b, c, d
