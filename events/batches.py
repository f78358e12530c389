"""Several tasks in one HTTP request: a CloudEvents batch in, one line of JSON out for each task as soon as it has ended.

What is saved is requests and round trips. Each task is run as if it had come alone, one after the other: a batch changes no value,
a task that fails fails alone, and one that nobody waits for any more (:data:`DROPPED`) is passed over if it has not begun, and
stopped if it has.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from flask import Request, Response

from events import binding
from events.binding import InvalidEvent
from events.problems import problem, problem_of

_log = logging.getLogger("kadr.function")

CONTENT_TYPE = "application/cloudevents-batch+json"
LINES = "application/x-ndjson"
NAME = "Kadr-Batch"
"""The header that names a request, so that tasks of it can be dropped."""
DROPPED = "dev.kadr.task.dropped.v1"
MOST = 100


def to_http(events: Sequence[binding.Event], name: str) -> tuple[dict[str, str], bytes]:
    """Headers and body of ``events`` in CloudEvents' batched mode."""
    return {"Content-Type": CONTENT_TYPE, NAME: name}, json.dumps([_plain(e) for e in events]).encode()


def _plain(event: binding.Event) -> dict[str, Any]:
    optional = {"subject": event.subject, "dataref": event.dataref, "traceparent": event.traceparent}
    return {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "datacontenttype": "application/json",
        "time": datetime.fromtimestamp(event.time_ms / 1000, UTC).isoformat(timespec="milliseconds"),
        **{k: v for k, v in optional.items() if v},
        "data": dict(event.data),
    }


def parse(body: bytes) -> list[binding.Event]:
    """The events of a batch. Raises InvalidEvent."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InvalidEvent(f"the batch is not JSON: {str(error)[:200]}") from error
    if not isinstance(found, list) or not 1 <= len(found) <= MOST:
        raise InvalidEvent(f"a batch is a list of 1 to {MOST} events")
    structured = {"content-type": "application/cloudevents+json"}
    return [binding.parse(structured, json.dumps(one).encode()) for one in found]


def answers(pieces: Iterable[bytes]) -> Iterator[tuple[str, tuple[int, dict[str, Any], int | None]]]:
    """(event id, (status, what was said, when to try again in ms)) of each whole line; what is no answer is passed over."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            try:
                said = json.loads(line)
                yield str(said["id"]), (int(said["status"]), dict(said["said"]), said.get("retry_after_ms"))
            except (ValueError, KeyError, TypeError):
                _log.warning("not an answer: %r", line[:200])


class Batches:
    """Takes requests of one task or of many, and hands each task's event to ``function``."""

    def __init__(
        self, function: Callable[[binding.Event], Response], stop: Callable[[str], None] = lambda _: None
    ) -> None:
        """``stop`` is told the delivery of an event whose task nobody waits for any more: it may have begun."""
        self._function = function
        self._stop = stop
        self._dropped: dict[str, set[str]] = {}
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Response:
        try:
            if request.headers.get("Content-Type", "").startswith(CONTENT_TYPE):
                events = parse(request.get_data())
                run = self._run(request.headers.get(NAME, ""), events)
                return Response(run, 200, content_type=LINES)
            event = binding.parse(dict(request.headers), request.get_data())
        except InvalidEvent as error:
            _log.warning("not a task: %s", error)
            return problem_of(error)
        if event.type == DROPPED:
            return self._drop(event)
        return self._function(_delivered(event, request.headers.get(NAME, "")))

    def _run(self, name: str, events: Sequence[binding.Event]) -> Iterator[bytes]:
        """Ends where it stands when the caller hangs up."""
        with self._lock:
            dropped = self._dropped.setdefault(name, set())
        try:
            for event in events:
                yield _line(
                    event.id,
                    self._one(_delivered(event, name)) if event.id not in dropped else _passed_over(),
                )
        finally:
            with self._lock:
                self._dropped.pop(name, None)

    def _one(self, event: binding.Event) -> Response:
        try:
            return self._function(event)
        except Exception as error:  # the others of the batch are not to suffer for it
            _log.exception("%s", event.subject)
            return problem(500, type(error).__name__, str(error)[:500], True)

    def _drop(self, event: binding.Event) -> Response:
        ids = [str(one) for one in event.data.get("ids") or ()]
        with self._lock:
            if (known := self._dropped.get(event.subject)) is not None:
                known.update(ids)
        for one in ids:
            self._stop(delivery(event.subject, one))
        return Response("", 204)


def delivery(name: str, event_id: str) -> str:
    """What one event is called within the request ``name``: the same event may come again while it is at work."""
    return f"{name}/{event_id}"


def _delivered(event: binding.Event, name: str) -> binding.Event:
    return replace(event, delivery=delivery(name, event.id)) if name else event


def _passed_over() -> Response:
    return problem(410, "Dropped", "nobody waits for it any more", False)


def _line(name: str, answer: Response) -> bytes:
    said = answer.get_json(force=True, silent=True)
    after = answer.headers.get("Retry-After", "")
    plain: Mapping[str, Any] = {
        "id": name,
        "status": answer.status_code,
        "said": said if isinstance(said, dict) else {"detail": answer.get_data(as_text=True)[:500]},
        "retry_after_ms": int(after) * 1000 if after.isdigit() else None,
    }
    return json.dumps(plain).encode() + b"\n"
