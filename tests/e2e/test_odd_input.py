"""Odd but honest files, and machines that run out of something: what can be had is had, the rest is said."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.e2e.conftest import Kadr, Said
from tests.fuzz.seeds import RECIPES, made
from tests.fuzz.units import units
from tests.media_files import colour, numbered, scenery, write_video

CHEAP = ("--only", "quality,loudness,captions")


# -- odd files, all in one call ------------------------------------------------------------------------------------------


def cover_only(path: Path) -> None:
    path.write_bytes(made(RECIPES["mp3-cover"]))


def variable_rate(path: Path) -> None:
    times = [0, 40, 80, 700, 705, 710, 1900, 2500, 2510, 2999]
    write_video(path, numbered(len(times)), times_ms=times)


def one_pixel(path: Path) -> None:
    write_video(path, [colour(200, 90, 30, (1, 1))] * 25, codec="ffv1", pix_fmt="bgr0", tone_s=1.0)


def odd_size(path: Path) -> None:
    write_video(path, [scenery(i // 9, (33, 17)) for i in range(25)], pix_fmt="yuv444p")


def eight_k(path: Path) -> None:
    write_video(path, [scenery(1, (7680, 4320))] * 3, codec="mjpeg", pix_fmt="yuvj420p", fps=3)


def high_dynamic_range(path: Path, transfer: int) -> None:
    frame = av.VideoFrame.from_ndarray(scenery(3, (64, 48)), format="rgb24").reformat(format="yuv420p10le")
    container: Any
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p10le"
        context = stream.codec_context
        context.color_trc, context.color_primaries, context.colorspace = transfer, 9, 9
        for number in range(5):
            frame.pts, frame.time_base = number, Fraction(1, 5)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def blink(path: Path) -> None:
    write_video(path, numbered(5), tone_s=0.2)


def shuffled_times(path: Path) -> None:
    """Every block says a time of its own fancy."""
    data, chance = bytearray(made(RECIPES["mkv-everything"])), random.Random(5)
    for unit in units(bytes(data)):
        if data[unit.kind_at : unit.kind_at + unit.kind_bytes] == b"\xa3":
            data[unit.body + 1 : unit.body + 3] = chance.randbytes(2)
    path.write_bytes(data)


def no_times(path: Path) -> None:
    path.write_bytes(made(RECIPES["raw-h264"]))


def three_sounds(path: Path) -> None:
    container: Any
    with av.open(path, "w") as container:
        streams = [container.add_stream("pcm_s16le", rate=16_000, layout="mono") for _ in range(3)]
        for stream, language in zip(streams, ("eng", "deu", "rus"), strict=True):
            stream.metadata["language"] = language
        streams[1].disposition = av.stream.Disposition.default
        for number, stream in enumerate(streams):
            loudness = 3000 * 3**number
            wave = (loudness * np.sin(np.arange(32_000) / 5)).astype(np.int16).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 16_000, 0, Fraction(1, 16_000)
            container.mux(stream.encode(frame))
            container.mux(stream.encode())


ODD = {
    "cover.mp3": cover_only,
    "variable.mkv": variable_rate,
    "turned90.mp4": lambda p: write_video(p, numbered(25), rotation=90),
    "turned180.mp4": lambda p: write_video(p, numbered(25), rotation=180),
    "turned270.mp4": lambda p: write_video(p, numbered(25), rotation=270),
    "pixel.mkv": one_pixel,
    "odd.mp4": odd_size,
    "eight_k.avi": eight_k,
    "pq.mkv": lambda p: high_dynamic_range(p, 16),
    "hlg.mkv": lambda p: high_dynamic_range(p, 18),
    "blink.mp4": blink,
    "shuffled.mkv": shuffled_times,
    "untimed.h264": no_times,
    "sounds.mkv": three_sounds,
}


@pytest.fixture(scope="module")
def odd(shared_kadr: Kadr, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What the insights say of each odd file."""
    folder = tmp_path_factory.mktemp("odd")
    for name, make in ODD.items():
        make(folder / name)
    said = shared_kadr(
        "analyze", *(folder / n for n in ODD), *CHEAP, "--out", folder / "out", "--json", timeout=600
    )
    assert said.code == 0, said.out[-3000:] + said.err
    return {n: json.loads((folder / f"out/{n}.kadr/insights.json").read_text()) for n in ODD}


@pytest.mark.parametrize(
    ("name", "size", "duration_ms"),
    [
        ("variable.mkv", (64, 48), 3020),
        ("turned90.mp4", (48, 64), 1000),
        ("turned180.mp4", (64, 48), 1000),
        ("turned270.mp4", (48, 64), 1000),
        ("pixel.mkv", (1, 1), 1000),
        ("odd.mp4", (33, 17), 1000),
        ("eight_k.avi", (7680, 4320), 1000),
        ("pq.mkv", (64, 48), 1000),
        ("hlg.mkv", (64, 48), 1000),
        ("blink.mp4", (64, 48), 200),
        ("untimed.h264", (64, 48), 2200),
    ],
)
def test_odd_pictures_are_read_whole(
    odd: dict[str, dict[str, Any]], name: str, size: tuple[int, int], duration_ms: int
) -> None:
    found = odd[name]
    assert found["status"] == "complete"
    picture = found["video"]["picture"]
    assert (picture["width"], picture["height"]) == size
    assert found["video"]["duration_ms"] == pytest.approx(duration_ms, abs=60)
    assert picture["hdr"] == (name in ("pq.mkv", "hlg.mkv"))


def test_cover_art_is_no_video(odd: dict[str, dict[str, Any]]) -> None:
    found = odd["cover.mp3"]
    assert found["video"]["picture"] is None
    assert found["quality"] == []
    assert found["loudness"]["integrated_lufs"] < 0


def test_times_in_disorder_end_no_later_than_the_file_can(odd: dict[str, dict[str, Any]]) -> None:
    found = odd["shuffled.mkv"]
    assert 0 < found["video"]["duration_ms"] < 60_000
    assert found["loudness"] is not None


def test_of_several_sounds_the_default_is_heard_or_the_one_asked_for(
    shared_kadr: Kadr, odd: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    assert [s["language"] for s in odd["sounds.mkv"]["video"]["sound"]] == ["eng", "deu", "rus"]
    three_sounds(tmp_path / "sounds.mkv")
    ask = ("analyze", tmp_path / "sounds.mkv", "--only", "loudness", "--out", tmp_path / "out")
    assert shared_kadr(*ask, "--set", "pcm.audio_stream=2").code == 0
    louder = json.loads((tmp_path / "out/insights.json").read_text())["loudness"]["integrated_lufs"]
    # Each is three times the amplitude of the one before, which is 9.5 dB.
    assert louder - odd["sounds.mkv"]["loudness"]["integrated_lufs"] == pytest.approx(9.5, abs=0.3)


@pytest.mark.parametrize(
    "name", ["..mp4", "...", "-rf", 'a b\'s "c" 🎬.mp4', "line\nbreak.mp4", "%20$HOME`id`.mp4", "*.mp4"]
)
def test_names_are_only_names(shared_kadr: Kadr, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    path = folder / name
    write_video(tmp_path / "plain.mp4", numbered(25))
    (tmp_path / "plain.mp4").rename(path)
    before = set(tmp_path.iterdir())
    said = shared_kadr("analyze", "--only", "quality", "--json", "--", f"{folder}/../inner/{name}")
    assert said.code == 0, said.out + said.err
    assert (folder / f"{name}.kadr/report.html").is_file()
    assert {p.name for p in folder.iterdir()} == {name, f"{name}.kadr"}
    assert set(tmp_path.iterdir()) == before


# -- a machine that runs out of something ---------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system in memory of its own, for whoever may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = (
        os.geteuid() == 0
        and shutil.which("mount")
        and _mount(folder, "-t", "tmpfs", "-o", "size=64k", "tmpfs")
    )
    if not mounted:
        pytest.skip("only root may mount a small file system; RLIMIT_FSIZE is tried in test_bad_input")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def _mount(folder: Path, *arguments: str) -> bool:
    return (
        subprocess.run(["mount", *arguments, str(folder)], capture_output=True, check=False).returncode == 0
    )


def test_a_disk_that_is_full_at_any_write_is_said_and_the_run_goes_on(
    small_disk: Path, weights: Path, tmp_path: Path
) -> None:
    """The disk grows a little each time the command is given again: it fills up somewhere else each time."""
    video = tmp_path / "v.mp4"
    write_video(video, [scenery(i // 5) for i in range(75)], tone_s=3.0)
    kadr = Kadr(small_disk / "home", weights)
    ask = ("analyze", video, "--only", "quality,loudness", "--out", small_disk / "out", "--json")
    sizes, said = iter((100, 170, 240, 310, 400, 600, 64_000)), kadr(*ask)
    full = 0
    while said.code != 0:
        full += 1
        assert said.code == 1, said.out
        assert "no space" in (said.out + said.err).lower(), said.out + said.err
        assert "Traceback" not in said.out + said.err
        assert _mount(small_disk, "-o", f"remount,size={next(sizes)}k")
        said = kadr(*ask)
    assert full > 2
    undisturbed = Kadr(tmp_path / "home", weights)
    undisturbed("analyze", video, "--only", "quality,loudness", "--out", tmp_path / "out")
    assert kadr.results() == undisturbed.results()


def test_a_video_in_a_folder_that_cannot_be_written(kadr: Kadr, small_disk: Path, tmp_path: Path) -> None:
    video = small_disk / "v.mp4"
    write_video(video, numbered(25))
    assert _mount(small_disk, "-o", "remount,ro")
    said = kadr("analyze", video, "--only", "quality")
    assert said.code == 1
    assert "cannot write results to" in said.err
    assert "--out" in said.err
    assert kadr("analyze", video, "--only", "quality", "--out", tmp_path / "out").code == 0


def failed(kadr: Kadr, video: Path, out: Path, **environment: str) -> Said:
    """One component of two fails."""
    said = kadr(
        "analyze", video, "--only", "captions,loudness", "--out", out, "--json", timeout=120, **environment
    )
    assert said.code == 3, said.out + said.err
    assert "Traceback" not in said.err
    assert "loudness" not in said.video["missing"]
    return said


def test_a_reader_of_files_that_takes_all_memory_is_stopped(own_kadr: Kadr, tmp_path: Path) -> None:
    glutton = "    hoard = []\n    while True:\n        hoard.append(bytearray(b'x') * (16 << 20))\n"
    own_kadr.edit(
        "functions/captions/component.py",
        "    if params.sidecar is not None:",
        f"{glutton}    if params.sidecar:",
    )
    video = tmp_path / "v.mp4"
    write_video(video, numbered(25), tone_s=1.0)
    said = failed(own_kadr, video, tmp_path / "o", KADR_MEDIA_MEMORY_MB="700")
    assert "out of memory" in said.video["missing"]["captions"]


def test_what_asks_for_more_memory_than_there_is_fails_alone(own_kadr: Kadr, tmp_path: Path) -> None:
    own_kadr.edit(
        "functions/loudness/component.py", "    power = levels", "    np.ones(1 << 46)\n    power = levels"
    )
    video = tmp_path / "v.mp4"
    write_video(video, numbered(25), tone_s=1.0)
    said = own_kadr(
        "analyze", video, "--only", "loudness,quality", "--out", tmp_path / "o", "--json", timeout=120
    )
    assert said.code == 3, said.out + said.err
    assert list(said.video["missing"]) == ["loudness"]
    assert "out of memory" in said.video["missing"]["loudness"]


def test_a_component_that_hangs_is_ended(own_kadr: Kadr, tmp_path: Path) -> None:
    own_kadr.edit("functions/captions/component.py", "memory_mb=100,", "memory_mb=100, timeout_s=2,")
    own_kadr.edit(
        "functions/captions/component.py",
        "    if params.sidecar is not None:",
        "    while True:\n        pass\n    if params.sidecar:",
    )
    own_kadr.module("kadr.pipeline.catalogue")
    video = tmp_path / "v.mp4"
    write_video(video, numbered(25), tone_s=1.0)
    said = failed(own_kadr, video, tmp_path / "o")
    assert "did not finish within 2 s" in said.video["missing"]["captions"]
