"""The only place that spells keys of Redis.

All keys of one function carry the hash tag ``{function}``, all of one run ``{run_id}``, so that a script touches one slot only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

GROUP = "workers"
"""The consumer group of every stream."""

FUNCTION_KEYS = {
    "STREAM": ":stream",
    "READY": ":ready:",  # + priority:owner, a list of message ids
    "OWNERS": ":owners:",  # + priority, owners who wait by the start tag of their first message
    "FINISH": ":finish:",  # + priority, owners who wait no more by the finish tag of their last message
    "CLOCK": ":clock",  # priority → virtual time
    "DELAYED": ":delayed",  # message ids by when they are due
    "MESSAGE": ":message:",  # + message id
    "MARK": ":mark:",  # + message id
    "AGES": ":ages",  # message ids by when they were first ready
    "COUNTS": ":counts",
    "STATE": ":state",  # pause, tokens, when it was last swept
    "BELL": ":bell",  # rings where something may be dispatched
    "CANCELLED": ":cancelled",  # run.epoch by when that may be forgotten
    "DEAD": ":dead",  # ids of dead letters by when they died
    "LETTER": ":letter:",  # + message id
    "HOLDERS": ":holders",  # claimed key → holder's token
    "LEASES": ":leases",  # claimed keys by when their lease runs out
    "WAITERS": ":waiters:",  # + claimed key, a list of message ids
    "PARKED": ":parked",  # message ids by when they were parked
}
RUN_KEYS = {
    "CLOSE": ":close:",  # + epoch, the digest of the manifest that closes it
    "NEWS": ":news",  # what routers told each other
    "BODY": ":body:",  # + name of an object of its state that is just being written
}
_PREFIX = re.compile(r"[A-Za-z0-9_.:-]+")


@dataclass(frozen=True)
class Names:
    """Keys below one prefix, so that several installations can share a server."""

    prefix: str = "kadr"

    def __post_init__(self) -> None:
        if not _PREFIX.fullmatch(self.prefix):
            raise ValueError(f"the queue's prefix {self.prefix!r} may hold letters, digits and . _ : - only")

    def function(self, function: str) -> str:
        """What all keys of a function begin with."""
        return f"{self.prefix}:{{{function}}}"

    def run(self, run_id: str) -> str:
        """What all keys of a run begin with."""
        return f"{self.prefix}:{{{run_id}}}"

    def stream(self, function: str) -> str:
        return self.function(function) + FUNCTION_KEYS["STREAM"]

    def bell(self, function: str) -> str:
        return self.function(function) + FUNCTION_KEYS["BELL"]

    def ages(self, function: str) -> str:
        """Of all messages that are in the queue."""
        return self.function(function) + FUNCTION_KEYS["AGES"]

    def news(self, run_id: str) -> str:
        return self.run(run_id) + RUN_KEYS["NEWS"]

    def body(self, run_id: str, name: str) -> str:
        return self.run(run_id) + RUN_KEYS["BODY"] + name

    @property
    def hints(self) -> str:
        """The stream of names of objects that were written."""
        return f"{self.prefix}:hints"


def lua_names() -> str:
    """The same names for the scripts, as locals made from ``KEYS[1]``, the beginning."""
    keys = {**FUNCTION_KEYS, **RUN_KEYS}
    return (
        "".join(f"local {name} = KEYS[1] .. '{ending}'\n" for name, ending in keys.items())
        + f"local GROUP = '{GROUP}'\n"
    )
