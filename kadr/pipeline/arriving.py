"""Runs on their way to a coordinator: each is made ready in a thread while those before it are at work."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

T = TypeVar("T")


class Arriving(Generic[T]):
    """Runs in order. Only the next one is made ready before it is taken: what waits costs nothing yet.

    ``ready``: each makes a run ready, which may take long (a file is hashed); None if there is none after all.
    """

    def __init__(self, ready: Iterable[Callable[[], T | None]]) -> None:
        self._ready = iter(ready)
        self._pool = ThreadPoolExecutor(1, "arriving")
        self._next: Future[T | None] | None = None
        self._prepare()

    @property
    def ended(self) -> bool:
        """Whether all have been taken."""
        return self._next is None

    def take(self, patience_s: float = 0.0) -> T | None:
        """The next run; None if it is not ready after ``patience_s``, or if there is none. Raises what its making raised."""
        while self._next is not None:
            if not wait([self._next], patience_s).done:
                return None
            run = self._next.result()
            self._prepare()
            if run is not None:
                return run
        return None

    def close(self) -> None:
        """Nothing more is made ready; waits for what is being made ready now."""
        self._pool.shutdown(cancel_futures=True)

    def _prepare(self) -> None:
        ready = next(self._ready, None)
        self._next = self._pool.submit(ready) if ready is not None else None
