"""The connection to Redis or Valkey, and how a script is run there."""

from __future__ import annotations

from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from events.queue.errors import translated
from events.queue.names import Names
from events.queue.scripts import source

TIMEOUT_S = 10.0
SPARE_MS = 2000
"""How much earlier a blocking call must end than the socket's timeout."""

Argument = str | int | float


class Server:
    """One server, under one prefix. Threads may share it; it connects when it is first used and again after trouble."""

    def __init__(self, url: str, prefix: str = "kadr", timeout_s: float = TIMEOUT_S) -> None:
        self.names = Names(prefix)
        self.longest_block_ms = max(1, int(timeout_s * 1000) - SPARE_MS)
        # No retries below us: whoever calls knows whether a repeat does harm.
        self.client: Any = redis.Redis.from_url(
            url,
            decode_responses=True,
            protocol=2,
            socket_timeout=timeout_s,
            socket_connect_timeout=min(timeout_s, 5.0),
            retry=Retry(NoBackoff(), 0),
        )
        self._scripts: dict[str, Any] = {}

    def function(self, script: str, function: str, *args: Argument) -> Any:
        """Run a script on the keys of one function. Raises QueueUnavailable."""
        return self._run(script, self.names.function(function), args, function)

    def run(self, script: str, run_id: str, *args: Argument) -> Any:
        """Run a script on the keys of one run. Raises QueueUnavailable."""
        return self._run(script, self.names.run(run_id), args, run_id)

    def _run(self, script: str, beginning: str, args: tuple[Argument, ...], whose: str) -> Any:
        with translated(f"queue, {script} for {whose}"):
            return self.script(script)(keys=[beginning], args=args)

    def script(self, name: str) -> Any:
        if name not in self._scripts:
            self._scripts[name] = self.client.register_script(source(name))
        return self._scripts[name]

    def answers(self) -> bool:
        """Whether the server is there and ready. Raises QueueUnavailable saying why not."""
        with translated("queue"):
            return bool(self.client.ping())

    def close(self) -> None:
        self.client.close()
