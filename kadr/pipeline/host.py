"""A worker host: a child process that runs tasks for a coordinator over a socket pair, several at a time in threads.

The coordinator starts it by a command of the composition root, which builds the shell and calls :func:`serve`. When the
coordinator dies the host's socket ends, and the host with it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection

from kadr.contracts.errors import KadrError, NoSpaceLeft, ResourceExhausted
from kadr.pipeline.messages import Advanced, Begin, Finished, Noted, RenderSpec, encode
from kadr.pipeline.runner import Busy, Shell, run_task

PROGRESS_EVERY_S = 0.2
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


Render = Callable[[Shell, RenderSpec], tuple[str, ...]]


def serve(
    connection: Connection, shell: Shell, threads: int, render: Render, notes: Sequence[str] = ()
) -> None:
    """Run what the coordinator sends until it hangs up; ``notes`` are told first. A task's failure never ends it."""
    outbox = _Outbox(connection)
    for note in notes:
        outbox.send(Noted(text=note))
    with ThreadPoolExecutor(threads, thread_name_prefix="task") as pool:
        while True:
            try:
                message: Begin = connection.recv()
            except (EOFError, OSError):
                # Nobody is left to tell: leave at once rather than finish tasks whose records nobody awaits.
                os._exit(0)
            pool.submit(_run, shell, message, outbox, render)


class _Outbox:
    """Sends from many threads, one message at a time; progress at most a few times a second."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._last: dict[int, float] = {}

    def send(self, message: Finished | Advanced | Noted) -> None:
        with self._lock:
            try:
                self._connection.send_bytes(encode(message))
            except (BrokenPipeError, ConnectionResetError):
                os._exit(0)

    def progress(self, ticket: int, fraction: float) -> None:
        now = time.monotonic()
        if now - self._last.get(ticket, 0.0) >= PROGRESS_EVERY_S:
            self._last[ticket] = now
            self.send(Advanced(ticket=ticket, fraction=min(1.0, fraction)))


def _run(shell: Shell, begin: Begin, outbox: _Outbox, render: Render) -> None:
    try:
        outbox.send(_outcome(shell, begin, outbox, render))
    except BaseException as error:
        outbox.send(failure(begin.ticket, error))
    finally:
        _give_back()


def _give_back() -> None:
    """Hand memory that the task has freed back to the system; glibc would keep what lies below something still in use."""
    if _LIBC is not None and hasattr(_LIBC, "malloc_trim"):
        _LIBC.malloc_trim(0)


def _outcome(shell: Shell, begin: Begin, outbox: _Outbox, render: Render) -> Finished:
    try:
        if isinstance(begin.work, RenderSpec):
            return Finished(ticket=begin.ticket, rendered=render(shell, begin.work))
        record = run_task(shell, begin.work, lambda f: outbox.progress(begin.ticket, f))
        return Finished(ticket=begin.ticket, record=record)
    except Busy as held:
        return Finished(ticket=begin.ticket, busy=True, message=str(held))


def failure(ticket: int, error: BaseException) -> Finished:
    """An error as the coordinator hears it: Kadr's own keep their code, others are the component's own failure."""
    known = _translated(error)
    details = {"traceback": "".join(traceback.format_exception(error))[-4000:]}
    return Finished(
        ticket=ticket,
        code=known.code if isinstance(known, KadrError) else type(known).__name__,
        message=str(known) or type(known).__name__,
        retryable=isinstance(known, KadrError) and known.retryable,
        details=details,
    )


def _translated(error: BaseException) -> BaseException:
    if isinstance(error, MemoryError) or _no_room_to_load(error):
        return ResourceExhausted(f"out of memory: {error}" if str(error) else "out of memory")
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return NoSpaceLeft()
    return error


def _no_room_to_load(error: BaseException) -> bool:
    """A library could not be loaded because somebody else has taken all memory: the loader's words are all there is."""
    said = ("failed to map segment", "cannot allocate memory", "cannot map zero-fill")
    return isinstance(error, ImportError) and any(words in str(error).lower() for words in said)
