"""One family of errors: each knows its HTTP status, whether a retry can help, and says its docstring by default."""

from __future__ import annotations

from typing import ClassVar


class KadrError(Exception):
    """Something went wrong inside Kadr."""

    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.default_message())

    @classmethod
    def default_message(cls) -> str:
        return " ".join((cls.__doc__ or cls.__name__).split())

    @property
    def code(self) -> str:
        """Stable identifier of the error for scripts and records, e.g. ``VideoUnreadable``."""
        return type(self).__name__


class InvalidProfile(KadrError):
    """The profile is not valid."""

    status = 422


class InvalidArtifact(KadrError):
    """A component made something that its declaration does not allow."""


class InvalidObject(KadrError):
    """A stored object cannot be read back: it is damaged or was not written by Kadr."""


class ObjectMissing(KadrError):
    """The object is not in the store."""

    status = 404


class StoreFailure(KadrError):
    """The object store did not do what was asked."""

    status = 503
    retryable = True


class StoreRefused(StoreFailure):
    """The object store refused what was asked, and will again: its address, bucket or credentials are wrong."""

    status = 502
    retryable = False


class NoSpaceLeft(StoreFailure):
    """There is no space left in the store: free some, then run the same command to resume (or set KADR_HOME elsewhere)."""

    status = 507


class VideoUnreadable(KadrError):
    """The file is not a video or audio that Kadr can read."""

    status = 415


class VideoChanged(KadrError):
    """The video file changed since this run began."""

    status = 409


class VideoUnavailable(KadrError):
    """The video could not be fetched."""

    status = 502


class ModelUnavailable(KadrError):
    """A model's weights are not on this machine: run `kadr models pull`."""

    status = 503


class ModelDigestMismatch(KadrError):
    """A model file is not the one that its card names."""

    status = 500


class ModelFailure(KadrError):
    """The model's engine failed while running."""

    status = 503
    retryable = True


class ResourceExhausted(KadrError):
    """The component ran out of memory or time."""

    status = 503
    retryable = True


class WorkerDied(KadrError):
    """The process that ran the component ended before it was done."""

    status = 503
    retryable = True


class VersionMismatch(KadrError):
    """The component here is not of the version that the run was planned with."""

    status = 409


class ReportFailure(KadrError):
    """The report could not be made; the run itself is not touched by that."""


class PayloadExpired(KadrError):
    """An intermediate result's payload was removed: its producer must run again."""

    status = 409
    retryable = True


class Interrupted(KadrError):
    """Stopped on request; the same command resumes where this one left off."""

    status = 503
    retryable = True
    exit_code: int = 130
