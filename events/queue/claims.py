"""Claims in Redis: one key is computed once at a time, across machines; see kadr/storage/claims.py for the port.

A claim lasts as long as its holder renews it. Who meets one parks its entry (``Consumer.park``) and is ready again when it ends.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress

from events.queue.chunks import chunks
from events.queue.errors import QueueUnavailable
from events.queue.server import Server

LEASE_MS = 30_000
BEATS = 3
"""Renewals within one lease."""


class RedisClaims:
    """Claims to keys of one function. A thread renews what is held while anything is; close it or use it in ``with``."""

    def __init__(self, server: Server, function: str, lease_ms: int = LEASE_MS) -> None:
        self._server = server
        self._function = function
        self._lease_ms = lease_ms
        self._held: dict[str, RedisClaim] = {}
        self._lock = threading.Lock()
        self._end = threading.Event()
        self._renewer: threading.Thread | None = None

    def take(self, key: str) -> RedisClaim | None:
        """The claim to ``key``, or None while somebody else holds it. Raises QueueUnavailable."""
        claim, asked = RedisClaim(self, key, uuid.uuid4().hex), time.monotonic()
        if not self._server.function("claim_take", self._function, key, claim.token, self._lease_ms):
            return None
        claim.until = asked + self._lease_ms / 1000
        with self._lock:
            self._held[claim.token] = claim
            if self._renewer is None and not self._end.is_set():
                self._renewer = threading.Thread(
                    target=self._renew, name=f"claims of {self._function}", daemon=True
                )
                self._renewer.start()
        return claim

    def _renew(self) -> None:
        while not self._end.wait(self._lease_ms / 1000 / BEATS):
            with self._lock:
                held = [claim for claim in self._held.values() if not claim.lost]
            for some in chunks(held):
                self._renew_some(some)

    def _renew_some(self, claims: Sequence[RedisClaim]) -> None:
        asked = time.monotonic()
        args = [part for claim in claims for part in (claim.key, claim.token)]
        with suppress(QueueUnavailable):  # tried again at the next beat; by then it may be lost
            told = self._server.function("claim_renew", self._function, self._lease_ms, *args)
            for claim, still in zip(claims, told, strict=True):
                claim.renewed(asked + self._lease_ms / 1000 if still else None)

    def confirm(self, claim: RedisClaim) -> bool:
        """Whether the server says that ``claim`` is still its holder's; False where it cannot be asked."""
        asked = time.monotonic()
        try:
            told = self._server.function(
                "claim_renew", self._function, self._lease_ms, claim.key, claim.token
            )
        except QueueUnavailable:
            return False
        claim.renewed(asked + self._lease_ms / 1000 if told[0] else None)
        return not claim.lost

    def awaited(self, key: str) -> bool:
        """Whether anybody is parked on ``key``: then its holder goes on even if its run was cancelled. Raises QueueUnavailable."""
        return bool(self._server.function("claim_awaited", self._function, key))

    def let_go(self, claim: RedisClaim) -> None:
        with self._lock:
            self._held.pop(claim.token, None)
        # What was computed is written by now: an unreachable server must not make that a failure, and the lease ends by itself.
        with suppress(QueueUnavailable):
            self._server.function("claim_release", self._function, claim.key, claim.token)

    def close(self) -> None:
        """Renew no more; what is still held is lost when its lease runs out."""
        self._end.set()
        if self._renewer is not None:
            self._renewer.join()

    def __enter__(self) -> RedisClaims:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class RedisClaim:
    """A held claim."""

    def __init__(self, claims: RedisClaims, key: str, token: str) -> None:
        self._claims = claims
        self.key = key
        self.token = token
        self.until = 0.0
        """When the lease runs out at the latest, by this process's monotonic clock."""
        self._refused = False

    @property
    def lost(self) -> bool:
        """Whether somebody else may hold it: the server said so, or it could not be renewed for a whole lease."""
        return self._refused or time.monotonic() >= self.until

    def held(self) -> bool:
        return self._claims.confirm(self)

    def renewed(self, until: float | None) -> None:
        if until is None:
            self._refused = True
        else:
            self.until = until

    def release(self) -> None:
        """Give it up and wake who waits for it. Never raises: the lease ends by itself where the server is away."""
        self._claims.let_go(self)
