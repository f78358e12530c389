"""Trouble with the queue's server, in Kadr's words: one error that a retry can help."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis.exceptions as theirs

from kadr.contracts.errors import KadrError

PASSING = (
    theirs.ConnectionError,  # refused, reset, LOADING, no connection left in the pool, not authenticated
    theirs.TimeoutError,
    theirs.ReadOnlyError,
    theirs.OutOfMemoryError,
    theirs.MasterDownError,
    theirs.ClusterDownError,
    theirs.TryAgainError,
    OSError,
)
PASSING_CODES = (
    "LOADING",
    "READONLY",
    "OOM",
    "MISCONF",
    "MASTERDOWN",
    "NOREPLICAS",
    "BUSY",
    "CLUSTERDOWN",
    "UNKILLABLE",
)


class QueueUnavailable(KadrError):
    """The queue's server did not do what was asked."""

    status = 503
    retryable = True


class InvalidMessage(KadrError):
    """A task's message has a value that it cannot have."""

    status = 422


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raises QueueUnavailable for all that passes by itself or by an operator's hand; a mistake of ours stays what it is."""
    try:
        yield
    except PASSING as error:
        raise QueueUnavailable(f"{what}: {_said(error)}") from error
    except theirs.ResponseError as error:
        if not str(error).startswith(PASSING_CODES):
            raise
        raise QueueUnavailable(f"{what}: {_said(error)}") from error


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
