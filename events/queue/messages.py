"""What waits in a queue: a task's message, and one delivery of it."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from typing import Self

from events.queue.errors import InvalidMessage

PRIORITIES = range(10)
TEXT_CHARS = 4000


@dataclass(frozen=True, slots=True)
class Message:
    """One task to do. ``body`` is JSON that the queue never looks into; ``key`` is empty where a task has none."""

    function: str
    run_id: str
    owner: str
    task: str
    body: str
    key: str = ""
    epoch: int = 1
    priority: int = 5
    cost: float = 1.0
    """Seconds of media times the component's measured cost: what fairness counts."""
    attempt: int = 0
    """How often it was tried before, lost leases included."""
    trace: str = ""

    def __post_init__(self) -> None:
        if self.priority not in PRIORITIES:
            raise InvalidMessage(f"task {self.task}: priority {self.priority} must be 0 to 9")
        if not (math.isfinite(self.cost) and self.cost >= 0):
            raise InvalidMessage(f"task {self.task}: cost {self.cost} must be a number of seconds, 0 or more")
        if not (self.function and self.run_id and self.owner and self.task):
            raise InvalidMessage(f"task {self.task!r}: function, run_id, owner and task must be named")

    @property
    def id(self) -> str:
        """The task of this run, epoch and key: of all messages with this id at most one is in the queue."""
        return f"{self.run_id}.{self.epoch}.{self.task}.{self.key[:16]}"

    @property
    def opened(self) -> str:
        """The run's epoch, which is what can be cancelled."""
        return epoch_name(self.run_id, self.epoch)

    def dumped(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def loaded(cls, text: str, attempt: int) -> Self:
        return replace(cls(**json.loads(text)), attempt=attempt)


@dataclass(frozen=True, slots=True)
class Entry:
    """One delivery of a message to one consumer: what it may heartbeat and finish while it is still its own."""

    message: Message
    consumer: str
    stream_id: str
    delivery: int
    """Which delivery of the same stream entry this is: a later one takes it from whoever had it, same name or not."""
    at_ms: int
    """When the message was first ready, by the server's clock."""
    taken_over: bool = False
    """Whether another consumer had it before and let its lease run out."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed: a stable code, and a text for people."""

    code: str
    text: str = ""

    @property
    def bounded(self) -> tuple[str, str]:
        return self.code[:100], self.text[:TEXT_CHARS]


def epoch_name(run_id: str, epoch: int) -> str:
    return f"{run_id}.{epoch}"
