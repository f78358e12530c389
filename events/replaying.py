"""Replaying a dead letter: back into the line where its run is open, a retry of the run where that has ended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from events.answers.outbox import ANSWERS, again, name_of
from events.messages import RENDER
from events.queue.deadletters import DeadLetters, Letter
from kadr.contracts.errors import ObjectMissing
from kadr.contracts.run import Request, TaskState
from kadr.pipeline.admission import load_objects, read_request, reopen
from kadr.pipeline.catalogue import Catalogue, load
from kadr.pipeline.repinning import repinned
from kadr.pipeline.state import RunState, evaluate
from kadr.storage import layout
from kadr.storage.store import ObjectStore


class Replayed(StrEnum):
    """What became of a letter; it is no letter any more."""

    QUEUED = "queued"
    """In line again: its run is open, and its success beats the failure that is on record."""
    RETRIED = "retried"
    """Its run had ended; a new epoch tries again what failed."""
    ALREADY = "already"
    """Its run was tried again since, or the task has succeeded: there is nothing to do."""
    GONE = "gone"
    """Its run was removed."""


@dataclass(frozen=True)
class Replay:
    """Raises QueueUnavailable, StoreFailure, InvalidObject, AskedOtherwise; a letter that it stopped at is still there."""

    store: ObjectStore
    letters: DeadLetters
    announce: Callable[[str], None]
    """Told the name of every object of ``state/`` that was written."""
    catalogue: Catalogue = field(default_factory=load, repr=False)

    def __call__(self, letter: Letter) -> Replayed:
        m = letter.message
        if m.function == ANSWERS:
            return self._answer(letter)
        try:
            request = read_request(self.store, m.owner, m.run_id)
        except ObjectMissing:
            self.letters.drop(m.function, [letter.id])
            return Replayed.GONE
        if m.task == RENDER:  # which changes nothing of the run
            self.letters.replay(m.function, [letter.id])
            return Replayed.QUEUED
        state = self._state(request)
        if state.closed is None and state.epoch == m.epoch:
            self.letters.replay(m.function, [letter.id])
            state = self._state(request)  # it may have been closed since: what is in line counts no more
            return self._retry(request, state, letter) if state.closed else Replayed.QUEUED
        how = self._retry(request, state, letter)
        self.letters.drop(m.function, [letter.id])
        return how

    def _answer(self, letter: Letter) -> Replayed:
        """What a target was not told is owed to it again."""
        name = name_of(letter.message)
        if name is None or not again(self.store, name):
            self.letters.drop(ANSWERS, [letter.id])
            return Replayed.GONE
        self.letters.replay(ANSWERS, [letter.id])
        return Replayed.QUEUED

    def _state(self, request: Request) -> RunState:
        return evaluate(request, load_objects(self.store, request))

    def _retry(self, request: Request, state: RunState, letter: Letter) -> Replayed:
        task = state.tasks.get(letter.message.task)
        if state.closed is None or (task is not None and task.state is TaskState.SUCCEEDED):
            return Replayed.ALREADY
        reopen(self.store, request, state, repinned(request, state.graph.required, self.catalogue))
        prefix = layout.state_prefix(request.owner, request.run_id)
        self.announce(prefix + layout.retry(state.epoch + 1))
        return Replayed.RETRIED
