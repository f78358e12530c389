"""A run's view: task → state and output digests, so that the router need not list the bucket for every record.

A view may vanish at any time and is built again from one LIST. It is whole or absent: who builds one asks for a token first, lists,
then puts; if anything was said about the run in between, the put is refused and the builder lists again.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

from events.queue.errors import translated
from events.queue.queue import DAY_MS
from events.queue.server import Argument, Server

LIFE_MS = DAY_MS
CLOSED_MS = 30 * DAY_MS
WHOLE = ""
"""The field that says that a view is whole."""


@dataclass(frozen=True)
class TaskView:
    """What is known of a task: its state, and the digests of what it made by name."""

    state: str
    digests: Mapping[str, str] = field(default_factory=dict)

    def dumped(self) -> str:
        return json.dumps([self.state, dict(self.digests)], separators=(",", ":"))


class RunViews:
    """Views of all runs; every method raises QueueUnavailable."""

    def __init__(self, server: Server, life_ms: int = LIFE_MS) -> None:
        self._server = server
        self._life_ms = life_ms

    def get(self, run_id: str) -> dict[str, TaskView] | None:
        """The whole view, or None."""
        with translated(f"queue, view of {run_id}"):
            fields = self._server.client.hgetall(self._server.names.view(run_id))
        if fields.pop(WHOLE, None) is None:
            return None
        return {task: TaskView(*json.loads(text)) for task, text in fields.items()}

    def begin(self, run_id: str) -> str:
        """Before the LIST that a view is built from."""
        return str(self._server.run("view_begin", run_id, uuid.uuid4().hex, self._life_ms))

    def put(self, run_id: str, token: str, tasks: Mapping[str, TaskView]) -> bool:
        """Keep what was listed since ``token``. False where another view stands or there is newer news: get or list again."""
        return bool(self._server.run("view_put", run_id, token, self._life_ms, *_arguments(tasks)))

    def update(self, run_id: str, tasks: Mapping[str, TaskView]) -> bool:
        """Add news to the view. False where there is none: build it from a LIST, which has these news too."""
        return bool(
            self._server.run("view_update", run_id, uuid.uuid4().hex, self._life_ms, *_arguments(tasks))
        )

    def drop(self, run_id: str) -> None:
        self._server.run("view_drop", run_id, uuid.uuid4().hex, self._life_ms)

    def close(self, run_id: str, epoch: int, manifest_digest: str) -> str:
        """Name the manifest that closes the epoch; the digest that counts, which is the first one named."""
        return str(self._server.run("close", run_id, epoch, manifest_digest, CLOSED_MS))


def _arguments(tasks: Mapping[str, TaskView]) -> list[Argument]:
    return [part for task, view in tasks.items() for part in (task, view.dumped())]
