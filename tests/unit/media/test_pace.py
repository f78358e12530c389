"""The frame rate that is told: of even video its rate, though a few pictures come late; else the mean."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from kadr.media.pace import Pace
from kadr.media.source import FileSource
from tests.media_files import numbered, probed, write_video


def pace(times_us: list[int], tick_us: float = 11.1) -> float | None:
    kept = Pace(tick_us)
    for us in times_us:
        kept.add(us)
    return kept.fps


def test_one_late_picture_does_not_change_the_rate() -> None:
    times = [40_000 * i for i in range(502)]
    assert pace([*times, times[-1] + 80_000]) == 25


@pytest.mark.parametrize(
    ("rate", "tick_us"), [(24000 / 1001, 1000), (30000 / 1001, 1000), (60000 / 1001, 1000), (50, 11.1)]
)
def test_times_told_in_whole_ticks_are_even(rate: float, tick_us: float) -> None:
    times = [int(round(i * 1e6 / rate / tick_us) * tick_us) for i in range(1000)]
    assert pace(times, tick_us) == pytest.approx(rate, rel=1e-4)


def test_pictures_may_come_in_any_codecs_order() -> None:
    order = [us for i in range(0, 600, 4) for us in (i + 3, i + 1, i, i + 2)]
    assert pace([40_000 * i for i in order]) == 25


def test_uneven_video_has_no_rate() -> None:
    chance = random.Random(1)
    at, times = 0, []
    for _ in range(5000):
        at += chance.randint(20_000, 60_000)
        times.append(at)
    assert pace(times) is None
    assert pace([40_000 * i for i in range(100)] + [4_000_000 + 50_000 * i for i in range(5)]) is None
    assert pace([0]) is None
    assert pace([0, 40_000, 120_000]) is None


@pytest.mark.parametrize(("late_ms", "told"), [((80,), 25.0), ((80, 90, 70, 85), 21.198)])
def test_probe_tells_the_rate_of_even_video_and_else_the_mean(
    tmp_path: Path, late_ms: tuple[int, ...], told: float
) -> None:
    times = [40 * i for i in range(20)]
    for ms in late_ms:
        times.append(times[-1] + ms)
    path = tmp_path / "late.mp4"
    write_video(path, numbered(len(times)), times_ms=times, b_frames=2)
    video = probed(FileSource(path))[0].payload["video"]
    assert video["fps"] == pytest.approx(told, abs=0.001)
    assert video["fps_varies"] == (told != 25)
