"""What becomes of failures: when to try again, whose payload is missing, and the record of giving up."""

from __future__ import annotations

import time

from kadr.contracts.errors import InvalidObject, ObjectMissing, PayloadExpired
from kadr.contracts.keys import jcs
from kadr.contracts.run import Failure
from kadr.pipeline.messages import Finished
from kadr.pipeline.spec import TaskSpec
from kadr.pipeline.state import RunState, Task
from kadr.storage import layout
from kadr.storage.results import ResultId, read_result
from kadr.storage.store import ObjectStore

FIRST_WAIT_S = 0.5


def backoff_s(attempts: int) -> float:
    """Seconds to wait after the ``attempts``-th failure: half a second, doubled each time."""
    return FIRST_WAIT_S * float(2 ** (attempts - 1))


def write_failure(
    store: ObjectStore, spec: TaskSpec, message: Finished, attempts: int
) -> tuple[str, Failure]:
    """Write that ``spec`` is given up in its epoch; returns the object's name below the run's state, and its body."""
    return give_up(store, spec.owner, spec.run_id, spec.epoch, spec.task, spec.key, message, attempts)


def give_up(
    store: ObjectStore,
    owner: str,
    run_id: str,
    epoch: int,
    task: str,
    key: str,
    message: Finished,
    attempts: int,
) -> tuple[str, Failure]:
    """The same of a task that is known by its names only."""
    failure = Failure(
        task=task,
        key=key,
        code=message.code,
        message=message.message,
        attempts=attempts,
        at_ms=time.time_ns() // 1_000_000,
        details=message.details,
    )
    name = layout.record_failed(epoch, task, key)
    store.put(layout.state_prefix(owner, run_id) + name, jcs(failure.model_dump(mode="json")))
    return name, failure


def makers_of_lost(store: ObjectStore, state: RunState, spec: TaskSpec) -> list[Task]:
    """Tasks that made inputs of ``spec`` which cannot be read any more: gone, without their arrays, or damaged."""
    keys = {i.key for i in spec.inputs if i.key is not None}
    return [
        task
        for task in state.tasks.values()
        if task.record is not None
        and any(r.key in keys and _lost(store, spec, task, r.key, r.digest) for r in task.record.results)
    ]


def _lost(store: ObjectStore, spec: TaskSpec, task: Task, key: str, digest: str) -> bool:
    result = ResultId(spec.owner, spec.video_id, task.component, key, digest)
    try:
        read_result(store, result, verify=True)
    except (ObjectMissing, PayloadExpired, InvalidObject):
        return True
    return False
