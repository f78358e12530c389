"""Closers in Redis: the first who names a manifest closes the epoch with it; see kadr/pipeline/closing.py for the port.

Nothing is held, so nothing can be lost: who comes late, or was away for long, is told the digest that was named first.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from events.queue.queue import DAY_MS
from events.queue.server import Server
from kadr.pipeline.closing import Agree

LIFE_MS = 30 * DAY_MS
"""Long after the mark is there, which then says the same."""


class RedisClosers:
    """Any number may be in at once. What is agreed on raises QueueUnavailable."""

    def __init__(self, server: Server) -> None:
        self._server = server

    @contextmanager
    def enter(self, run_id: str, epoch: int) -> Iterator[Agree | None]:
        yield lambda digest: str(self._server.run("close", run_id, epoch, digest, LIFE_MS))
