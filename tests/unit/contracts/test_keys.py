"""Digests and keys: golden values that must never move, and what may and may not change them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from kadr.contracts.artifact import ArraySpec, Artifact, ArtifactSpec
from kadr.contracts.errors import InvalidArtifact
from kadr.contracts.keys import key_ingredients, record_digest, result_digest, sha256_json

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
INGREDIENTS = key_ingredients(
    "objects", 3, {"threshold": 0.35, "classes": None}, {"nanodet": "a" * 64}, {"decode.x": "b" * 64, "shots": None},
    (0, 60_000, 2500), 1,
)  # fmt: skip
GOLDEN_KEY = "4a60c693aaee1fb6071c6c9d215b5c5a51f82bdd746da3a7660461535ea3e95d"
GOLDEN_RESULT = "03435b800985936708a1a8f9fd90ed5b23b96f16121cbceb0c26de12b34a585f"


def test_golden_key() -> None:
    assert sha256_json(INGREDIENTS) == GOLDEN_KEY


def test_golden_result_digest() -> None:
    arrays = {"t_ms": np.array([0, 500], "int64"), "score": np.array([[0.5], [0.25]], "float32")}
    found = result_digest(1, arrays, {"labels": ["cat", "dog"], "n": 2})
    assert found == GOLDEN_RESULT


@given(json_values)
def test_key_order_of_json_does_not_matter(value: Any) -> None:
    def reverse(v: Any) -> Any:
        if isinstance(v, dict):
            return {k: reverse(v[k]) for k in reversed(list(v))}
        return [reverse(x) for x in v] if isinstance(v, list) else v

    assert sha256_json(reverse(value)) == sha256_json(value)


@given(st.sampled_from(sorted(INGREDIENTS)), json_values)
def test_every_ingredient_changes_the_key(field: str, value: Any) -> None:
    changed = {**INGREDIENTS, field: value}
    assert (sha256_json(changed) == sha256_json(INGREDIENTS)) == (
        json.dumps(value) == json.dumps(INGREDIENTS[field])
    )


arrays = hnp.arrays(
    dtype=st.sampled_from(["uint8", "int64", "float32", "float16", "bool"]),
    shape=hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)


@given(arrays)
def test_memory_layout_and_byte_order_do_not_change_a_digest(array: np.ndarray) -> None:
    plain = result_digest(1, {"a": array}, {})
    fortran = np.asfortranarray(array) if array.ndim else array
    assert result_digest(1, {"a": fortran}, {}) == plain
    swapped = array.astype(array.dtype.newbyteorder(">"))
    assert result_digest(1, {"a": swapped}, {}) == plain


@given(arrays, arrays)
def test_different_arrays_have_different_digests(a: np.ndarray, b: np.ndarray) -> None:
    same = a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    assert (result_digest(1, {"a": a}, {}) == result_digest(1, {"a": b}, {})) == same


@given(st.permutations([("a", "1", "2"), ("b", "3", "4"), ("c", "5", "6")]))
def test_a_record_digest_does_not_depend_on_order(triples: list[tuple[str, str, str]]) -> None:
    assert record_digest(triples) == record_digest(sorted(triples))


SPEC = ArtifactSpec(
    name="thing",
    arrays={
        "t_ms": ArraySpec(dtype="int64", dims=("N",)),
        "score": ArraySpec(dtype="float32", dims=("N", 2), quantum=1e-4),
    },
)


@given(st.lists(st.floats(-10, 10, width=32), min_size=0, max_size=6))
def test_noise_below_the_quantum_vanishes(values: list[float]) -> None:
    n = len(values)
    base = np.round(np.array([values, values], "float32").T.reshape(n, 2), 4)
    made = SPEC.checked(Artifact({"t_ms": np.arange(n), "score": base}, {}))
    noisy = SPEC.checked(Artifact({"t_ms": np.arange(n), "score": base + np.float32(2e-6)}, {}))
    assert result_digest(1, made.arrays, {}) == result_digest(1, noisy.arrays, {})
    again = SPEC.checked(made)
    assert result_digest(1, again.arrays, {}) == result_digest(1, made.arrays, {})


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"t_ms": np.arange(2)}, "declared or made"),
        ({"t_ms": np.arange(2), "score": np.zeros((3, 2), "f4")}, "dimension N is 3, expected 2"),
        ({"t_ms": np.arange(2), "score": np.zeros(2, "f4")}, "does not fit dimensions"),
        ({"t_ms": np.array([0.5, 1.5]), "score": np.zeros((2, 2), "f4")}, "cannot become int64"),
        ({"t_ms": np.arange(2), "score": np.full((2, 2), np.nan, "f4")}, "NaN"),
    ],
)
def test_a_wrong_artifact_is_refused_by_name(bad: dict[str, np.ndarray], says: str) -> None:
    with pytest.raises(InvalidArtifact, match=says):
        SPEC.checked(Artifact(bad, {}))
