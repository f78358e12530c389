"""Within tolerance means what the ArtifactSpec states, no more."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kadr.contracts.artifact import Arrays, ArraySpec, Artifact, ArtifactSpec
from kadr.pipeline.comparing import differing

SPEC = ArtifactSpec(
    name="toy",
    arrays={
        "score": ArraySpec(dtype="float32", dims=("N",), quantum=1e-4, tolerance=0.05),
        "exact": ArraySpec(dtype="float32", dims=("N",), quantum=0.1),
        "label": ArraySpec(dtype="int64", dims=("N",)),
    },
)
scores = st.lists(st.floats(-1e3, 1e3, width=32), min_size=1, max_size=5)
trees = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.floats(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


def artifact(score: list[float], exact: float = 0.0, label: int = 0) -> Artifact:
    n = len(score)
    arrays: Arrays = {
        "score": np.array(score, np.float32),
        "exact": np.full(n, exact, np.float32),
        "label": np.full(n, label, np.int64),
    }
    return Artifact(arrays)


@given(scores, st.floats(0, 0.049))
def test_floats_within_the_tolerance_are_the_same(values: list[float], apart: float) -> None:
    one, two = artifact(values), artifact([v + apart for v in values])
    if np.abs(one["score"].astype(float) - two["score"]).max() <= 0.05:  # float32 may round beyond it
        assert not list(differing(SPEC, one, two))


@given(scores, st.floats(0.06, 10))
def test_floats_beyond_the_tolerance_differ_and_it_says_by_how_much(
    values: list[float], apart: float
) -> None:
    (said,) = differing(SPEC, artifact(values), artifact([v + apart for v in values]))
    assert said.startswith("score: up to ")
    assert said.endswith("apart, 0.05 allowed")


def test_without_a_tolerance_the_quantum_is_allowed_and_integers_are_exact() -> None:
    assert not list(differing(SPEC, artifact([0.0]), artifact([0.0], exact=0.1)))
    assert list(differing(SPEC, artifact([0.0]), artifact([0.0], exact=0.2)))
    assert list(differing(SPEC, artifact([0.0, 1.0]), artifact([0.0, 1.0], label=1))) == [
        "label: 2 of 2 differ"
    ]


def test_other_lengths_and_arrays_differ() -> None:
    said = list(differing(SPEC, artifact([0.0]), artifact([0.0, 1.0])))
    assert "score: 1 then, 2 now" in said
    assert list(differing(None, Artifact({"a": np.zeros(1)}), Artifact({}))) == ["a: only one has it"]


@given(trees)
def test_a_payload_is_like_itself(tree: object) -> None:
    again = json.loads(json.dumps(tree))
    assert not list(differing(None, Artifact({}, {"x": tree}), Artifact({}, {"x": again})))


@pytest.mark.parametrize(
    ("one", "two", "said"),
    [
        ({"text": "a"}, {"text": "b"}, "text: 'a' then, 'b' now"),
        ({"list": [1, 2]}, {"list": [1]}, "list: 2 then, 1 now"),
        ({"deep": [{"x": 1.0}]}, {"deep": [{"x": 1.02}]}, "deep[0].x: 1.0 then, 1.02 now"),
        ({"count": 1}, {"count": 2}, "count: 1 then, 2 now"),
        ({"at_s": 3600.0}, {"at_s": 3603.0}, "at_s: 3600.0 then, 3603.0 now"),
        ({"at_s": 3600.0}, {"at_s": 3600.02}, "at_s: 3600.0 then, 3600.02 now"),
        ({"level": -18.38}, {"level": -18.39}, None),  # a last place that fell to the other side
        ({"level": -18.38}, {"level": -18.4}, "level: -18.38 then, -18.4 now"),
        ({"score": 0.9484}, {"score": 0.9494}, None),
        ({"score": 0.9484}, {"score": 0.9495}, "score: 0.9484 then, 0.9495 now"),
        ({"fps": 30}, {"fps": 29.995}, None),  # JSON writes 30.0 as 30
        ({"x": None}, {}, "x: only one has it"),
        ({}, {"deep": {"x": None}}, "deep: only one has it"),
        ({"deep": {}}, {"deep": {"x": None}}, "deep.x: only one has it"),
        ({"yes": True}, {"yes": 1}, "yes: True then, 1 now"),
        ({"yes": 0.0}, {"yes": False}, "yes: 0.0 then, False now"),
        ({"yes": [True]}, {"yes": [True]}, None),
    ],
)
def test_payloads_are_told_apart_by_place(one: object, two: object, said: str | None) -> None:
    found = list(differing(None, Artifact({}, one), Artifact({}, two)))  # type: ignore[arg-type]
    assert found == ([said] if said else [])
