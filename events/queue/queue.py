"""The queue as those see it who put tasks in: ready once, re-armed by the reconciler, cancelled by run, paused by function."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from events.queue.chunks import chunks
from events.queue.errors import translated
from events.queue.messages import Message, epoch_name
from events.queue.server import Argument, Server

DAY_MS = 86_400_000
MARK_MS = 7 * DAY_MS
"""How long it is remembered that a task of a run was enqueued; longer than any run is open."""


class Queue:
    """Puts tasks in line. Every method raises QueueUnavailable."""

    def __init__(self, server: Server, mark_ms: int = MARK_MS) -> None:
        self._server = server
        self._mark_ms = mark_ms

    def ready(self, message: Message) -> bool:
        """Mark the task enqueued and put it in its owner's line; False where it was marked before: then nothing happens."""
        return self.ready_all([message])[0]

    def ready_all(self, messages: Sequence[Message]) -> list[bool]:
        """:meth:`ready` for many, in the order given, in one round trip a function and batch."""
        return self._put(messages, override=False)

    def rearm(self, message: Message) -> bool:
        """The reconciler's: put it in line whatever the mark says, unless the queue truly holds it still (then False)."""
        return self.rearm_all([message])[0]

    def rearm_all(self, messages: Sequence[Message]) -> list[bool]:
        return self._put(messages, override=True)

    def unknown(self, messages: Sequence[Message]) -> list[Message]:
        """Those that the queue has nothing of: cheaper than :meth:`rearm_all`, which finds too what stands in no line any more."""
        found: list[Message] = []
        for function in dict.fromkeys(m.function for m in messages):
            for some in chunks([m for m in messages if m.function == function]):
                with translated(f"queue, what is known of {function}"):
                    ages = self._server.client.zmscore(
                        self._server.names.ages(function), [m.id for m in some]
                    )
                found += [m for m, age in zip(some, ages, strict=True) if age is None]
        return found

    def _put(self, messages: Sequence[Message], override: bool) -> list[bool]:
        new = [False] * len(messages)
        for function in dict.fromkeys(m.function for m in messages):
            mine = [i for i, m in enumerate(messages) if m.function == function]
            for some in chunks(mine):
                args: list[Argument] = [int(override), self._mark_ms]
                for i in some:
                    args += _arguments(messages[i])
                for i, was_new in zip(some, self._server.function("ready", function, *args), strict=True):
                    new[i] = bool(was_new)
        return new

    def cancel(self, functions: Iterable[str], run_id: str, epoch: int) -> None:
        """Tasks of this epoch are dropped when they come up, and counted; who has one learns it by its heartbeat."""
        for function in functions:
            self._server.function("cancel", function, epoch_name(run_id, epoch), self._mark_ms)

    def pause(self, function: str, reason: str) -> None:
        """Nothing of this function is dispatched or taken any more, until :meth:`resume`."""
        self._server.function("pause", function, reason or "no reason given")

    def resume(self, function: str) -> None:
        self._server.function("pause", function)


def _arguments(message: Message) -> list[Argument]:
    m = message
    return [m.id, m.opened, m.owner, m.priority, repr(m.cost), m.attempt, m.dumped()]
