"""CloudEvents 1.0 over HTTP: binary and structured mode in and out."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote

from cloudevents import exceptions
from cloudevents.conversion import to_binary, to_structured
from cloudevents.http import CloudEvent, from_http

from kadr.contracts.errors import KadrError

UPLOADED = "dev.kadr.video.uploaded.v1"
REQUESTED = "dev.kadr.run.requested.v1"
TASK_READY = "dev.kadr.task.ready.v1"
COMPONENT_COMPLETED = "dev.kadr.component.completed.v1"
RUN_COMPLETED = "dev.kadr.run.completed.v1"

STRUCTURED = "application/cloudevents+json"
MAX_BYTES = 1 << 20
"""An event carries references, never bytes of video."""
_LONGEST = 2048
"""Of any attribute."""
_SURROGATE = re.compile("[\ud800-\udfff]")
_PLAIN = "".join(c for c in map(chr, range(0x21, 0x7F)) if c not in '%"')
_EXTENSIONS = ("traceparent", "tracestate", "dataref", "partitionkey")


class InvalidEvent(KadrError):
    """This is not a CloudEvent that Kadr takes."""

    status = 400


class UnsupportedEvent(InvalidEvent):
    """Batches of CloudEvents are not taken: send one event a request."""

    status = 415


@dataclass(frozen=True)
class Event:
    """One CloudEvent; ``data`` is a JSON object. ``dataref`` names the object in the bucket that it is about."""

    id: str
    source: str
    type: str
    data: Mapping[str, Any]
    subject: str = ""
    time_ms: int = 0
    dataref: str = ""
    traceparent: str = ""
    delivery: str = ""
    """Which of its deliveries this is, where whoever sent it can call it back. No part of the event."""


def parse(headers: Mapping[str, str], body: bytes) -> Event:
    """The event in an HTTP request, in binary or structured mode. Raises InvalidEvent saying what is wrong with it."""
    lower = {k.lower(): v for k, v in headers.items()}
    if lower.get("content-type", "").startswith("application/cloudevents-batch"):
        raise UnsupportedEvent
    if len(body) > MAX_BYTES:
        raise InvalidEvent(f"the event has {len(body)} bytes; at most {MAX_BYTES} are taken")
    try:
        found = from_http(lower, body)
    except (
        exceptions.GenericException,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        RecursionError,
    ) as error:
        raise InvalidEvent(f"not a CloudEvent 1.0: {str(error)[:300] or type(error).__name__}") from error
    binary = "ce-specversion" in lower
    attributes = {
        k: unquote(v) if binary and isinstance(v, str) else v
        for k, v in found.get_attributes().items()
        if v is not None
    }
    for name in ("id", "source", "type", "subject", *_EXTENSIONS):
        value = attributes.get(name, "")
        if not isinstance(value, str) or len(value) > _LONGEST or _SURROGATE.search(value):
            raise InvalidEvent(f"its attribute {name} is no text of at most {_LONGEST} characters")
    return Event(
        id=attributes["id"],
        source=attributes["source"],
        type=attributes["type"],
        data=_object(found.data),
        subject=attributes.get("subject", ""),
        time_ms=_time_ms(attributes.get("time")),
        dataref=attributes.get("dataref", ""),
        traceparent=attributes.get("traceparent", ""),
    )


def _object(data: object) -> Mapping[str, Any]:
    try:
        if isinstance(data, bytes | str):
            data = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidEvent(f"its data is not JSON: {str(error)[:200]}") from error
    if not isinstance(data, dict):
        raise InvalidEvent(
            f"its data is {'missing' if data is None else type(data).__name__}, not a JSON object"
        )
    return data


def _time_ms(text: object) -> int:
    if text is None:
        return 0
    try:
        return round(datetime.fromisoformat(str(text)).timestamp() * 1000)
    except (ValueError, OverflowError, OSError) as error:
        raise InvalidEvent(f"its time {str(text)[:50]!r} is not a time of RFC 3339") from error


def to_http(event: Event) -> tuple[dict[str, str], bytes]:
    """Headers and body of ``event`` in binary mode."""
    # Headers hold printable ASCII; the rest is percent-encoded, as the HTTP binding says.
    encoded = {k: quote(v, safe=_PLAIN) for k, v in _attributes(event).items()}
    headers, body = to_binary(CloudEvent(encoded, dict(event.data)))
    return headers, body or b"{}"


def to_json(event: Event) -> bytes:
    """The body of ``event`` in structured mode; its content type is ``STRUCTURED``."""
    _, body = to_structured(CloudEvent(_attributes(event), dict(event.data)))
    return body


def _attributes(event: Event) -> dict[str, str]:
    optional = {"subject": event.subject, "dataref": event.dataref, "traceparent": event.traceparent}
    return {
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "datacontenttype": "application/json",
        "time": datetime.fromtimestamp(event.time_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        **{k: v for k, v in optional.items() if v},
    }
