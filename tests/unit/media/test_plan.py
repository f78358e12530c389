"""The chunk plan, whatever the key frames are."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kadr.contracts.errors import InvalidProfile
from kadr.media.plan import MAX_CHUNKS, plan_chunks

keys = st.lists(st.integers(0, 40_000_000), max_size=300).map(sorted)


@given(keys, st.integers(1, 40_000_000), st.none() | st.integers(500, 10_000_000))
def test_chunks_cover_the_timeline_once_and_begin_at_key_frames(
    key_ms: list[int], duration_ms: int, chunk_ms: int | None
) -> None:
    spans = plan_chunks(key_ms, duration_ms, chunk_ms=chunk_ms)
    assert spans[0][0] == 0
    assert spans[-1][1] == duration_ms
    assert all(a[1] == b[0] for a, b in pairwise(spans))
    assert all(start < end for start, end in spans)
    assert {start for start, _ in spans[1:]} <= set(key_ms)
    assert len(spans) <= MAX_CHUNKS


def test_a_minute_is_the_usual_chunk_and_a_short_rest_joins_the_last() -> None:
    assert plan_chunks(range(0, 190_000, 2000), 190_000) == [
        (0, 60_000),
        (60_000, 120_000),
        (120_000, 190_000),
    ]


def test_chunks_grow_with_the_video() -> None:
    ten_hours = 36_000_000
    spans = plan_chunks(range(0, ten_hours, 2000), ten_hours)
    assert 50 <= len(spans) <= MAX_CHUNKS


def test_from_and_to_limit_the_plan() -> None:
    assert plan_chunks([0, 10_000, 20_000], 30_000, 5_000, 25_000, 10_000) == [
        (5_000, 20_000),
        (20_000, 25_000),
    ]


@pytest.mark.parametrize(("start", "end"), [(30_000, None), (10_000, 10_000), (10_000, 5_000)])
def test_limits_outside_the_video_are_errors(start: int, end: int | None) -> None:
    with pytest.raises(InvalidProfile, match=r"choose an earlier --from|must be above from_ms"):
        plan_chunks([0], 30_000, start, end)
