"""What is asked for, by any entrance: the fields of a request, each checked, and the address of its video."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from events.admission import Submission
from events.binding import InvalidEvent
from events.egress.urls import canonical, shown
from events.inbox import address
from kadr.contracts.errors import StoreFailure
from kadr.contracts.keys import jcs
from kadr.storage import layout
from kadr.storage.s3 import checked

LEVELS = 50
"""How deep what is asked for may be nested."""
PROFILES = ("profile", "profile_config")
"""Two names of one field: messages of other systems call it the second."""
FIELDS = ("video_source", "profile", "name", "priority", "meta", "refresh", "callback_url")
PASSING = (
    "profile_config",
    "user_id",
    "run_id",
    "video_id",
    "platform_id",
    "config_hash",
    "sampling_policy_version",
    "dataprocessor_version",
)
"""What messages of other systems have beside: let through, whether or not it is used."""
SOURCES = {
    "upload": ("key", "etag"),
    "s3": ("bucket", "key", "version"),
    "https": ("url",),
    "youtube_url": ("url",),
}
"""The kinds of videos, and the fields of each."""
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,62}")
_ASCII = re.compile(r"[\x21-\x7e]+")


class UnknownField(InvalidEvent):
    """The request has a field that means nothing here."""

    status = 422


def submission(owner: str, event_id: str, data: Mapping[str, Any]) -> Submission:
    """What ``data`` asks for, by any entrance. Raises InvalidEvent."""
    _keepable(data)
    _known(data)
    source = source_of(owner, data.get("video_source"))
    return Submission(
        owner=owner,
        source=source,
        name=str(data.get("name") or unquote(urlsplit(source).path).rpartition("/")[2] or "video")[:200],
        event_id=event_id,
        profile=_profile(data),
        priority=_priority(data.get("priority", 5)),
        callback_url=callback_of(data.get("callback_url")),
        refresh=data.get("refresh") is True,
        meta=_meta(data.get("meta")),
    )


def _known(data: Mapping[str, Any]) -> None:
    """Raises UnknownField: a field with a typing error would else be a wish that nobody hears."""
    _none_but(data, (*FIELDS, *PASSING), FIELDS, "")
    source = data.get("video_source")
    if isinstance(source, dict) and (fields := SOURCES.get(str(source.get("type")))):
        _none_but(source, ("type", *fields), fields, "video_source.")


def _none_but(told: Mapping[str, Any], taken: Iterable[str], named: Iterable[str], where: str) -> None:
    if unknown := sorted(set(told) - set(taken)):
        said = ", ".join(repr(f"{where}{name}"[:80]) for name in unknown[:5])
        raise UnknownField(f"there is no field {said}: known are {', '.join(named)}")


def _keepable(data: Mapping[str, Any]) -> None:
    """Raises InvalidEvent for JSON that no object could hold: half a character, a number of no double, too many levels."""
    level: list[Any] = [data]
    for _ in range(LEVELS):
        level = [each for one in level for each in (one.values() if isinstance(one, dict) else one)]
        level = [one for one in level if isinstance(one, dict | list)]
    if level:
        raise InvalidEvent(f"what is asked for is nested more than {LEVELS} levels deep")
    try:
        jcs(data)
    except ValueError as error:
        raise InvalidEvent(f"what is asked for cannot be kept as JSON: {str(error)[:200]}") from error


def source_of(owner: str, told: Any) -> str:
    """The canonical address of a ``video_source``: {"type": upload | https | youtube_url | s3, …}. Raises InvalidEvent."""
    if not isinstance(told, dict):
        raise InvalidEvent('video_source must be an object like {"type": "upload", "key": "inbox/…"}')
    kind = told.get("type")
    if kind == "upload":
        name = str(told.get("key") or "")
        if layout.owner_of_inbox(name) != owner:
            raise InvalidEvent(f"video_source.key {name[:200]!r} is not in the inbox of {owner}")
        _named(name)
        return address(name, str(told.get("etag") or ""))
    if kind == "s3":
        bucket, key = str(told.get("bucket") or ""), str(told.get("key") or "")
        if not key:
            raise InvalidEvent("video_source of type s3 needs a bucket and a key")
        _named(key)
        if not _BUCKET.fullmatch(bucket):
            raise InvalidEvent(f"video_source.bucket {bucket[:80]!r} is no bucket's name")
        version = str(told.get("version") or "")
        return f"s3://{bucket}/{quote(key)}" + (f"?versionId={quote(version, safe='')}" if version else "")
    if kind in ("https", "youtube_url"):
        try:
            return canonical(_url(told.get("url")) or _no_url())
        except ValueError as error:
            raise InvalidEvent(f"video_source.url: {error}") from error
    raise InvalidEvent(f"video_source.type {str(kind)[:50]!r} must be upload, https, youtube_url or s3")


def _named(key: str) -> None:
    try:
        checked(key)
    except StoreFailure as error:
        raise InvalidEvent(f"video_source.key {key[:200]!r} is no object's name") from error


def _no_url() -> str:
    raise InvalidEvent("video_source needs a url")


def _url(told: Any) -> str | None:
    if told is None:
        return None
    if not isinstance(told, str) or not told.startswith("https://") or len(told) > 2000:
        raise InvalidEvent(f"{shown(str(told))[:200]!r} must be an https URL of at most 2000 characters")
    return told


def callback_of(told: Any) -> str | None:
    url = _url(told)
    if url is not None and not _ASCII.fullmatch(url):
        raise InvalidEvent(
            "callback_url must be ASCII: percent-encode its path, and write its host in punycode"
        )
    try:
        return url and canonical(url) and url
    except ValueError as error:
        raise InvalidEvent(f"callback_url: {error}") from error


def _profile(data: Mapping[str, Any]) -> Any:
    given = [name for name in PROFILES if data.get(name) is not None]
    if len(given) > 1:
        raise InvalidEvent(f"{' and '.join(given)} mean the same: give one of them")
    told = data[given[0]] if given else None
    if told is not None and not isinstance(told, str | dict):
        raise InvalidEvent(f"{given[0]} must be a profile's name or a profile")
    return told


def _priority(told: Any) -> int:
    if isinstance(told, bool) or not isinstance(told, int) or not 0 <= told <= 9:
        raise InvalidEvent(f"priority {str(told)[:50]!r} must be 0 to 9")
    return told


def _meta(told: Any) -> dict[str, Any]:
    if told is not None and (not isinstance(told, dict) or len(json.dumps(told)) > 10_000):
        raise InvalidEvent("meta must be an object of at most 10000 characters")
    return told or {}
