"""The queue as a worker sees it: entries are taken under a lease, kept by heartbeats, and finished, put off or given up.

Whatever is done to an entry is done by one script that first looks whether it is still this consumer's delivery; a refusal says that
somebody else has it now.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import redis.exceptions as theirs

from events.queue.chunks import chunks
from events.queue.errors import translated
from events.queue.messages import Entry, Failure, Message
from events.queue.names import GROUP
from events.queue.server import Argument, Server

LEASE_MS = 30_000
GONE = ("NOGROUP", "UNBLOCKED")
"""What a blocked reader is told when the stream or its group vanishes."""


@dataclass(frozen=True)
class Beat:
    """What a heartbeat said: entries that are another's now, and entries whose run was cancelled."""

    refused: tuple[Entry, ...] = ()
    cancelled: tuple[Entry, ...] = ()


class Parked(Enum):
    """What became of an entry that met a claimed key."""

    PARKED = 1
    """It waits, and is ready when the claim ends."""
    READY = 0
    """The claim had ended: it is in line again."""
    REFUSED = -1
    """It is another's now."""


class Consumer:
    """One worker of one function, under a name that no other start ever has. Every method raises QueueUnavailable."""

    def __init__(
        self, server: Server, function: str, lease_ms: int = LEASE_MS, name: str | None = None
    ) -> None:
        self._server = server
        self.function = function
        self.lease_ms = lease_ms
        self.name = name or f"{socket.gethostname()}.{os.getpid()}.{uuid.uuid4().hex[:12]}"

    def take(self, count: int = 1, block_ms: int = 0) -> list[Entry]:
        """Up to ``count`` entries: those whose lease ran out, then new ones; waits for the first up to ``block_ms``.

        Nothing while the function is paused. Entries of cancelled runs are dropped and counted on the way.
        """
        got = self._server.function("take", self.function, self.name, count, self.lease_ms)
        if not got and block_ms > 0:
            got = self._accept(self._blocked(count, block_ms))
        return [self._entry(raw) for raw in got]

    def _blocked(self, count: int, block_ms: int) -> list[Argument]:
        wait_ms = min(block_ms, self._server.longest_block_ms)
        stream = self._server.names.stream(self.function)
        with translated(f"queue, waiting for {self.function}"):
            try:
                read = self._server.client.xreadgroup(
                    GROUP, self.name, {stream: ">"}, count=count, block=wait_ms
                )
            except theirs.ResponseError as error:
                if not str(error).startswith(GONE):
                    raise
                return []
        return [
            part for _, entries in read or () for entry, fields in entries for part in (entry, fields["id"])
        ]

    def _accept(self, read: list[Argument]) -> list[list[str]]:
        return self._server.function("accept", self.function, self.name, *read) if read else []

    def _entry(self, raw: Sequence[str]) -> Entry:
        stream_id, delivery, attempt, at_ms, taken_over, text = raw
        message = Message.loaded(text, int(attempt))
        return Entry(message, self.name, stream_id, int(delivery), int(at_ms), bool(taken_over))

    def heartbeat(self, entries: Sequence[Entry]) -> Beat:
        """Begin their leases anew. Stop working on what is refused."""
        refused, cancelled = [], []
        for some in chunks(entries):
            args = [part for e in some for part in (e.stream_id, e.delivery, e.message.opened)]
            told = self._server.function("heartbeat", self.function, self.name, *args)
            refused += [e for e, state in zip(some, told, strict=True) if state == 0]
            cancelled += [e for e, state in zip(some, told, strict=True) if state == 2]
        return Beat(tuple(refused), tuple(cancelled))

    def finish(self, entries: Sequence[Entry]) -> list[Entry]:
        """Acknowledge and delete. Returns the refused: another's now, or finished before."""
        refused: list[Entry] = []
        for some in chunks(entries):
            args = [part for e in some for part in (e.stream_id, e.delivery, e.message.id)]
            told = self._server.function("finish", self.function, self.name, *args)
            refused += [e for e, done in zip(some, told, strict=True) if not done]
        return refused

    def retry_later(
        self, entry: Entry, delay_ms: int, failure: Failure | None = None, counted: bool = True
    ) -> bool:
        """Put it off by ``delay_ms`` (see delays.py). ``counted`` False: the attempt was none. False where it was refused."""
        code, text = failure.bounded if failure else ("", "")
        args = (
            self.name,
            entry.stream_id,
            entry.delivery,
            entry.message.id,
            delay_ms,
            int(counted),
            code,
            text,
        )
        return bool(self._server.function("later", self.function, *args))

    def put_back(self, entries: Sequence[Entry]) -> list[Entry]:
        """Into the line again at once, as if never taken: what a worker does that is told to end. Returns the refused."""
        return [entry for entry in entries if not self.retry_later(entry, 0, counted=False)]

    def park(self, entry: Entry, key: str) -> Parked:
        """It met a claim to ``key`` of this function: it waits, unpolled, until that is released or its lease runs out."""
        args = (self.name, entry.stream_id, entry.delivery, entry.message.id, key)
        return Parked(self._server.function("park", self.function, *args))

    def give_up(self, entry: Entry, failure: Failure, kept: int = 10_000) -> bool:
        """Make it a dead letter; of more than ``kept`` the oldest are dropped and counted. False where it was refused."""
        args = (self.name, entry.stream_id, entry.delivery, entry.message.id, *failure.bounded, kept)
        return bool(self._server.function("give_up", self.function, *args))

    def leave(self) -> bool:
        """Forget this consumer's name. False while it still has entries: they stay until their lease runs out."""
        return bool(self._server.function("leave", self.function, self.name))
