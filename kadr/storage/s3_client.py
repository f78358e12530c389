"""One connection to an S3 server for all that Kadr asks of it: a pool with retries, a breaker, and its errors in our words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit
from xml.etree.ElementTree import ParseError

from minio import Minio
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from urllib3 import PoolManager
from urllib3.exceptions import HTTPError, ProtocolError
from urllib3.util import Retry, Timeout

from kadr.contracts.errors import (
    KadrError,
    NoSpaceLeft,
    ObjectMissing,
    StoreFailure,
    StoreRefused,
    VideoChanged,
)
from kadr.storage.breaker import FAILURES, PAUSE_S, Breaker, BreakerOpen

T = TypeVar("T")
_GONE = {"NoSuchKey", "NoSuchVersion", "NoSuchUpload"}
_FULL = {"XMinioStorageFull", "InsufficientStorage", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded"}
_BUSY = {"SlowDown", "RequestTimeout", "ServiceUnavailable", "InternalError", "XMinioServerNotInitialized"}
_AGAIN = (429, 500, 502, 503, 504)
CONNECTIONS = 32
BACKOFF_S = 0.2
LONGEST_WAIT_S = 3
"""MinIO that is starting asks for a minute, and is up in a second."""
BODIES = 3
"""How often a body is asked for whose connection broke on the way: the pool's own retries end with the headers."""


@dataclass(frozen=True)
class S3Address:
    """Where the bucket is, and who we are to it."""

    endpoint: str
    """A URL without a path, like http://127.0.0.1:9000"""
    bucket: str
    access_key: str
    secret_key: str = field(repr=False)
    region: str = "us-east-1"
    public_endpoint: str | None = None
    """The URL at which users reach the same store, if it is another."""
    ca_file: Path | None = None


@dataclass(frozen=True)
class Patience:
    """How long a store is waited for before a call fails, and how long it is left alone then."""

    retries: int = 4
    connect_s: float = 5
    read_s: float = 60
    failures: int = FAILURES
    pause_s: float = PAUSE_S


class S3Client:
    """Safe for many threads; each process makes its own."""

    def __init__(self, address: S3Address, patience: Patience | None = None) -> None:
        self.address = address
        self.patience = patience or Patience()
        self._minio = _connection(address, address.endpoint, self.patience)
        self._breaker = Breaker(self._probe, _down, self.patience.failures, self.patience.pause_s)
        self._seen = False

    @cached_property
    def public(self) -> Minio:
        """Signs URLs for users; with its region given it asks nobody."""
        return _connection(self.address, self.address.public_endpoint or self.address.endpoint, self.patience)

    @property
    def resting(self) -> bool:
        """Whether the store is not asked at present, because it did not answer."""
        return self._breaker.open

    def ask(self, what: str, call: Callable[[Minio], T]) -> T:
        """What ``call`` gives. Raises ObjectMissing, VideoChanged (a condition that did not hold), StoreRefused, NoSpaceLeft,
        StoreFailure; ``what`` is in their messages."""
        try:
            return self._breaker.call(lambda: self._translated(what, call))
        except BreakerOpen as error:
            raise StoreFailure(
                f"store: {what}: {self.address.endpoint} did not answer before; it is asked again within {self.patience.pause_s:g} s"
            ) from error

    def ask_object(self, name: str, call: Callable[[Minio], T]) -> T:
        """The same of one of our objects: that it is missing is believed of a bucket that is there."""
        try:
            answer = self.ask(name, call)
        except ObjectMissing:
            self._see_bucket()
            raise
        self._seen = True
        return answer

    def body(self, name: str, call: Callable[[Minio], T]) -> T:
        """The same for a call that reads a whole body, again if the connection breaks on the way."""
        for attempt in range(1, BODIES + 1):
            try:
                return self.ask_object(name, call)
            except StoreFailure as error:
                if attempt == BODIES or not isinstance(error.__cause__, ProtocolError):
                    raise
        raise AssertionError

    def check(self) -> None:
        """Raises StoreFailure if the bucket cannot be reached with our credentials."""
        bucket = self.address.bucket
        if not self.ask(f"bucket {bucket}", lambda minio: minio.bucket_exists(bucket)):
            raise StoreRefused(
                f"store: there is no bucket {bucket!r} at {self.address.endpoint}: make it first"
            )

    def make_bucket(self) -> None:
        """Make our bucket unless it is there; several may do so at once."""
        bucket = self.address.bucket
        try:
            self.check()
        except StoreRefused:
            try:
                self.ask(f"bucket {bucket}", lambda minio: minio.make_bucket(bucket))
            except StoreRefused:
                self.check()

    def _probe(self) -> None:
        bucket = self.address.bucket
        self._translated(f"bucket {bucket}", lambda minio: minio.bucket_exists(bucket))

    def _see_bucket(self) -> None:
        """A HEAD's 404 does not tell a missing object from a missing bucket."""
        if not self._seen:
            self.check()
            self._seen = True

    def _translated(self, what: str, call: Callable[[Minio], T]) -> T:
        try:
            return call(self._minio)
        except (MinioException, HTTPError, OSError) as error:
            raise _error(what, error) from error
        except ParseError as error:
            raise StoreFailure(f"store: {what}: the answer is not XML: {error}") from error
        except ValueError as error:
            raise StoreRefused(f"store: {what}: {error}") from error


def _connection(address: S3Address, endpoint: str, patience: Patience) -> Minio:
    url = urlsplit(endpoint)
    if url.scheme not in ("http", "https") or not url.netloc or url.path.strip("/"):
        raise StoreRefused(
            f"store: {endpoint!r} is not an endpoint: write it like https://s3.example.org:9000"
        )
    return Minio(
        url.netloc,
        access_key=address.access_key,
        secret_key=address.secret_key,
        secure=url.scheme == "https",
        region=address.region,
        http_client=_pool(address, patience),
    )


def _pool(address: S3Address, patience: Patience) -> PoolManager:
    retries = Retry(
        total=patience.retries,
        backoff_factor=BACKOFF_S,
        backoff_jitter=BACKOFF_S,
        backoff_max=LONGEST_WAIT_S,
        retry_after_max=LONGEST_WAIT_S,
        status_forcelist=_AGAIN,
        raise_on_status=False,  # the last answer says why
    )
    return PoolManager(
        timeout=Timeout(connect=patience.connect_s, read=patience.read_s),
        maxsize=CONNECTIONS,
        retries=retries,
        cert_reqs="CERT_REQUIRED",
        ca_certs=str(address.ca_file) if address.ca_file else None,
    )


def _down(error: BaseException) -> bool:
    """Whether the error speaks of a server that does not answer as it should."""
    return isinstance(error, StoreFailure) and not isinstance(error, (StoreRefused, NoSpaceLeft))


def _error(what: str, error: Exception) -> KadrError:
    code, status = _said(error)
    # JuiceFS has no code of its own for a full volume.
    if code in _FULL or status == 507 or "no space left on device" in str(error):
        return NoSpaceLeft(f"{NoSpaceLeft.default_message()} ({what}: {code or status})")
    if status is None or status >= 500 or status == 429 or code in _BUSY:
        return StoreFailure(f"store: {what}: {code or error}")
    if code in _GONE or (status == 404 and code != "NoSuchBucket"):
        return ObjectMissing(f"object {what} is not in the store")
    if status in (304, 412):
        return VideoChanged(f"{what} is not what it was when it was first looked at")
    return StoreRefused(
        f"store: {what}: {code or 'HTTP'} ({status}): {getattr(error, 'message', None) or error}"
    )


def _said(error: Exception) -> tuple[str, int | None]:
    """The server's own code and HTTP status; None if it did not answer."""
    if isinstance(error, S3Error):
        return error.code or "", error.response.status
    if isinstance(error, ServerError):
        return "", error.status_code
    if isinstance(error, InvalidResponseError):
        return "", error._code
    return "", None
