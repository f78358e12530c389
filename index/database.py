"""The way to PostgreSQL: a bounded pool with short patience, and a breaker so that a database that is away costs nothing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self, TypeVar

import psycopg
import psycopg_pool
import pybreaker
from psycopg import conninfo

from index.tables import Connection
from kadr.contracts.errors import KadrError

T = TypeVar("T")
MOST = 8
PATIENCE_S = 2.0
CONNECT_S = 2
STATEMENT_MS = 30_000
LOCK_MS = 10_000
FAILURES = 3
PAUSE_S = 5.0
ATTEMPTS = 3
"""Of a transaction that met another one (deadlock, serialization)."""
_AWAY = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg_pool.PoolTimeout,
    psycopg_pool.TooManyRequests,
)
_AGAIN = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
_OURS = (psycopg.errors.QueryCanceled, psycopg.errors.LockNotAvailable)
_NOT_READY = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn)


class InvalidDatabase(KadrError):
    """KADR_DATABASE_URL does not say which database: write e.g. postgresql://user:password@host:5432/kadr."""

    status = 422


class DatabaseAway(KadrError):
    """The database does not answer; what is in the bucket goes on without it."""

    status = 503
    retryable = True


class IndexRefused(KadrError):
    """The database did not take what was to be written into it."""


class Database:
    """PostgreSQL behind a URL. Opened when it is first needed; :meth:`close` ends its connections."""

    def __init__(
        self,
        url: str,
        most: int = MOST,
        patience_s: float = PATIENCE_S,
        pause_s: float = PAUSE_S,
    ) -> None:
        """``patience_s``: how long a connection is waited for. ``pause_s``: how long, after three failures, nobody tries.

        Raises InvalidDatabase, which never shows the URL.
        """
        self._url = url
        self._parameters = _understood(url)
        self.breaker = pybreaker.CircuitBreaker(
            fail_max=FAILURES,
            reset_timeout=pause_s,
            exclude=[_is_not_its_fault],
            throw_new_error_on_trip=False,
            name="database",
        )
        self._pool = psycopg_pool.ConnectionPool(
            url,
            kwargs=_kwargs(self._parameters),
            min_size=0,
            max_size=most,
            open=False,
            timeout=patience_s,
            max_waiting=4 * most,
            reconnect_timeout=patience_s,
            check=psycopg_pool.ConnectionPool.check_connection,
            name="index",
        )
        self._lock = threading.Lock()
        self._closed = False

    @property
    def named(self) -> str:
        """The database for people: host, port and name, no user and no secret."""
        said = self._parameters
        host = str(said.get("host") or said.get("hostaddr") or "the local socket")
        return f"{host}:{said.get('port') or 5432}/{said.get('dbname') or said.get('user') or ''}"

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection in autocommit mode: a transaction is ``with connection.transaction()``.

        Raises DatabaseAway where there is none, or where it breaks meanwhile; IndexRefused for what the database refused.
        """
        try:
            with self.breaker.calling(), self._translated(), self._opened().connection() as connection:
                yield connection
        except pybreaker.CircuitBreakerError as error:
            raise DatabaseAway(f"{self.named} did not answer just now: it is tried again soon") from error

    def run(self, work: Callable[[Connection], T]) -> T:
        """What ``work`` returns, which is idempotent: it is done again if it met another transaction."""
        for _ in range(ATTEMPTS - 1):
            try:
                with self.connection() as connection:
                    return work(connection)
            except IndexRefused as error:
                if not isinstance(error.__cause__, _AGAIN):
                    raise
        with self.connection() as connection:
            return work(connection)

    def _opened(self) -> psycopg_pool.ConnectionPool[Connection]:
        with self._lock:
            if self._pool.closed and not self._closed:
                self._pool.open()
        return self._pool

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except _NOT_READY as error:
            raise DatabaseAway(
                f"{self.named} has not the tables that this version needs: run `kadr index migrate`"
            ) from error
        except (*_AGAIN, *_OURS) as error:
            raise IndexRefused(f"{self.named}: {_first_line(error)}") from error
        except _AWAY as error:
            raise DatabaseAway(f"{self.named} does not answer: {_first_line(error)}") from error
        except psycopg.Error as error:
            raise IndexRefused(f"{self.named}: {_first_line(error)}") from error

    @contextmanager
    def directly(self) -> Iterator[Connection]:
        """A connection beside the pool and the breaker, for what a person waits for.

        Raises DatabaseAway with the reason, IndexRefused.
        """
        with self._translated(), psycopg.connect(self._url, **_kwargs(self._parameters)) as connection:
            yield connection

    def close(self) -> None:
        """End all connections."""
        with self._lock:
            self._closed = True
            self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _understood(url: str) -> dict[str, Any]:
    try:
        return conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise InvalidDatabase() from None  # what it says quotes the URL, password and all


def _kwargs(said: dict[str, Any]) -> dict[str, Any]:
    """What we ask of every connection, over what the URL says."""
    bounds = {
        "statement_timeout": STATEMENT_MS,
        "lock_timeout": LOCK_MS,
        "idle_in_transaction_session_timeout": STATEMENT_MS,
        "timezone": "UTC",
    }
    options = " ".join(f"-c {name}={value}" for name, value in bounds.items())
    return {
        "autocommit": True,
        "application_name": "kadr",
        "connect_timeout": CONNECT_S,
        "keepalives_idle": 10,
        "tcp_user_timeout": 10_000,
        "options": f"{options} {said.get('options') or ''}".strip(),
    }


def _is_not_its_fault(error: BaseException) -> bool:
    return not isinstance(error, DatabaseAway)


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).split("\n")[0]
