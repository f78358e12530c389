"""Hints that objects of the bucket were written, on their way to the router: a stream that may lose any of them.

The bucket's notification and the function's own word both come here. What is lost the reconciler finds.
"""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import redis.exceptions

from events.queue.errors import QueueUnavailable, translated
from events.queue.names import GROUP
from events.queue.server import Server

KEPT = 200_000
"""Hints that may wait; of more the oldest are dropped."""
LEASE_MS = 60_000


@dataclass(frozen=True)
class Hint:
    """``names``: objects that were written. ``lost``: a task whose inputs cannot be read, as its event carried it."""

    id: str
    names: tuple[str, ...] = ()
    lost: dict[str, Any] | None = None


class Hints:
    """Every method raises QueueUnavailable."""

    def __init__(self, server: Server, window_ms: int = 0, lease_ms: int = LEASE_MS) -> None:
        """``window_ms``: how long whoever takes hints waits for more of them, so that they are looked at together."""
        self._server = server
        self._lease_ms = lease_ms
        self._looked = 0.0
        """When it was last asked whose taker went away, on the monotonic clock."""
        self._window_ms = window_ms
        self._stream = server.names.hints
        self._name = f"{socket.gethostname()}.{os.getpid()}.{uuid.uuid4().hex[:12]}"

    def tell(self, names: Sequence[str] = (), lost: dict[str, Any] | None = None) -> None:
        with translated("hints"):
            body = json.dumps({"names": list(names), "lost": lost})
            self._server.client.xadd(self._stream, {"hint": body}, maxlen=KEPT, approximate=True)

    def take(self, count: int, block_ms: int) -> list[Hint]:
        """Up to ``count`` hints: new ones, or those whose taker went away, twice a lease even if there are always new ones.

        ``block_ms`` 0 waits for none.
        """
        found = self._take(count, block_ms)
        until = time.monotonic() + self._window_ms / 1000
        with suppress(QueueUnavailable):  # what was taken is looked at
            while found and len(found) < count and (left_ms := int((until - time.monotonic()) * 1000)) > 0:
                found += self._take(count - len(found), left_ms)
        return found

    def _take(self, count: int, block_ms: int) -> list[Hint]:
        with translated("hints"):
            client = self._server.client
            for _ in range(2):
                try:
                    if time.monotonic() - self._looked > self._lease_ms / 2000 and (
                        old := self._lapsed(count)
                    ):
                        return old
                    found = client.xreadgroup(
                        GROUP, self._name, {self._stream: ">"}, count=count, block=block_ms or None
                    )
                    if not found:
                        return self._lapsed(count)
                    return [_hint(number, fields) for number, fields in found[0][1]]
                except redis.exceptions.ResponseError as error:
                    if not str(error).startswith(("NOGROUP", "UNBLOCKED")):
                        raise
                    self._make_group()
            return []

    def _lapsed(self, count: int) -> list[Hint]:
        self._looked = time.monotonic()
        taken = self._server.client.xautoclaim(self._stream, GROUP, self._name, self._lease_ms, count=count)
        return [_hint(number, fields) for number, fields in taken[1]]

    def done(self, hints: Iterable[Hint]) -> None:
        numbers = [hint.id for hint in hints]
        if numbers:
            with translated("hints"), self._server.client.pipeline(transaction=True) as both:
                both.xack(self._stream, GROUP, *numbers)
                both.xdel(self._stream, *numbers)
                both.execute()

    def _make_group(self) -> None:
        with suppress(redis.exceptions.ResponseError):  # somebody else has just made it
            self._server.client.xgroup_create(self._stream, GROUP, id="0", mkstream=True)


def _hint(number: str, fields: dict[str, str] | None) -> Hint:
    """A hint that is none says nothing."""
    try:
        body = json.loads((fields or {})["hint"])
        lost = body.get("lost")
        return Hint(
            number, tuple(map(str, body.get("names") or ())), lost if isinstance(lost, dict) else None
        )
    except (ValueError, KeyError, AttributeError, TypeError):
        return Hint(number)
