"""Notices of buckets, MinIO's and AWS's, and sources as people name them."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any
from urllib.parse import quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.asking import UnknownField, source_of, submission
from events.binding import InvalidEvent
from events.inbox import Written, address
from events.ingest import written
from kadr.contracts.errors import InvalidObject
from kadr.storage import layout

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60)


def record(name: str, event: str = "s3:ObjectCreated:Put", **more: Any) -> dict[str, Any]:
    return {
        "eventName": event,
        "s3": {"bucket": {"name": "kadr"}, "object": {"key": quote_plus(name), "eTag": "e", **more}},
    }


@given(NAMES)
def test_a_name_is_read_as_it_was_written(name: str) -> None:
    found = list(written({"Records": [record(name, versionId="v")]}))
    assert found == [Written("kadr", name, "e", "v")]


def test_only_what_was_written_counts() -> None:
    events = [
        "s3:ObjectCreated:CompleteMultipartUpload",
        "ObjectCreated:Copy",
        "s3:ObjectRemoved:Delete",
        "s3:TestEvent",
    ]
    found = list(written({"Records": [record(str(i), event) for i, event in enumerate(events)]}))
    assert [w.name for w in found] == ["0", "1"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda c: (
        st.lists(c, max_size=3)
        | st.dictionaries(
            st.sampled_from(["Records", "eventName", "s3", "object", "bucket", "key", "name"]), c, max_size=4
        )
    ),
    max_leaves=12,
)


@given(JSON)
def test_what_is_no_notice_is_a_value_error(body: object) -> None:
    with suppress(ValueError):
        assert all(isinstance(w, Written) for w in written(body))


@given(NAMES.filter(lambda name: name not in (".", "..") and "\0" not in name))
def test_an_upload_of_ones_own_inbox_is_found_again(name: str) -> None:
    key = f"inbox/anna/{name.replace('/', '_')}"
    assert source_of("anna", {"type": "upload", "key": key, "etag": "a b"}) == address(key, "a b")


@pytest.mark.parametrize(
    "told",
    [
        None,
        "inbox/anna/x",
        {},
        {"type": "upload"},
        {"type": "upload", "key": "inbox/bert/x"},
        {"type": "upload", "key": "videos/anna/x/source"},
        {"type": "upload", "key": "inbox/anna/"},
        {"type": "s3", "bucket": "a/b", "key": "c"},
        {"type": "s3", "bucket": "b"},
        {"type": "https"},
        {"type": "https", "url": "http://x"},
        {"type": "https", "url": "file:///etc/passwd"},
        {"type": "https", "url": ["https://x"]},
        {"type": "gopher", "url": "https://x"},
    ],
)
def test_sources_that_cannot_be_are_refused_by_name(told: Any) -> None:
    with pytest.raises(InvalidEvent, match=r"video_source|URL|url"):
        source_of("anna", told)


@pytest.mark.parametrize(
    "more",
    [
        {"priority": 10},
        {"priority": "5"},
        {"priority": True},
        {"meta": []},
        {"meta": {"a": "x" * 20_000}},
        {"callback_url": "http://x"},
        {"profile_config": 5},
        {"profile": 5},
        {"profile": "fast", "profile_config": "fast"},
    ],
)
def test_fields_that_cannot_be_are_refused_by_name(more: dict[str, Any]) -> None:
    data = {"video_source": {"type": "upload", "key": "inbox/anna/a b.mp4"}}
    assert submission("anna", "e", data).name == "a b.mp4"
    with pytest.raises(InvalidEvent):
        submission("anna", "e", json.loads(json.dumps({**data, **more})))


@pytest.mark.parametrize("owner", ["", "..", "a/b", "Anna", "a" * 64, "-a", "a\n", "а"])
def test_owners_that_cannot_be_are_refused(owner: str) -> None:
    with pytest.raises(InvalidObject):
        layout.checked_owner(owner)


def test_uploads_of_the_api_start_no_run_by_themselves() -> None:
    assert layout.starts_run("inbox/anna/a.mp4")
    assert layout.starts_run("inbox/anna/folder/a.mp4")
    assert not layout.starts_run(f"{layout.uploads_prefix('anna')}1/a.mp4")
    assert not layout.starts_run("inbox/anna/")
    assert not layout.starts_run("videos/anna/a.mp4")


@pytest.mark.parametrize("field", ["profile", "profile_config"])
def test_a_profile_is_named_by_either_name(field: str) -> None:
    data = {"video_source": {"type": "upload", "key": "inbox/anna/v.mp4"}, field: "fast"}
    assert submission("anna", "e", data).profile == "fast"


def test_a_field_that_nobody_knows_is_refused_by_name_and_one_of_the_messages_passes() -> None:
    source = {"type": "s3", "bucket": "raw", "key": "v.mp4"}
    passing = {"run_id": "r", "user_id": "anna", "platform_id": "p", "config_hash": "c", "video_id": "v"}
    assert submission("anna", "e", {"video_source": source, **passing}).profile is None
    with pytest.raises(UnknownField, match=r"'profil'.*known are .*profile") as caught:
        submission("anna", "e", {"video_source": source, "profil": "fast"})
    assert caught.value.status == 422
    with pytest.raises(UnknownField, match=r"'video_source\.verison'.*version"):
        submission("anna", "e", {"video_source": {**source, "verison": "7"}})
