"""Long arrays are looked at without staying in memory."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kadr.contracts.artifact import Artifact
from kadr.contracts.keys import array_digest
from kadr.contracts.stretches import STRETCH_BYTES, let_go, stretches
from kadr.media.audio import PcmStream

LONG = 6 * STRETCH_BYTES
Mode = Literal["c", "r+"]
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which pages are mapped")


@pytest.fixture
def mapped(tmp_path: Path) -> np.memmap:
    np.random.default_rng(1).integers(-9, 9, LONG // 2, dtype=np.int16).tofile(tmp_path / "sound")
    return np.memmap(tmp_path / "sound", dtype="int16", mode="r")


def resident_bytes(path: str) -> int:
    """How much of the file at ``path`` is mapped into this process, as the kernel counts it."""
    told = Path("/proc/self/smaps").read_text().split("\n")
    here = [n for n, line in enumerate(told) if line.endswith(path)]
    rss = (next(line for line in told[n:] if line.startswith("Rss:")) for n in here)
    return sum(int(line.split()[1]) * 1024 for line in rss)


@linux
def test_a_digest_does_not_hold_what_it_has_read(mapped: np.memmap) -> None:
    assert array_digest(mapped) == array_digest(np.array(mapped))
    assert resident_bytes(str(mapped.filename)) >= LONG  # as np.array has left it
    array_digest(mapped)
    assert resident_bytes(str(mapped.filename)) <= STRETCH_BYTES


@linux
def test_listening_does_not_hold_what_was_heard(mapped: np.memmap) -> None:
    stream = PcmStream(Artifact({"samples": mapped}, {"start_ms": 0}))
    for at in range(stream.start_ms, stream.end_ms, 200):  # less than a page at a time
        stream.read(at, at + 200)
        stream.read(max(0, at - 5_000), at)
    assert resident_bytes(str(mapped.filename)) <= 1 << 20


def test_what_is_let_go_of_can_be_read_again(mapped: np.memmap) -> None:
    before = mapped[1000:2000].copy()
    let_go(mapped[1000:2000])
    assert np.array_equal(mapped[1000:2000], before)


@pytest.mark.parametrize("mode", get_args(Mode))
def test_what_may_be_written_to_is_left_alone(mapped: np.memmap, mode: Mode) -> None:
    own = np.memmap(str(mapped.filename), dtype="int16", mode=mode)
    own[:] = 7
    let_go(own)
    seen = own.view()
    seen.flags.writeable = False
    let_go(seen)
    assert (own == 7).all()


@given(st.integers(0, 40), st.sampled_from(["uint8", "int16", "float64", "bool", "U3"]))
def test_stretches_are_the_bytes_of_any_array(rows: int, dtype: str) -> None:
    array = np.arange(rows * 3).reshape(rows, 3).astype(dtype)
    for shaped in (array, array.T, array[::2], np.asfortranarray(array)):
        assert b"".join(stretches(shaped)) == shaped.tobytes("C")


def test_a_stretch_is_no_longer_than_it_says(mapped: np.memmap) -> None:
    sizes = [len(s) for s in stretches(mapped)]
    assert sizes == [STRETCH_BYTES] * 6
