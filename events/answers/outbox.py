"""What is owed: one object for each event and target, written before the run is closed, removed when the target was told.

The queue carries its name alone. A lost queue or a killed process loses nothing: who looks through the outbox puts it in line again.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol

from events.answers.targets import Target
from events.binding import RUN_COMPLETED, Event
from events.messages import trace_of
from events.queue.chunks import AT_ONCE
from events.queue.errors import QueueUnavailable
from events.queue.messages import Message
from kadr.contracts.errors import InvalidObject, ObjectMissing
from kadr.contracts.keys import jcs
from kadr.storage import layout
from kadr.storage.layout import OwedName
from kadr.storage.store import ObjectStore

_log = logging.getLogger("kadr.answers")

ANSWERS = "answers"
"""The queue's function that tells targets; no component is called so."""
THOROUGH_S = 600.0
"""A queue that lost a part of itself knows of a message and has it in no line: that is looked for so rarely."""


class Line(Protocol):
    """The queue, as the outbox needs it: :class:`events.queue.queue.Queue`."""

    def ready_all(self, messages: list[Message]) -> list[bool]: ...
    def rearm_all(self, messages: list[Message]) -> list[bool]: ...
    def unknown(self, messages: list[Message]) -> list[Message]: ...


@dataclass(frozen=True)
class Owed:
    """``event``: the CloudEvent's attributes and data, as it is told."""

    name: OwedName
    target: Target
    event: dict[str, Any]

    @property
    def body(self) -> bytes:
        return jcs({"event": self.event, "target": self.target.plain()})

    @property
    def closes(self) -> str | None:
        """The mark without which this may not be told: that the run's epoch was closed with this manifest."""
        data = self.event["data"]
        if self.event["type"] != RUN_COMPLETED or not data.get("manifest"):
            return None
        prefix = layout.state_prefix(self.name.owner, self.name.run_id)
        return prefix + layout.done(int(data["epoch"]), str(data["manifest"]))


def message_of(name: OwedName) -> Message:
    """All that the queue is told."""
    body = layout.owed(name.owner, name.run_id, name.event_id, name.target)
    return Message(
        function=ANSWERS,
        run_id=name.run_id,
        owner=name.owner,
        task=task_of(name.target),
        body=json.dumps({"owed": body}),
        key=name.event_id,
        trace=_trace(name.run_id),
    )


def task_of(target: str) -> str:
    """What telling a target of this name is called in the queue."""
    return f"answer.{target}"


def name_of(message: Message) -> OwedName | None:
    """What is owed, by a message; None if it names nothing that can be."""
    try:
        return layout.parse_owed(str(json.loads(message.body)["owed"]))
    except (ValueError, KeyError, TypeError):
        return None


def _trace(run_id: str) -> str:
    with suppress(ValueError):
        return trace_of(run_id)
    return ""


@dataclass
class Outbox:
    store: ObjectStore
    line: Line
    owed: int = field(default=0, init=False)
    """At the last look."""
    _thorough_at: float = field(default=-math.inf, init=False)

    def owe(
        self, owner: str, run_id: str, event: Event, event_json: bytes, targets: Iterable[Target]
    ) -> list[OwedName]:
        """Write what is owed; :meth:`tell` puts it in line. Raises StoreFailure."""
        names = []
        for target in targets:
            one = Owed(OwedName(owner, run_id, event.id, target.name), target, json.loads(event_json))
            self.put(one)
            names.append(one.name)
        return names

    def put(self, one: Owed) -> None:
        self.store.put(self._name(one.name), one.body)

    def tell(self, names: Iterable[OwedName]) -> None:
        """Put in line; if the queue is away, :meth:`sweep` does."""
        if messages := [message_of(name) for name in names]:
            try:
                self.line.ready_all(messages)
            except QueueUnavailable as error:
                _log.warning("answers wait for the reconciler: %s", error)

    def known(self, owner: str, run_id: str) -> set[tuple[str, str]]:
        """(event id, target) of what is owed or was settled of one run. Raises StoreFailure."""
        owed = (layout.parse_owed(n) for n in self.store.list(layout.owed_prefix(owner, run_id)))
        prefix = layout.answers_prefix(owner, run_id)
        settled = (n.removeprefix(prefix).split(".") for n in self.store.list(prefix))
        return {(o.event_id, o.target) for o in owed if o} | {(s[0], s[1]) for s in settled if len(s) == 4}

    def read(self, name: OwedName) -> Owed:
        """Raises ObjectMissing: it was settled; InvalidObject, StoreFailure."""
        return _owed(name, self.store.get(self._name(name)))

    def settled(self, name: OwedName) -> bool:
        """Whether the target was told already."""
        return self.store.exists(layout.answer(*_of(name), delivered=True))

    def given_up(self, name: OwedName) -> dict[str, Any] | None:
        """What was said of it when it was given up; None if it was told, or nothing is known of it. Raises StoreFailure."""
        if self.settled(name):
            return None
        with suppress(ObjectMissing, ValueError):
            return dict(json.loads(self.store.get(layout.answer(*_of(name), delivered=False))))
        return None

    def settle(self, one: Owed, delivered: bool, said: dict[str, Any]) -> None:
        """Keep what became of it, then owe it no more. A failure keeps the event, so that it can be tried again."""
        body = {**said, **({} if delivered else {"event": one.event, "target": one.target.plain()})}
        self.store.put(layout.answer(*_of(one.name), delivered=delivered), jcs(body))
        self.drop(one.name)

    def drop(self, name: OwedName) -> None:
        self.store.delete(self._name(name))

    def sweep(self) -> int:
        """Put all that is owed in line, unless it stands there; how much it is. Raises QueueUnavailable, StoreFailure.

        Most of the time the queue is asked only what it knows nothing of; where each stands in it, now and then.
        """
        found, total = self._all(), 0
        if thorough := time.monotonic() >= self._thorough_at:
            self._thorough_at = time.monotonic() + THOROUGH_S
        while some := list(islice(found, AT_ONCE)):
            messages = [message_of(name) for name in some]
            if lost := messages if thorough else self.line.unknown(messages):
                self.line.rearm_all(lost)
            total += len(some)
        self.owed = total
        return total

    def _all(self) -> Iterator[OwedName]:
        return (o for n in self.store.list(layout.ALL_OWED) if (o := layout.parse_owed(n)))

    @staticmethod
    def _name(name: OwedName) -> str:
        return layout.owed(*_of(name))


def _of(name: OwedName) -> tuple[str, str, str, str]:
    return name.owner, name.run_id, name.event_id, name.target


def _owed(name: OwedName, body: bytes) -> Owed:
    try:
        plain = json.loads(body)
        target = Target(str(plain["target"]["kind"]), str(plain["target"]["of"]))
        event = dict(plain["event"])
        if event["id"] != name.event_id or not isinstance(event["data"], dict) or not event["type"]:
            raise ValueError("it is about another event")
        return Owed(name, target, event)
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidObject(f"what is owed of {name.event_id} cannot be read: {error}") from error


def again(store: ObjectStore, name: OwedName) -> bool:
    """Owe once more what was given up; False if nothing is known of it. Raises InvalidObject, StoreFailure."""
    try:
        owed = _owed(name, store.get(layout.answer(*_of(name), delivered=False)))
    except ObjectMissing:
        return False
    store.put(layout.owed(*_of(name)), owed.body)
    return True
