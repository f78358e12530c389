"""Tasks on their way to a replica over HTTP: one a request, or several in one, each with an answer of its own."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import urllib3

from events import batches, binding
from events.messages import event_id
from events.queue.messages import Entry, Message

CONNECT_S = 5.0
DROP_S = 2.0


@dataclass(frozen=True)
class Answer:
    """What a replica said of one task."""

    status: int
    said: Mapping[str, Any]
    retry_after_ms: int | None = None

    @classmethod
    def of(cls, status: int, headers: Mapping[str, str], body: bytes) -> Answer:
        try:
            said = json.loads(body)
        except ValueError:
            said = {"detail": body[:500].decode(errors="replace")}
        after = {k.lower(): v for k, v in headers.items()}.get("retry-after", "")
        return cls(
            status, said if isinstance(said, dict) else {}, int(after) * 1000 if after.isdigit() else None
        )

    @property
    def code(self) -> str:
        return str(self.said.get("title") or f"HTTP{self.status}")

    @property
    def detail(self) -> str:
        return str(self.said.get("detail") or f"the replica answered {self.status}")


@dataclass(frozen=True)
class Delivery:
    """What goes to one replica in one request."""

    address: str
    entries: tuple[Entry, ...]
    name: str = field(default_factory=lambda: uuid.uuid4().hex)


class Post:
    """Safe for threads. Nothing is raised: whatever went wrong is an answer."""

    def __init__(self, connections: int, timeout_s: float) -> None:
        """``timeout_s``: how long one task may take."""
        self._http = urllib3.PoolManager(maxsize=connections, retries=False)
        self._timeout = urllib3.Timeout(connect=CONNECT_S, read=timeout_s)

    def deliver(self, delivery: Delivery) -> Iterator[tuple[Entry, Answer]]:
        """Each entry with its answer, as soon as it is there."""
        if len(delivery.entries) == 1:
            entry = delivery.entries[0]
            yield entry, self._one(entry.message, delivery)
        else:
            yield from self._many(delivery)

    def drop(self, delivery: Delivery, entries: Iterable[Entry]) -> None:
        """Tell the replica which of these tasks nobody waits for any more. That it may not hear of it costs work alone."""
        ids = [event_of(entry.message).id for entry in entries]
        event = binding.Event(uuid.uuid4().hex, "/kadr/pump", batches.DROPPED, {"ids": ids}, delivery.name)
        headers, data = binding.to_http(event)
        with suppress(urllib3.exceptions.HTTPError):
            self._http.request("POST", delivery.address, body=data, headers=headers, timeout=DROP_S)

    def _one(self, message: Message, delivery: Delivery) -> Answer:
        headers, data = binding.to_http(event_of(message))
        headers = {**headers, batches.NAME: delivery.name}
        try:
            answer = self._http.request(
                "POST", delivery.address, body=data, headers=headers, timeout=self._timeout
            )
        except urllib3.exceptions.HTTPError as error:
            return _gone(error, delivery.address, message.task)
        return Answer.of(answer.status, dict(answer.headers), answer.data)

    def _many(self, delivery: Delivery) -> Iterator[tuple[Entry, Answer]]:
        events = [event_of(entry.message) for entry in delivery.entries]
        left = {event.id: entry for event, entry in zip(events, delivery.entries, strict=True)}
        headers, data = batches.to_http(events, delivery.name)
        why: urllib3.exceptions.HTTPError | None = None
        try:
            answer = self._http.request(
                "POST",
                delivery.address,
                body=data,
                headers=headers,
                timeout=self._timeout,
                preload_content=False,
            )
            try:
                if answer.headers.get("Content-Type") != batches.LINES:
                    said = Answer.of(answer.status, dict(answer.headers), answer.read())
                    yield from ((entry, said) for entry in left.values())
                    return
                for name, one in batches.answers(answer.stream()):
                    if (entry := left.pop(name, None)) is not None:
                        yield entry, Answer(*one)
            finally:
                answer.close()
        except urllib3.exceptions.HTTPError as error:
            why = error
        yield from self._lost(list(left.values()), delivery.address, why)

    def _lost(
        self, left: list[Entry], address: str, why: urllib3.exceptions.HTTPError | None
    ) -> Iterator[tuple[Entry, Answer]]:
        """The first without an answer is the one that was at work; of the others nothing had begun."""
        for number, entry in enumerate(left):
            found = _gone(why, address, entry.message.task)
            yield entry, found if not number else Answer(503, {**found.said, "attempt": False})


def event_of(message: Message) -> binding.Event:
    body = json.loads(message.body)
    return binding.Event(
        id=event_id(body, message.task, message.key, message.epoch),
        source="/kadr/pump",
        type=binding.TASK_READY,
        data=body,
        subject=f"{message.owner}/{message.run_id}/{message.task}",
        time_ms=time.time_ns() // 1_000_000,
        traceparent=message.trace,
    )


def _gone(error: urllib3.exceptions.HTTPError | None, address: str, task: str) -> Answer:
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return Answer(503, {"detail": f"no replica at {address}: {error}", "attempt": False})
    how = type(error).__name__ if error else "its answer ended early"
    said = f"the replica went away while {task} ran: {how}"
    return Answer(503, {"title": "ReplicaGone", "detail": said, "retryable": True})
