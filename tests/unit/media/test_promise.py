"""What is told to be cut off, and what is whole although FFmpeg's length of it says otherwise."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from kadr.media.probe import probe_source
from kadr.media.source import FileSource
from tests.media_files import numbered, write_video

RATE = 44_100


def quiet_start(path: Path, codec: str, options: dict[str, str]) -> Path:
    """Twenty seconds, the first of them silent: a guess by the first bytes is far too long."""
    container: Any
    with av.open(path, "w", options={"write_xing": "0"} if codec == "libmp3lame" else {}) as container:
        stream = container.add_stream(codec, rate=RATE, layout="mono", options=options)
        sound = np.random.default_rng(1).uniform(-0.5, 0.5, 20 * RATE).astype(np.float32)
        sound[: 12 * RATE] = 0
        for at in range(0, len(sound), 1024):
            frame = av.AudioFrame.from_ndarray(
                sound[at : at + 1024].reshape(1, -1), format="fltp", layout="mono"
            )
            frame.sample_rate, frame.pts, frame.time_base = RATE, at, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def beside_what_lasts_longer(path: Path, kind: str) -> Path:
    """A video of four seconds, and a text or a second video that ends after twelve."""
    plain = write_video(path.with_name("plain.mkv"), numbered(100)).path
    original: Any
    container: Any
    with av.open(plain) as original, av.open(path, "w") as container:
        video = container.add_stream_from_template(original.streams.video[0])
        video.disposition = av.stream.Disposition.default
        other = container.add_stream("subrip" if kind == "text" else "libx264")
        if kind == "text":
            other.codec_context.subtitle_header = b"[Script Info]\n"
        else:
            other.width, other.height, other.pix_fmt, other.disposition = 32, 32, "yuv420p", 0
        for packet in original.demux(video=0):
            if packet.size:
                packet.stream = video
                container.mux(packet)
        if kind == "text":
            packet = av.Packet(b"still here")
            packet.stream, packet.pts, packet.dts, packet.duration = other, 1000, 1000, 11_000
            packet.time_base = Fraction(1, 1000)
            container.mux(packet)
        else:
            for number, picture in enumerate(numbered(12, size=(32, 32))):
                frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1)
                container.mux(other.encode(frame))
            container.mux(other.encode())
    return path


WHOLE: dict[str, Callable[[Path], Path]] = {
    "loud-end.aac": lambda p: quiet_start(p, "aac", {"b": "192k"}),
    "loud-end.mp3": lambda p: quiet_start(p, "libmp3lame", {"flags": "+qscale", "global_quality": "236"}),
    "text.mkv": lambda p: beside_what_lasts_longer(p, "text"),
    "two.mkv": lambda p: beside_what_lasts_longer(p, "video"),
}


def guessed_ms(path: Path) -> int:
    with av.open(path) as container:
        return (container.duration or 0) // 1000


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_file_is_not_told_to_be_cut_off(tmp_path: Path, name: str) -> None:
    path = WHOLE[name](tmp_path / name)
    facts = probe_source(FileSource(path)).facts
    assert guessed_ms(path) > 1.5 * facts["duration_ms"]
    assert facts["damage"] == []
    assert facts["warnings"] == []


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "webm", "flv", "flac", "mp3"])
def test_a_file_that_ends_early_is_told_to_be_cut_off(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"v.{suffix}"
    container: Any
    with av.open(path, "w", options={"movflags": "faststart"} if suffix == "mp4" else {}) as container:
        codec = {"flac": "flac", "mp3": "libmp3lame", "webm": "libopus"}.get(suffix, "aac")
        rate = 48_000 if suffix == "webm" else RATE
        stream = container.add_stream(codec, rate=rate, layout="mono")
        form = stream.codec_context.format.name if stream.codec_context.format else "s16"
        sound = np.random.default_rng(1).uniform(-0.5, 0.5, (1, 8 * rate)).astype(np.float32)
        resampler = av.AudioResampler(form, "mono", rate)
        frame = av.AudioFrame.from_ndarray(sound, format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        for made in resampler.resample(frame):
            container.mux(stream.encode(made))
        container.mux(stream.encode())
    whole = path.read_bytes()
    assert probe_source(FileSource(path)).facts["damage"] == []
    path.write_bytes(whole[: len(whole) // 2])
    (damage,) = [d for d in probe_source(FileSource(path)).facts["damage"] if d["kind"] == "cut_off"]
    assert damage["expected_ms"] == pytest.approx(8000, abs=100)
    assert damage["found_ms"] == pytest.approx(4000, abs=500)
