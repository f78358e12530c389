"""What several routers know of one run together: each tells the objects that it learnt of and hears those of the others.

A hint reaches one router only, and a task may need what two of them were told. The list of a run may vanish at any time; who notices
lists the bucket again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from events.queue.errors import QueueUnavailable, translated
from events.queue.queue import DAY_MS
from events.queue.server import Server
from kadr.storage import layout

WRITING_MS = 60_000
"""How long the body of a record is at hand after its writer began to write it."""
LARGEST = 256 << 10
"""What is larger is read from the bucket."""


@dataclass(frozen=True)
class Heard:
    """``objects``: names below the run's state prefix to their bodies, said since the place asked for; ``place``: where to go on."""

    objects: Mapping[str, bytes]
    place: int
    vanished: bool
    """Less is there than was read before: what was said meanwhile is not known."""


class News:
    """Every method raises QueueUnavailable."""

    def __init__(self, server: Server, life_ms: int = DAY_MS) -> None:
        self._server = server
        self._life_ms = life_ms

    def writing(self, name: str, body: bytes) -> None:
        """``body`` is about to be written as ``name``: whoever is told that it was need not read it from the bucket.

        Never raises: who does not find it here reads it there.
        """
        at = layout.parse_run(name)
        if at is None or not name.endswith(layout.RECORDS) or len(body) > LARGEST:
            return
        with suppress(QueueUnavailable, UnicodeDecodeError), translated(f"queue, {name}"):
            self._server.client.set(self._server.names.body(at[1], at[2]), body.decode(), px=WRITING_MS)

    def written(self, name: str) -> bytes | None:
        """The body of ``name``, which is known to be in the bucket, if its writer told it. Never raises."""
        at = layout.parse_run(name)
        if at is None or not name.endswith(layout.RECORDS):
            return None
        with suppress(QueueUnavailable), translated(f"queue, {name}"):
            found = self._server.client.get(self._server.names.body(at[1], at[2]))
            return None if found is None else str(found).encode()
        return None

    def exchange(self, run_id: str, own: Mapping[str, bytes], place: int) -> Heard:
        """Say ``own`` and hear what was said from ``place`` on, our own among it."""
        key = self._server.names.news(run_id)
        said = []
        for name, body in own.items():
            with suppress(UnicodeDecodeError):  # a damaged one is no news
                said.append(json.dumps([name, body.decode()]))
        with translated(f"queue, news of {run_id}"), self._server.client.pipeline(transaction=True) as both:
            if said:
                both.rpush(key, *said)
                both.pexpire(key, self._life_ms)
            both.llen(key)
            both.lrange(key, place, -1)
            *_, length, heard = both.execute()
        objects = {name: body.encode() for name, body in map(json.loads, heard)}
        return Heard(objects, int(length), int(length) < place + len(said))
