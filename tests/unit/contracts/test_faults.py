"""Every fault is one sentence: where, with which value, and what would do."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kadr.contracts.faults import accepted, faults, inexact, meant
from kadr.contracts.keys import jcs

MAYBE = {"anyOf": [{"type": "integer", "minimum": 500}, {"type": "null"}]}
LANGUAGE = {
    "anyOf": [
        {"type": "string", "enum": [f"{i:02}" for i in range(30)], "meant": {"one": "01"}},
        {"type": "null"},
    ]
}
DETECTOR = {"enum": ["adaptive", "transnet"], "type": "string"}
TEXTS = {"type": "array", "items": {"type": "string"}}


@pytest.mark.parametrize(
    ("schema", "value", "says"),
    [
        (MAYBE, "two", "x.p: 'two' is not a whole number of at least 500, or null"),
        (MAYBE, 1, "x.p: 1 is not a whole number of at least 500, or null"),
        (LANGUAGE, "One", "x.p: 'One' is not one of the 30 that are known, or null (did you mean '01'?)"),
        (LANGUAGE, "031", "x.p: '031' is not one of the 30 that are known, or null (did you mean '03'?)"),
        (LANGUAGE, "x", f"x.p: 'x' is not one of {', '.join(f'{i:02}' for i in range(30))}, or null"),
        ({"enum": ["en", None]}, "ru", "x.p: 'ru' is not one of en, null"),
        (DETECTOR, "transnett", "x.p: 'transnett' is not one of adaptive, transnet (did you mean 'transnet'?)"),
        (DETECTOR, True, "x.p: true is not one of adaptive, transnet"),
        (TEXTS, "dog", "x.p: 'dog' is not a list of texts, such as [\"a\", \"b\"]"),
        (TEXTS, ["dog", 1], "x.p[1]: 1 is not text"),
        ({"type": "number", "minimum": 0, "maximum": 1}, 7, "x.p: 7 is not a number from 0 to 1"),
        ({"type": "number", "exclusiveMinimum": 0}, -1.5, "x.p: -1.5 is not a number above 0"),
        ({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, 1, "x.p: 1 is not a number above 0 and below 1"),
        ({"type": "boolean"}, "yes", "x.p: 'yes' is not true or false"),
        ({"type": "string"}, date(2026, 1, 2), 'x.p: "2026-01-02" is not text'),
        ({"type": "object"}, [1], "x.p: [1] is not a table of names and values"),
        ({"type": "string", "maxLength": 3}, "long", "x.p: 'long' is not text of at most 3 characters"),
    ],
)  # fmt: skip
def test_a_fault_says_where_what_and_what_would_do(schema: dict[str, Any], value: Any, says: str) -> None:
    assert faults({"properties": {"p": schema}}, {"p": value}, "x") == [says]


def test_all_faults_are_told_and_long_values_are_cut() -> None:
    schema = {"properties": {"a": {"type": "integer"}, "b": MAYBE}}
    first, second = faults(schema, {"a": "y" * 1000, "b": 3})
    assert len(first) < 150
    assert second.startswith("b: 3 is not")


def test_nothing_is_wrong_with_what_is_right() -> None:
    assert faults({"properties": {"p": MAYBE}, "additionalProperties": False}, {"p": None, "q": 1}) == []


@given(st.sampled_from([MAYBE, LANGUAGE, DETECTOR, TEXTS]))
def test_what_is_accepted_is_said_in_words(schema: dict[str, Any]) -> None:
    assert not set("{}$^") & set(accepted(schema))


def test_near_misses_are_recognised_whatever_their_case() -> None:
    assert meant("OCR", ["ocr", "objects"]) == " (did you mean 'ocr'?)"
    assert meant("shotz", ["shots", "speech"]) == " (did you mean 'shots'?)"
    assert meant("banana", ["shots", "speech"]) == ""


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@given(VALUES)
def test_inexact_is_exactly_what_cannot_be_hashed(value: Any) -> None:
    try:
        jcs(value)
    except ValueError:
        assert list(inexact(value, "x.p"))
    else:
        assert list(inexact(value, "x.p")) == []
