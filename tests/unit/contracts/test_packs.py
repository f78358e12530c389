"""The sampling ladder and the names of packs."""

from __future__ import annotations

import itertools

import pytest

from kadr.contracts.component import Frames
from kadr.contracts.packs import FPS_LADDER, LONG_SIDE_LADDER, View, pack_item, snap, step_ms, view_of


@pytest.mark.parametrize(
    ("frames", "name", "quality"),
    [
        (Frames(fps=4, long_side=640), "frames-4fps-640", 90),
        (Frames(fps=3, long_side=1000), "frames-4fps-1280", 90),
        (Frames(fps=0.1, long_side=1900), "frames-0.2fps-1920", 90),
        (Frames(fps=60, long_side=4000), "frames-8fps-1920", 90),
        (Frames(fps=1), "frames-1fps-full", 90),
        (Frames(size=(48, 27)), "frames-all-48x27", 95),
    ],
)
def test_what_components_ask_for_snaps_upwards(frames: Frames, name: str, quality: int) -> None:
    item = pack_item(frames)
    assert (item["name"], item["quality"]) == (name, quality)


@pytest.mark.parametrize(
    ("frames", "view"),
    [
        (Frames(fps=1, long_side=1280), View(1000, 1280)),
        (Frames(fps=0.5, long_side=900), View(2000, 960)),
        (Frames(fps=1.5, long_side=500), View(500, 640)),
        (Frames(fps=0.1, long_side=600), View(5000, 640)),
    ],
)
def test_what_asks_for_little_enough_reads_one_pack(frames: Frames, view: View) -> None:
    item = pack_item(frames)
    assert (item["name"], item["wide_fps"], item["wide_long_side"]) == ("frames-2fps-640-1280", 1, 1280)
    assert view_of(frames) == view


@pytest.mark.parametrize("fps", [0.1, 1, 2])
def test_small_pictures_have_a_pack_of_their_own(fps: float) -> None:
    item = pack_item(Frames(fps=fps, long_side=300))
    assert (item["name"], item["wide_fps"]) == ("frames-2fps-320", None)


def test_the_whole_of_a_pack_is_read_where_nothing_is_sampled() -> None:
    assert view_of(Frames(size=(48, 27))) is None
    assert view_of(Frames()) is None


def test_every_view_falls_on_the_times_and_sizes_of_its_pack() -> None:
    for fps, long_side in itertools.product(FPS_LADDER, LONG_SIDE_LADDER):
        frames = Frames(fps=fps, long_side=long_side)
        item, view = pack_item(frames), view_of(frames)
        assert view is not None
        wide = long_side > item["long_side"]
        assert view.step_ms % step_ms(item["wide_fps"] if wide else item["fps"]) == 0
        assert long_side <= (item["wide_long_side"] if wide else item["long_side"])


def test_every_rung_has_a_whole_step() -> None:
    assert [step_ms(fps) for fps in (0.2, 0.5, 1, 2, 4, 8, None)] == [5000, 2000, 1000, 500, 250, 125, 0]


@pytest.mark.parametrize(
    "frames", [Frames(fps=0), Frames(fps=-1), Frames(fps=1, long_side=0), Frames(size=(0, 27))]
)
def test_nonsense_is_refused(frames: Frames) -> None:
    with pytest.raises(ValueError, match="positive"):
        pack_item(frames)


def test_nothing_is_nothing() -> None:
    assert snap(None, None) == (None, None)
