"""Errors as a worker tells them: what may go well another time is told apart from what will not."""

from __future__ import annotations

import errno

import pytest

from kadr.pipeline.host import failure


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        (MemoryError(), "ResourceExhausted", True),
        (ImportError("libopenblas.so: failed to map segment from shared object"), "ResourceExhausted", True),
        (ImportError("libx.so.1: Cannot allocate memory"), "ResourceExhausted", True),
        (ImportError("No module named 'yolo'"), "ImportError", False),
        (OSError(errno.ENOSPC, "No space left on device"), "NoSpaceLeft", None),
        (ValueError("boxes overlap"), "ValueError", False),
    ],
)
def test_errors_keep_their_kind(error: BaseException, code: str, retryable: bool | None) -> None:
    said = failure(7, error)
    assert (said.ticket, said.code) == (7, code)
    assert retryable is None or said.retryable == retryable
    assert said.message
