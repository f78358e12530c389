"""The default merge: chunks laid end to end equal the whole, wherever they were cut."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kadr.contracts.artifact import ArraySpec, Artifact, ArtifactSpec
from kadr.contracts.component import Part
from kadr.contracts.media import ChunkSpan
from kadr.pipeline.merging import concatenate

SPEC = ArtifactSpec(
    name="thing",
    timeline="N",
    arrays={
        "t_ms": ArraySpec(dtype="int64", dims=("N",)),
        "value": ArraySpec(dtype="float32", dims=(2, "N")),
        "classes": ArraySpec(dtype="int32", dims=("K",)),
    },
)


def piece(start: int, end: int) -> Part:
    t = np.arange(start, end)
    artifact = Artifact(
        {"t_ms": t, "value": np.stack([t, t * 2]).astype("float32"), "classes": np.array([7, 8], "int32")},
        {"texts": [f"t{i}" for i in t], "labels": ["a", "b", "c"], "note": "same"},
    )
    return Part(ChunkSpan(start, end), artifact)


@given(st.lists(st.integers(0, 30), max_size=5))
def test_wherever_it_was_cut_the_whole_is_the_same(cuts: list[int]) -> None:
    bounds = sorted({0, 31, *cuts})
    parts = [piece(a, b) for a, b in itertools.pairwise(bounds)]
    merged, whole = concatenate(SPEC, parts), piece(0, 31).artifact
    assert all(np.array_equal(merged[name], whole[name]) for name in SPEC.arrays)
    assert merged.payload["texts"] == whole.payload["texts"]
    assert merged.payload["note"] == "same"


def test_nothing_to_merge_is_an_error() -> None:
    with pytest.raises(ValueError, match="nothing"):
        concatenate(SPEC, [])
