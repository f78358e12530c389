"""Artifacts: what is kept is what was made, or it is refused by name and value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kadr.contracts.artifact import ArraySpec, Artifact, ArtifactSpec
from kadr.contracts.errors import InvalidArtifact

LIMITS = np.iinfo("int16")


def kept(made: np.ndarray, dtype: str, quantum: float | None = None) -> np.ndarray:
    spec = ArtifactSpec(
        name="toy", arrays={"a": ArraySpec(dtype=dtype, dims=("N",) * made.ndim, quantum=quantum)}
    )
    return spec.checked(Artifact({"a": made}))["a"]


@pytest.mark.parametrize(
    ("made", "dtype", "quantum", "value"),
    [
        (np.array([1, 70_000]), "int16", None, "70000"),
        (np.array([-40_000, 1]), "int16", None, "-40000"),
        (np.array([1, 2**63], dtype="uint64"), "int64", None, "9223372036854775808"),
        (np.array([[1e6]], dtype="float32"), "float16", None, "1000000"),
        (np.array([1e6], dtype="float32"), "float16", 0.1, "1000000"),
        (np.array([0, 70_000]), "float16", None, "70000"),
        (np.array([1e300]), "float32", 1e-4, "1e\\+300"),
        (np.array([1e306]), "float64", 1e-4, "1e\\+306"),
        (np.array([0.5, np.nan]), "float32", 1e-4, "nan"),
        (np.array([-np.inf]), "float64", None, "-inf"),
    ],
)
def test_a_value_that_would_change_is_refused(
    made: np.ndarray, dtype: str, quantum: float | None, value: str
) -> None:
    with pytest.raises(
        InvalidArtifact, match=rf"toy\.a: the value {value}(\.0)? is NaN, infinite or beyond {dtype}"
    ):
        kept(made, dtype, quantum)


@given(st.lists(st.integers(-(2**40), 2**40), max_size=5))
def test_ints_are_kept_whole_or_refused(values: list[int]) -> None:
    fits = all(LIMITS.min <= v <= LIMITS.max for v in values)
    made = np.array(values, dtype="int64")
    if fits:
        assert kept(made, "int16").tolist() == values
    else:
        with pytest.raises(InvalidArtifact):
            kept(made, "int16")


def test_values_are_rounded_to_the_quantum() -> None:
    found = kept(np.array([0.12344, -0.00001]), "float32", 1e-4)
    assert found.tolist() == np.array([0.1234, 0.0], dtype="float32").tolist()
    assert not np.signbit(found[1])
