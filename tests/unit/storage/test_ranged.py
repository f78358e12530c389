"""A file over ranged reads is the bytes, wherever one jumps."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kadr.storage import ranged
from kadr.storage.ranged import BLOCK, KEPT, RangedSource

BODY = bytes(i * 31 % 251 for i in range(BLOCK * 3 + 12_345))


def source(asked: list[tuple[int, int]] | None = None) -> RangedSource:
    def read(offset: int, length: int) -> bytes:
        if asked is not None:
            asked.append((offset, length))
        return BODY[offset : offset + length]

    return RangedSource(len(BODY), read)


@given(
    st.lists(
        st.tuples(st.integers(0, len(BODY) + 5), st.integers(-1, BLOCK * 2), st.sampled_from((0, 1, 2))),
        max_size=8,
    )
)
def test_it_reads_as_the_file_would(jumps: list[tuple[int, int, int]]) -> None:
    ours, real = source().open(), io.BytesIO(BODY)
    for offset, length, whence in jumps:
        offset = -offset if whence == 2 else offset - real.tell() if whence == 1 else offset
        if whence == 2 and -offset > len(BODY):
            continue
        assert ours.seek(offset, whence) == real.seek(offset, whence)
        assert ours.read(length) == real.read(length)
        assert ours.tell() == real.tell()


def test_what_was_read_lately_is_not_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[tuple[int, int]]()
    file = source(asked).open()
    for at in (0, 10, BLOCK, 20, BLOCK + 5):
        file.seek(at)
        file.read(3)
    assert [offset for offset, _ in asked] == [0, BLOCK]
    monkeypatch.setattr(ranged, "KEPT", 1)
    for at in (BLOCK * 2, 0):
        file.seek(at)
        file.read(3)
    assert len(asked) == 4
    assert KEPT > 1


def test_a_video_that_ends_early_is_an_error_and_not_the_end() -> None:
    file = RangedSource(100, lambda offset, length: b"x" * (20 - offset) if offset < 20 else b"").open()
    with pytest.raises(OSError, match="byte 20 of 100"):
        file.read()
