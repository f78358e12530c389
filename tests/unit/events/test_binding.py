"""CloudEvents come in whole or are refused with a reason; what goes out comes back the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.binding import Event, InvalidEvent, UnsupportedEvent, parse, to_http

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT, lambda c: st.lists(c, max_size=3)
)
EVENTS = st.builds(
    Event,
    id=TEXT,
    source=TEXT,
    type=TEXT,
    data=st.dictionaries(TEXT, JSON, max_size=4),
    subject=st.just("") | TEXT,
    time_ms=st.integers(0, 4_102_444_800_000),
    dataref=st.just("") | TEXT,
    traceparent=st.just("") | st.just("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
)


@given(EVENTS)
def test_what_goes_out_comes_back(event: Event) -> None:
    headers, body = to_http(event)
    assert all(value.isascii() and value.isprintable() for value in headers.values())
    assert parse(headers, body) == event


@given(EVENTS)
def test_structured_mode_says_the_same(event: Event) -> None:
    said = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "data": event.data,
    }
    found = parse({"Content-Type": "application/cloudevents+json; charset=utf-8"}, json.dumps(said).encode())
    assert (found.id, found.source, found.type, found.data) == (
        event.id,
        event.source,
        event.type,
        event.data,
    )


HEADERS = st.dictionaries(
    st.sampled_from(
        [
            "content-type",
            "ce-id",
            "ce-source",
            "ce-type",
            "ce-specversion",
            "ce-time",
            "ce-subject",
            "ce-dataref",
            "x",
        ]
    ),
    st.sampled_from(
        ["", "1.0", "0.3", "application/json", "application/cloudevents+json", "%zz", "2020-13-99", "ü"]
    )
    | st.text(max_size=20),
)


@given(HEADERS, st.binary(max_size=200) | JSON.map(lambda v: json.dumps(v).encode()))
def test_nothing_else_gets_through_and_nothing_else_is_raised(headers: dict[str, str], body: bytes) -> None:
    try:
        event = parse(headers, body)
    except InvalidEvent:
        return
    assert isinstance(event.data, dict)
    assert event.id
    assert event.type


@pytest.mark.parametrize(
    ("headers", "body", "says"),
    [
        ({"content-type": "application/cloudevents-batch+json"}, b"[]", "one event a request"),
        ({}, b"x" * (2 << 20), "bytes"),
        ({"content-type": "application/cloudevents+json"}, b"[" * 100_000, "CloudEvent"),
        (
            {"content-type": "application/cloudevents+json"},
            json.dumps(
                {"specversion": "1.0", "id": "i" * 5000, "source": "s", "type": "t", "data": {}}
            ).encode(),
            "attribute id",
        ),
        (
            {"content-type": "application/cloudevents+json"},
            json.dumps({"specversion": "1.0", "id": "1", "source": "s", "type": "t", "data": [1]}).encode(),
            "not a JSON object",
        ),
    ],
)
def test_a_refusal_says_why(headers: dict[str, str], body: bytes, says: str) -> None:
    with pytest.raises(InvalidEvent, match=says) as caught:
        parse(headers, body)
    assert caught.value.status == (415 if isinstance(caught.value, UnsupportedEvent) else 400)


def test_a_headers_name_is_read_in_any_case() -> None:
    event: dict[str, Any] = {"CE-ID": "1", "Ce-Source": "s", "ce-TYPE": "t", "Ce-SpecVersion": "1.0"}
    assert parse(event, b'{"a": 1}').data == {"a": 1}
