"""The sampling ladder and the names of packs."""

from __future__ import annotations

import pytest

from kadr.contracts.component import Frames
from kadr.contracts.packs import pack_item, snap, step_ms


@pytest.mark.parametrize(
    ("frames", "name", "quality"),
    [
        (Frames(fps=2, long_side=640), "frames-2fps-640", 90),
        (Frames(fps=1.5, long_side=500), "frames-2fps-640", 90),
        (Frames(fps=0.1, long_side=100), "frames-0.2fps-320", 90),
        (Frames(fps=60, long_side=4000), "frames-8fps-1920", 90),
        (Frames(fps=1), "frames-1fps-full", 90),
        (Frames(size=(48, 27)), "frames-all-48x27", 95),
    ],
)
def test_what_components_ask_for_snaps_upwards(frames: Frames, name: str, quality: int) -> None:
    item = pack_item(frames)
    assert (item["name"], item["quality"]) == (name, quality)


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
