"""Which of a run's objects count: epochs, how they were closed, and the records that may be used in the open one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError

from kadr.contracts.errors import InvalidObject
from kadr.contracts.faults import first_fault
from kadr.contracts.keys import SHORT
from kadr.contracts.run import ACQUIRE, Cancelled, Done, Failure, Graph, Record, Retry
from kadr.storage.layout import MarkName, RecordName, parse_run, parse_state
from kadr.storage.remembering import is_whole

Stored = Record | Failure | Retry | Cancelled | Done
Objects = Mapping[str, Stored]
"""Names below ``state/<owner>/<run_id>/`` to what they hold."""

_MARKS: Mapping[str, type[Retry] | type[Cancelled] | type[Done]] = {
    "retry": Retry,
    "cancelled": Cancelled,
    "done": Done,
}


def parse(name: str, body: bytes) -> Stored | None:
    """The object ``name`` (below the run's state prefix) as a value; None if the name means nothing here.

    Raises InvalidObject when the body is not what the name promises.
    """
    found = parse_state(name)
    if found is None:
        return None
    kind = _kind(found)
    try:
        value = kind.model_validate(json.loads(body))
    except (ValueError, ValidationError) as error:
        why = first_fault(error) if isinstance(error, ValidationError) else error
        raise InvalidObject(f"{name} is not a valid {kind.__name__.lower()}: {why}") from error
    if isinstance(found, RecordName) and isinstance(value, Record | Failure):
        _check_name(name, found, value)
    return value


def is_sound(name: str, body: bytes) -> bool:
    """Whether the object ``name`` of the bucket, if it is of a run's state, is what its name promises."""
    at = parse_run(name)
    if at is None or parse_state(at[2]) is None:
        return is_whole(name, body)
    try:
        return parse(at[2], body) is not None
    except InvalidObject:
        return False


def _kind(found: MarkName | RecordName) -> type[Stored]:
    if isinstance(found, MarkName):
        return _MARKS[found.what]
    return Failure if found.digest is None else Record


def _check_name(name: str, found: RecordName, value: Record | Failure) -> None:
    matches = value.task == found.task and value.key[:SHORT] == found.key
    if isinstance(value, Record):
        matches = matches and value.digest[:SHORT] == found.digest
        matches = matches and (value.video_id is not None) == (value.task == ACQUIRE)
    if not matches:
        raise InvalidObject(f"{name} holds another task's record ({value.task}, key {value.key[:SHORT]})")


@dataclass(frozen=True)
class Epochs:
    """What the marks say: the epoch that counts with its graph, how each was closed, and which were cancelled."""

    current: int
    graph: Graph
    done: Mapping[int, Done]
    cancelled: frozenset[int]

    @property
    def closed(self) -> Done | None:
        """How the current epoch was closed, if it was."""
        return self.done.get(self.current)

    @classmethod
    def read(cls, graph: Graph, objects: Objects) -> Epochs:
        """Epoch n+1 is open once it has a retry mark and n is closed; of two ``done`` marks the smallest counts."""
        marks = [(m, name) for name in sorted(objects) if isinstance(m := parse_state(name), MarkName)]
        done: dict[int, Done] = {}
        for mark, name in marks:
            body = objects[name]
            if isinstance(body, Done):
                done.setdefault(mark.epoch, body)
        retries = {m.epoch: body for m, name in marks if isinstance(body := objects[name], Retry)}
        cancelled = frozenset(m.epoch for m, name in marks if isinstance(objects[name], Cancelled))
        current = 1
        while current in done and current + 1 in retries:
            current += 1
            graph = retries[current].graph
        return cls(current, graph, done, cancelled)


@dataclass
class Counting:
    """Records that count, by (task, short key): the best success and this epoch's failure.

    Of several successes the one remade last (a payload that had expired came out otherwise), then the smallest digest.
    """

    ok: dict[tuple[str, str], tuple[int, str, str, Record]] = field(default_factory=dict)
    failed: dict[tuple[str, str], tuple[str, Failure]] = field(default_factory=dict)

    @classmethod
    def read(cls, objects: Objects, epochs: Epochs) -> Counting:
        """A closed epoch consists of what its manifest lists; an open one of everything in it and of the successes
        that earlier manifests list."""
        earlier = [set(done.records) for epoch, done in epochs.done.items() if epoch < epochs.current]
        lent = set().union(*earlier)
        listed = None if epochs.closed is None else set(epochs.closed.records)
        counting = cls()
        for name, body in objects.items():
            found = parse_state(name)
            if not isinstance(found, RecordName):
                continue
            here = found.epoch == epochs.current
            counts = name in listed if listed is not None else here or name in lent
            if counts:
                counting._add(found, name, body, here)
        return counting

    def _add(self, found: RecordName, name: str, body: Stored, here: bool) -> None:
        at = (found.task, found.key)
        if isinstance(body, Failure):
            if here:
                self.failed[at] = (name, body)
        elif isinstance(body, Record):
            candidate = (-body.remade, body.digest, name, body)
            if at not in self.ok or candidate[:3] < self.ok[at][:3]:
                self.ok[at] = candidate

    def best(self, task: str, key: str) -> tuple[str, Record | Failure] | None:
        """The record that counts for ``task`` with ``key``: a success beats a failure."""
        at = (task, key[:SHORT])
        if (success := self.ok.get(at)) is not None and success[3].key == key:
            return success[2], success[3]
        if (failure := self.failed.get(at)) is not None and failure[1].key == key:
            return failure
        return None
