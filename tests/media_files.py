"""Small video files for tests, made with PyAV from numpy pictures: nothing is downloaded or committed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from functions.decode.component import DecodeParams, Pack, decode
from functions.probe.component import ProbeParams, probe
from kadr.contracts.artifact import Artifact
from kadr.contracts.component import Frames
from kadr.contracts.media import ChunkSpan
from kadr.contracts.packs import pack_item
from kadr.media.source import FileSource

Array = np.ndarray[Any, Any]
_MS = Fraction(1, 1000)
_RATE = 48_000


def colour(r: int, g: int, b: int, size: tuple[int, int] = (64, 48)) -> Array:
    """A picture of one colour, (width, height)."""
    return np.full((size[1], size[0], 3), (r, g, b), dtype=np.uint8)


def numbered(count: int, size: tuple[int, int] = (64, 48)) -> list[Array]:
    """Pictures that tell their number by brightness: the mean of picture i is about 20 + 4 (i mod 50)."""
    return [colour(*(3 * (20 + 4 * (i % 50),)), size=size) for i in range(count)]


def scenery(seed: int, size: tuple[int, int] = (96, 54)) -> Array:
    """A picture of random blocks: no two seeds look alike."""
    random = np.random.default_rng(seed)
    small = random.integers(30, 226, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(small, size, interpolation=cv2.INTER_NEAREST)


def write_video(
    path: Path,
    pictures: Iterable[Array] = (),
    *,
    fps: int = 25,
    times_ms: Sequence[int] | None = None,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    gop: int = 12,
    b_frames: int = 0,
    rotation: int = 0,
    pixel_aspect: Fraction | None = None,
    tone_s: float = 0.0,
    tone_start_ms: int = 0,
    tone_gap_ms: int = 0,
    cover: Array | None = None,
) -> FileSource:
    """Write ``pictures`` (uint8 [H, W, 3] RGB) and a 440 Hz stereo tone, interrupted in its middle for
    ``tone_gap_ms``; the suffix chooses the container.
    """
    container: Any
    with av.open(path, "w") as container:
        frames = list(pictures)
        video = None
        if frames:
            video = container.add_stream(codec, rate=fps)
            video.height, video.width = frames[0].shape[:2]
            video.pix_fmt = pix_fmt
            video.options = {"g": str(gop), "bf": str(b_frames)} | (
                {"crf": "12"} if codec == "libx264" else {}
            )
            if codec == "mpeg4":
                video.bit_rate = 8_000_000
            video.codec_context.time_base = _MS if times_ms else Fraction(1, fps)
            if pixel_aspect:
                video.codec_context.sample_aspect_ratio = pixel_aspect
            if rotation:
                video.set_display_rotation(rotation)
        audio = None
        if tone_s:
            sound = "pcm_s16le" if path.suffix in (".mkv", ".wav") else "aac"
            audio = container.add_stream(sound, rate=_RATE, layout="stereo")
        still = container.add_stream("mjpeg", rate=1) if cover is not None else None
        if still is not None and cover is not None:
            still.height, still.width = cover.shape[:2]
            still.pix_fmt = "yuvj420p"
            still.disposition = av.stream.Disposition.attached_pic
        if video is not None:
            _write_pictures(container, video, frames, times_ms, fps)
        if audio is not None:
            _write_tone(container, audio, tone_s, tone_start_ms, tone_gap_ms)
        if still is not None and cover is not None:
            frame = av.VideoFrame.from_ndarray(cover, format="rgb24")
            container.mux(still.encode(frame))
            container.mux(still.encode())
    return FileSource(path)


def _write_pictures(
    container: Any, video: Any, frames: Sequence[Array], times_ms: Sequence[int] | None, fps: int
) -> None:
    for i, picture in enumerate(frames):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts = times_ms[i] if times_ms else i
        frame.time_base = _MS if times_ms else Fraction(1, fps)
        container.mux(video.encode(frame))
    container.mux(video.encode())


def _write_tone(container: Any, audio: Any, seconds: float, start_ms: int, gap_ms: int) -> None:
    wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * _RATE)) / _RATE)
    samples = (np.stack([wave, wave]) * 32767).astype(np.int16)
    for at in range(0, samples.shape[1], 1024):
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(samples[:, at : at + 1024]), format="s16p", layout="stereo"
        )
        begin_ms = start_ms + (gap_ms if at >= samples.shape[1] // 2 else 0)
        frame.sample_rate, frame.time_base = _RATE, Fraction(1, _RATE)
        frame.pts = at + begin_ms * _RATE // 1000
        container.mux(audio.encode(frame))
    container.mux(audio.encode())


def probed(source: FileSource, **params: int) -> tuple[Artifact, list[ChunkSpan]]:
    """Probe's facts and chunks."""
    made = probe(source, ProbeParams(**params), {"probe", "plan"})
    plan = made["plan"]
    overlap = int(plan.payload.get("overlap_ms", 0))
    spans = zip(plan["start_ms"].tolist(), plan["end_ms"].tolist(), strict=True)
    return made["probe"], [ChunkSpan(start, end, overlap) for start, end in spans]


def packs_of(source: FileSource, *frames: Frames, **params: int) -> list[tuple[ChunkSpan, list[Artifact]]]:
    """The packs that serve ``frames``, chunk by chunk."""
    facts, chunks = probed(source, **params)
    packs = [Pack(**pack_item(f)) for f in frames]
    found = []
    for chunk in chunks:
        made = decode(source, facts, DecodeParams(packs=tuple(packs)), chunk, {p.name for p in packs})
        found.append((chunk, [made[p.name] for p in packs]))
    return found
