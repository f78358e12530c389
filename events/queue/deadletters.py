"""Dead letters: tasks that were given up, kept with all that is known of them until somebody replays or drops them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from events.queue.chunks import chunks
from events.queue.messages import Failure, Message
from events.queue.queue import MARK_MS
from events.queue.server import Server

PAGE = 100


@dataclass(frozen=True)
class Attempt:
    """One attempt that failed, by the server's clock."""

    attempt: int
    at_ms: int
    failure: Failure


@dataclass(frozen=True)
class Letter:
    """A task that was given up. ``message.attempt`` counts its attempts, ``message.trace`` leads to its logs."""

    message: Message
    failure: Failure
    ready_ms: int
    died_ms: int
    history: tuple[Attempt, ...]

    @property
    def id(self) -> str:
        return self.message.id


class DeadLetters:
    """Those of all functions; every method raises QueueUnavailable."""

    def __init__(self, server: Server, mark_ms: int = MARK_MS) -> None:
        self._server = server
        self._mark_ms = mark_ms

    def list(self, function: str, offset: int = 0, count: int = 100) -> Sequence[Letter]:
        """The newest first."""
        return [_letter(raw) for raw in self._server.function("letters", function, "page", offset, count)]

    def all(self, function: str) -> Iterator[Letter]:
        at = 0
        while page := self.list(function, at, PAGE):
            yield from page
            at += PAGE

    def show(self, function: str, letter_id: str) -> Letter | None:
        found = self._server.function("letters", function, "named", letter_id)
        return _letter(found[0]) if found else None

    def replay(self, function: str, letter_ids: Sequence[str]) -> int:
        """Put them in line again with their attempts at 0; how many. What the queue holds anyway only leaves this list."""
        some = chunks(letter_ids)
        return sum(self._server.function("replay", function, self._mark_ms, *ids) for ids in some)

    def drop(self, function: str, letter_ids: Sequence[str]) -> int:
        """Forget them; how many there were."""
        return sum(self._server.function("drop", function, *ids) for ids in chunks(letter_ids))


def _letter(raw: Sequence[str]) -> Letter:
    _, text, attempts, ready_ms, died_ms, code, why, history = raw
    message = Message.loaded(text, int(attempts))
    past = tuple(_attempt(json.loads(line)) for line in history.splitlines())
    return Letter(message, Failure(code, why), int(ready_ms), int(died_ms), past)


def _attempt(said: dict[str, Any]) -> Attempt:
    return Attempt(said["attempt"], said["at_ms"], Failure(said["code"], said["text"]))
