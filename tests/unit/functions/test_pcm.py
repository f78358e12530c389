"""pcm: audio in its place on the timeline, at its level."""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
import pytest

from functions.pcm.component import LEVELS, PCM, PcmParams, pcm
from kadr.contracts.artifact import Artifact
from kadr.contracts.errors import InvalidProfile, VideoUnreadable
from kadr.craft.sounds import chosen_audio
from kadr.media.audio import PcmStream
from kadr.media.source import FileSource
from tests.fuzz.seeds import Recipe, labelled, made
from tests.media_files import numbered, probed, write_video


def heard(source: FileSource, **params: int) -> tuple[Artifact, Artifact]:
    made = pcm(source, probed(source)[0], PcmParams(**params), {"pcm", "levels"})
    return PCM.checked(made["pcm"]), LEVELS.checked(made["levels"])


def loud_span_ms(artifact: Artifact) -> tuple[float, float]:
    loud = np.nonzero(np.abs(artifact["samples"].astype(int)) > 2000)[0]
    return loud[0] / 16, loud[-1] / 16


def tone_hz(samples: np.ndarray[Any, Any]) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * 16_000 / len(samples))


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov"])
def test_the_tone_is_where_the_video_has_it(tmp_path: Path, suffix: str) -> None:
    source = write_video(tmp_path / f"v.{suffix}", numbered(75), tone_s=1.0, tone_start_ms=700)
    sound, levels = heard(source)
    start, end = loud_span_ms(sound)
    assert start == pytest.approx(700, abs=25)
    assert end == pytest.approx(1700, abs=45)
    assert tone_hz(sound["samples"][16 * 800 : 16 * 1600]) == pytest.approx(440, abs=3)
    assert levels["power"][:6].max() < 1e-6
    assert levels["power"][9] == pytest.approx(0.25, rel=0.1)  # two channels of amplitude 0.5


def test_a_gap_is_silence(tmp_path: Path) -> None:
    sound, levels = heard(write_video(tmp_path / "a.mkv", numbered(50), tone_s=1.0, tone_gap_ms=600))
    loud = np.abs(sound["samples"].astype(int)) > 2000
    assert loud_span_ms(sound)[1] == pytest.approx(1600, abs=25)
    assert not loud[16 * 540 : 16 * 1080].any()
    assert loud[16 * 300 : 16 * 480].mean() > 0.8
    assert loud[16 * 1140 : 16 * 1500].mean() > 0.8
    assert levels["power"][7:10].max() < 1e-6


def test_a_long_gap_costs_nothing_and_shifts_nothing(tmp_path: Path) -> None:
    hour_ms = 3_600_000
    source = write_video(tmp_path / "a.mkv", numbered(2), tone_s=1.0, tone_start_ms=330, tone_gap_ms=hour_ms)
    sound, levels = heard(source)
    start, end = loud_span_ms(sound)
    assert (start, end) == pytest.approx((330, hour_ms + 1330), abs=3)
    assert len(sound["samples"]) == pytest.approx(16 * (hour_ms + 1330), abs=32)
    assert len(levels["power"]) == (hour_ms + 1330) // 100
    loud = set(np.nonzero(levels["power"] > 0.1)[0].tolist())
    assert {4, 5, 6, 7, 36_009, 36_010, 36_011, 36_012} <= loud
    assert loud <= {*range(3, 9), *range(36_008, 36_014)}


def test_levels_do_not_depend_on_the_sample_format(tmp_path: Path) -> None:
    levels = [
        heard(write_video(tmp_path / f"v.{s}", tone_s=1.0))[1]["power"][3:7].mean()
        for s in ("wav", "m4a", "mkv")
    ]
    assert levels == pytest.approx([levels[0]] * 3, rel=0.03)


def test_part_of_the_audio(tmp_path: Path) -> None:
    source = write_video(tmp_path / "v.mkv", numbered(100), tone_s=2.0, tone_start_ms=1000)
    whole, _ = heard(source)
    part, _ = heard(source, from_ms=500, to_ms=2500)
    assert part.payload["start_ms"] == 500
    assert len(part["samples"]) == 16 * 2000
    expected = whole["samples"][16 * 500 : 16 * 2500].astype(int)
    assert np.abs(expected[100:-100] - part["samples"][100:-100]).max() <= 2


def test_no_audio(tmp_path: Path) -> None:
    sound, levels = heard(write_video(tmp_path / "v.mp4", numbered(10)))
    assert sound.absent == levels.absent == "no_audio"
    assert len(sound["samples"]) == 0


def test_an_audio_stream_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(
        InvalidProfile,
        match=r"no sound in stream 7 of the file, but in 1 \(2 channels\) \(streams are counted",
    ):
        heard(write_video(tmp_path / "v.mkv", numbered(10), tone_s=0.2), audio_stream=7)


def test_what_could_be_heard_instead_is_listed_with_language_and_channels() -> None:
    streams = [
        {"index": 1, "default": True, "language": "eng", "channels": 6},
        {"index": 3, "default": False, "language": None, "channels": 1},
    ]
    with pytest.raises(InvalidProfile, match=r"but in 1 \(eng, 6 channels\), 3 \(1 channel\) "):
        chosen_audio({"audio": streams}, 0)


def test_damaged_audio_keeps_its_time(tmp_path: Path) -> None:
    source = write_video(tmp_path / "v.mkv", numbered(75), tone_s=3.0)
    data = bytearray(source.path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 30_000] = bytes(30_000)
    source.path.write_bytes(bytes(data))
    sound, _ = heard(source)
    assert loud_span_ms(sound)[1] == pytest.approx(3000, abs=45)


def test_pieces_are_read_by_time() -> None:
    samples = np.arange(16 * 100, dtype=np.int16)
    stream = PcmStream(Artifact({"samples": samples}, {"start_ms": 1000}), 1020, 1080)
    assert (stream.start_ms, stream.end_ms) == (1020, 1080)
    assert stream.read(0, 1010).size == 0
    assert stream.read(1070, 5000).shape == (160,)
    piece = stream.read(1030, 1031)
    assert piece.dtype == np.float32
    assert (piece * 32768).round().astype(int).tolist() == list(range(480, 496))


@pytest.mark.parametrize(
    ("name", "codec", "layout"),
    [
        ("a.m4a", "aac", "7.1"),
        ("a.wav", "pcm_s16le", "7.1"),
        ("a.flac", "flac", "7.1"),
        ("a.mka", "libopus", "7.1"),
        ("a.m4a", "aac", "hexadecagonal"),
        ("a.wav", "pcm_s16le", "hexadecagonal"),
        ("a.wav", "pcm_s16le", "22.2"),
        ("a.wv", "wavpack", "hexadecagonal"),
    ],
)
def test_sound_of_many_channels(tmp_path: Path, name: str, codec: str, layout: str) -> None:
    """PyAV itself reads memory that is not its own when it is asked for eight planes or more."""
    path = tmp_path / name
    channels = av.AudioLayout(layout).nb_channels
    wave = (8000 * np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000)).astype(np.int16)
    container: Any
    with av.open(path, "w") as container:
        try:
            stream = container.add_stream(codec, rate=48_000, layout=layout)
            stream.codec_context.open()
        except (ValueError, av.error.FFmpegError) as error:
            pytest.skip(f"{codec} does not encode {layout}: {error}")
        for at in range(0, len(wave), 960):
            packed = np.repeat(wave[at : at + 960], channels).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=layout)
            frame.sample_rate, frame.pts, frame.time_base = 48_000, at, Fraction(1, 48_000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    sound, levels = heard(FileSource(path))
    assert levels.payload["channels"] == channels
    assert levels["peak"].max() == pytest.approx(8000 / 32768, rel=0.3)
    assert tone_hz(sound["samples"][1600:14_400]) == pytest.approx(440, abs=3)


@pytest.mark.parametrize("labels", [(2, 1), (1 << 16, 42), (42, 42), (1, 1)])
def test_channels_that_are_listed_one_by_one(tmp_path: Path, labels: tuple[int, int]) -> None:
    """PyAV frees such a list once more for each frame: the process would die."""
    path = tmp_path / "a.caf"
    path.write_bytes(labelled(made(Recipe("caf", None, "pcm_s16be")), *labels))
    sound, levels = heard(FileSource(path))
    assert levels.payload["channels"] == 2
    assert tone_hz(sound["samples"][1600:12_800]) == pytest.approx(440, abs=3)


def test_a_rate_that_no_sound_has_is_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.caf"
    whole = made(Recipe("caf", None, "pcm_s16be"))
    path.write_bytes(whole.replace(struct.pack(">d", 32_000), struct.pack(">d", 2e9), 1))
    with pytest.raises(VideoUnreadable, match="damaged"):
        heard(FileSource(path))


def test_spatial_sound(tmp_path: Path) -> None:
    path = tmp_path / "a.mka"
    container: Any
    with av.open(path, "w") as container:
        stream = container.add_stream("libopus", rate=48_000, layout="ambisonic 1")
        stream.options = {"mapping_family": "2"}
        wave = (8000 * np.sin(2 * np.pi * 440 * np.arange(48_000) / 48_000)).astype(np.int16)
        for at in range(0, len(wave), 960):
            packed = np.repeat(wave[at : at + 960], 4).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(packed, format="s16", layout="ambisonic 1")
            frame.sample_rate, frame.pts, frame.time_base = 48_000, at, Fraction(1, 48_000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    sound, levels = heard(FileSource(path))
    assert levels.payload["channels"] == 4
    assert tone_hz(sound["samples"][1600:12_800]) == pytest.approx(440, abs=3)
