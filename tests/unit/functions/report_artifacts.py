"""Results made up for tests, exactly as the components make them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, pairwise

import cv2
import numpy as np

from kadr.contracts.artifact import Artifact

EMOTIONS = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
SENTENCES = (
    "It was the best of times, it was the worst of times.",
    "It was the age of wisdom, it was the age of foolishness.",
    "We had everything before us, we had nothing before us!",
    "The lighthouse keeper counted the ships as they went by, one after another, until the fog took them.",
    "Где мы были вчера вечером?",
    "Nobody on the quay spoke, and the harbour lights went out.",
)
Picture = Callable[[int], np.ndarray]
Span = tuple[int, int]


def i64(values: Iterable[int]) -> np.ndarray:
    return np.array(list(values), dtype=np.int64)


def i32(values: Iterable[int]) -> np.ndarray:
    return np.array(list(values), dtype=np.int32)


def f32(values: Iterable[float]) -> np.ndarray:
    return np.array(list(values), dtype=np.float32)


def spans(prefix: str, values: Sequence[Span]) -> dict[str, np.ndarray]:
    return {f"{prefix}start_ms": i64(s for s, _ in values), f"{prefix}end_ms": i64(e for _, e in values)}


def painted(ms: int) -> np.ndarray:
    """A 320 × 180 BGR picture that tells its time by its colours."""
    hue = (ms // 97) % 180
    top, bottom = (np.array([[[h, 90, v]]], np.uint8) for h, v in ((hue, 200), ((hue + 25) % 180, 70)))
    ends = [cv2.cvtColor(c, cv2.COLOR_HSV2BGR)[0, 0].astype(np.float32) for c in (top, bottom)]
    mix = np.linspace(0, 1, 180, dtype=np.float32)[:, None, None]
    picture = np.broadcast_to((1 - mix) * ends[0] + mix * ends[1], (180, 320, 3)).astype(np.uint8).copy()
    cv2.circle(picture, (40 + (ms // 40) % 240, 60), 22, (225, 240, 250), -1, cv2.LINE_AA)
    return picture


def jpegs(prefix: str, times: Sequence[int], picture: Picture, quality: int = 80) -> dict[str, np.ndarray]:
    blobs = [cv2.imencode(".jpg", picture(t), [cv2.IMWRITE_JPEG_QUALITY, quality])[1].ravel() for t in times]
    offsets = i64(accumulate((len(b) for b in blobs), initial=0))
    return {
        f"{prefix}_ms": i64(times),
        f"{prefix}_bytes": np.concatenate(blobs) if blobs else np.zeros(0, np.uint8),
        f"{prefix}_offsets": offsets,
    }


def probe(duration_ms: int, video: bool = True, audio: bool = True) -> Artifact:
    picture = {
        "codec": "h264",
        "width": 1280,
        "height": 720,
        "rotation": 0,
        "fps": 25.0,
        "hdr": False,
        "start_ms": 0,
    }
    picture |= {"frames": duration_ms // 40, "pix_fmt": "yuv420p"}
    stream = {
        "index": 1,
        "codec": "aac",
        "rate": 48000,
        "channels": 2,
        "language": "eng",
        "duration_ms": duration_ms,
    }
    return Artifact({}, {
        "container": "mp4", "duration_ms": duration_ms, "size_bytes": duration_ms * 180,
        "video": picture if video else None, "audio": [stream] if audio else [], "subtitles": [],
        "chapters": [{"start_ms": 0, "end_ms": duration_ms // 2, "title": "The quay"}], "tags": {},
        "attached_pictures": 0, "warnings": [],
    })  # fmt: skip


def shots(duration_ms: int, shot_ms: int = 3700, picture: Picture = painted) -> Artifact:
    cuts = [*range(0, max(1, duration_ms - shot_ms // 2), shot_ms), duration_ms]
    bounds = list(pairwise(cuts))
    scene = [i // 4 for i in range(len(bounds))]
    first = [scene.index(n) for n in range(scene[-1] + 1)]
    last = [len(scene) - 1 - scene[::-1].index(n) for n in range(scene[-1] + 1)]
    seconds = range(0, duration_ms, 1000)
    step = max(2000, duration_ms // 200)
    motion = [0.2 + 0.18 * np.sin(t / 2300) + (0.5 if t % 3700 < 1000 else 0) for t in seconds]
    return Artifact({
        **spans("shot_", bounds), "shot_kind": np.array([0, *[1 + (i % 5 == 4) for i in range(1, len(bounds))]], np.uint8),
        "shot_score": f32([0, *[0.9] * (len(bounds) - 1)]), "shot_scene": i32(scene),
        **spans("scene_", [(cuts[a], cuts[b + 1]) for a, b in zip(first, last, strict=True)]),
        **jpegs("keyframe", [(a + b) // 2 for a, b in bounds], picture), **jpegs("story", list(range(0, duration_ms, step)), picture),
        "motion_ms": i64(seconds), "motion": f32(motion),
    }, {"detector": "adaptive"})  # fmt: skip


def speech(duration_ms: int, sentences: Sequence[str] = SENTENCES) -> Artifact:
    """Sentences one after another, a word each 280 ms, with a pause after each."""
    words: list[str] = []
    times: list[Span] = []
    segments: list[Span] = []
    said: list[str] = []
    first, t = [0], 1200
    while t < duration_ms - 8000 or not said:
        text = sentences[len(said) % len(sentences)]
        for word in text.split():
            words.append(word)
            times.append((t, t + 250))
            t += 280
        segments.append((times[first[-1]][0], times[-1][1]))
        first.append(len(words))
        said.append(text)
        t += 900 + 700 * (len(said) % 3)
    n = len(said)
    return Artifact({
        **spans("segment_", segments), "segment_first_word": i64(first), "segment_score": f32([0.87] * n),
        "segment_no_speech": f32([0.02] * n), **spans("word_", times), "word_score": f32([0.93] * len(words)),
    }, {"language": "en", "language_score": 0.97, "languages": ["en"] * n, "segments": said,
        "words": words, "source": "model"})  # fmt: skip


def speakers(spoken: Artifact, names: Sequence[str] = ("S1", "S2")) -> Artifact:
    starts, ends, first = (spoken[f"segment_{n}"] for n in ("start_ms", "end_ms", "first_word"))
    who = [(i // 2) % len(names) for i in range(len(starts))]
    return Artifact({
        "start_ms": starts, "end_ms": ends, "speaker": i32(who), "score": f32([0.74] * len(who)),
        "word_speaker": np.repeat(i32(who), np.diff(first)), "embedding": np.zeros((len(names), 256), np.float16),
    }, {"speakers": list(names)})  # fmt: skip


def loudness(duration_ms: int) -> Artifact:
    t = np.arange(0, duration_ms, 100, dtype=np.int64)
    level = -24 + 7 * np.sin(t / 1900) + 4 * np.sin(t / 310)
    level[(t % 11000) > 9800] = -62
    integrated = {"integrated_lufs": -19.4, "range_lu": 6.2, "true_peak_dbtp": -1.3}
    quiet = [[s + 9800, s + 11000] for s in range(0, duration_ms - 11000, 11000)]
    values = level.astype(np.float32)
    return Artifact(
        {"t_ms": t, "momentary_lufs": values, "short_term_lufs": values}, {**integrated, "silence": quiet}
    )


def sounds(duration_ms: int) -> Artifact:
    cuts = [0, *(int(duration_ms * p) for p in (0.3, 0.42, 0.6, 0.8)), duration_ms]
    pairs = list(pairwise(cuts))
    return Artifact(
        {**spans("", pairs), "label": i32([0, 1, 0, 2, 3]), "score": f32([0.9, 0.8, 0.95, 0.6, 1])},
        {"labels": ["speech", "music", "noise", "silence"]},
    )


def _detections(tracks: Sequence[tuple[int, Span]], rng: np.random.Generator) -> dict[str, np.ndarray]:
    rows = [(t, k, label) for k, (label, (s, e)) in enumerate(tracks) for t in range(s, e, 500)]
    corner = rng.uniform(10, 500, (len(rows), 2)).astype(np.float32)
    return {
        "det_t_ms": i64(r[0] for r in rows), "det_box": np.hstack([corner, corner + 120]).reshape(-1, 4),
        "det_score": rng.uniform(0.4, 0.95, len(rows)).astype(np.float32), "det_track": i32(r[1] for r in rows),
    }  # fmt: skip


def objects(
    duration_ms: int, labels: Sequence[str] = ("person", "boat", "dog", "bird"), every_ms: int = 2900
) -> Artifact:
    rng = np.random.default_rng(7)
    starts = range(300, max(301, duration_ms - 2000), every_ms)
    tracks = [
        (int(rng.integers(len(labels))), (s, min(duration_ms, s + int(rng.integers(900, 9000)))))
        for s in starts
    ]
    made = _detections(tracks, rng)
    made["det_label"] = i32(tracks[k][0] for k in made["det_track"])
    track = {
        "track_label": i32(t[0] for t in tracks),
        "track_score": rng.uniform(0.4, 0.95, len(tracks)).astype(np.float32),
    }
    return Artifact({**made, **track, **spans("track_", [t[1] for t in tracks])}, {"labels": list(labels)})


def faces(duration_ms: int) -> Artifact:
    tracks = [(0, (s, min(duration_ms, s + 4200))) for s in range(2000, max(2001, duration_ms - 3000), 15000)]
    made = _detections(tracks, np.random.default_rng(3))
    feeling = np.tile(f32([0.02, 0.01, 0.03, 0.7, 0.04, 0.1, 0.1]), (len(tracks), 1))
    d = len(made["det_t_ms"])
    return Artifact({
        **made, "det_points": np.zeros((d, 6, 2), np.float32), "det_emotion": np.zeros((d, 7), np.float32),
        **spans("track_", [t[1] for t in tracks]), "track_score": f32([0.88] * len(tracks)), "track_emotion": feeling,
    }, {"emotions": EMOTIONS})  # fmt: skip


def tags(
    duration_ms: int, labels: Sequence[str] = ("seashore", "lighthouse", "dock", "schooner", "pier", "fog")
) -> Artifact:
    t = np.arange(0, duration_ms, 1000, dtype=np.int64)
    top: np.ndarray = (
        np.stack([np.roll(np.arange(5), int(x) // 15000) for x in t]).astype(np.int32).reshape(-1, 5)
    )
    values = np.tile(f32([0.55, 0.2, 0.12, 0.05, 0.02]), (len(t), 1))
    about = [
        {"label": n, "score": 0.6 - 0.1 * i, "first_ms": i * 1000, "ms": 9000 - 900 * i}
        for i, n in enumerate(labels[:5])
    ]
    arrays: dict[str, np.ndarray] = {
        "t_ms": t,
        "top": top,
        "top_score": values,
        "embedding": np.zeros((len(t), 1280), np.float16),
    }
    return Artifact(arrays, {"labels": list(labels), "summary": about})


def moderation(duration_ms: int) -> Artifact:
    t = np.arange(0, duration_ms, 1000, dtype=np.int64)
    value = np.tile(f32([0.1, 0.01, 0.85, 0.01, 0.03]), (len(t), 1))
    marks = [(int(duration_ms * 0.55), int(duration_ms * 0.55) + 2000)]
    value[(t >= marks[0][0]) & (t < marks[0][1]), 4] = 0.81
    return Artifact(
        {
            "t_ms": t,
            "score": value,
            **spans("span_", marks),
            "span_label": i32([4]),
            "span_score": f32([0.81]),
        },
        {"labels": ["Drawing", "Hentai", "Neutral", "Porn", "Sexy"]},
    )


def quality(duration_ms: int) -> Artifact:
    t = np.arange(0, duration_ms, 500, dtype=np.int64)
    flat = np.full(len(t), 100, np.float32)
    marks = [(0, 600), (duration_ms // 3, duration_ms // 3 + 1800), (duration_ms - 900, duration_ms)]
    return Artifact(
        {
            "t_ms": t,
            "blur": flat,
            "luma": flat,
            "contrast": flat,
            **spans("span_", marks),
            "span_kind": i32([0, 2, 1]),
        },
        {"kinds": ["black", "freeze", "blur"]},
    )


def ocr(
    duration_ms: int,
    texts: Sequence[str] = ("HARBOUR LIGHTS", "Part one: the quay", "EXIT", "№ 7 · Пристань"),
    score: float = 0.97,
) -> Artifact:
    every = max(4500, duration_ms // 60)
    held = [(s, min(duration_ms, s + 3000)) for s in range(500, max(501, duration_ms - 1000), every)]
    read = [texts[i % len(texts)] for i in range(len(held))]
    quads = np.array(
        [[[80, 60], [80 + 20 * len(r), 60], [80 + 20 * len(r), 110], [80, 110]] for r in read], np.float32
    )
    return Artifact({
        "line_t_ms": i64(s for s, _ in held), "line_box": quads, "line_score": f32([0.97] * len(held)),
        "line_track": i32(range(len(held))), **spans("track_", held), "track_score": f32([score] * len(held)), "track_box": quads,
    }, {"lines": read, "tracks": read, "ocr_frames": len(held), "frames": duration_ms // 1000})  # fmt: skip


def passages(
    spoken: Artifact, words: Sequence[str] = ("harbour lights", "lighthouse keeper", "age of wisdom")
) -> Artifact:
    texts = list(spoken.payload["segments"])
    starts, ends, n = spoken["segment_start_ms"], spoken["segment_end_ms"], len(texts)
    found = [
        {"text": w, "score": 0.7 - 0.1 * i, "spans": [[int(starts[i % n]), int(ends[i % n])]]}
        for i, w in enumerate(words)
    ]
    return Artifact({
        "start_ms": starts, "end_ms": ends, "kind": i32([0] * n), "embedding": np.zeros((n, 384), np.float16),
        "sentiment": f32([0.3] * n), "speaker": i32([0] * n),
    }, {"texts": texts, "languages": ["en"] * n, "sentiment_known": [True] * n, "keywords": found,
        "kinds": ["speech", "text", "caption"], "language": "en"})  # fmt: skip


def captions(
    lines: Sequence[tuple[int, int, str]] = (), source: str | None = "embedded:2", late: int = 0
) -> Artifact:
    payload = {"text": [t for *_, t in lines], "language": "eng", "source": source, "late": late}
    return Artifact(spans("", [(s, e) for s, e, _ in lines]), payload)


def everything(duration_ms: int = 92_000, picture: Picture = painted) -> dict[str, Artifact]:
    spoken = speech(duration_ms)
    timed = (loudness, sounds, objects, faces, tags, moderation, quality, ocr, probe)
    made = {make.__name__: make(duration_ms) for make in timed}
    made |= {"shots": shots(duration_ms, picture=picture), "speech": spoken, "speakers": speakers(spoken)}
    return {**made, "passages": passages(spoken), "captions": captions()}
