"""What several routers know of one run together: each tells the objects that it learnt of and hears those of the others.

A hint reaches one router only, and a task may need what two of them were told. The list of a run may vanish at any time; who notices
lists the bucket again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from events.queue.errors import translated
from events.queue.queue import DAY_MS
from events.queue.server import Server


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

    def exchange(self, run_id: str, own: Mapping[str, bytes], place: int) -> Heard:
        """Say ``own`` and hear what was said from ``place`` on, our own among it."""
        key = self._server.names.news(run_id)
        said = [json.dumps([name, body.decode()]) for name, body in own.items()]
        with translated(f"queue, news of {run_id}"), self._server.client.pipeline(transaction=True) as both:
            if said:
                both.rpush(key, *said)
                both.pexpire(key, self._life_ms)
            both.llen(key)
            both.lrange(key, place, -1)
            *_, length, heard = both.execute()
        objects = {name: body.encode() for name, body in map(json.loads, heard)}
        return Heard(objects, int(length), int(length) < place + len(said))
