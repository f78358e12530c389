"""The child processes of `kadr analyze`: ``python -m cli.worker media|models STORE THREADS TASKS FD``."""

from __future__ import annotations

import ctypes
import signal
import sys
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from kadr.contracts.errors import ModelUnavailable
from kadr.contracts.model import Models
from kadr.media.blob import set_scratch
from kadr.pipeline.host import serve
from kadr.pipeline.render import render
from kadr.pipeline.runner import Shell
from kadr.settings import Settings
from kadr.storage.claims import FileClaims
from kadr.storage.files import FileStore

_PR_SET_PDEATHSIG = 1
CPU_S = 7 * 24 * 3600
"""Of the process that opens videos, over its life: days of video fit, an endless loop does not."""
FILE_MB = 64 * 1024
"""Largest file that the process which opens videos may write."""


def main() -> None:
    """Serve tasks on the socket FD until the coordinator hangs up."""
    role, store = sys.argv[1], Path(sys.argv[2])
    threads, tasks, handle = map(int, sys.argv[3:6])
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    settings = Settings()
    set_scratch(FileStore(store).scratch())
    missing = _confine(settings) if role == "media" else []
    shell = Shell(
        store=FileStore(store),
        claims=FileClaims(store / "claims"),
        models=_no_models if role == "media" else _models(settings, threads),
        device=f"cpu:{threads}",
    )
    notes = [f"the process that opens videos is not fully confined here: {what}" for what in missing]
    serve(Connection(handle), shell, tasks, render, notes)


def _die_with_parent() -> None:
    """Ask Linux to end this process with its coordinator; elsewhere the closed socket does, a little later."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _confine(settings: Settings) -> list[str]:
    from kadr.media.sandbox import confine

    return confine(memory_mb=settings.media_memory_mb, cpu_s=CPU_S, file_mb=FILE_MB)


def _no_models(names: Sequence[str]) -> Models:
    raise ModelUnavailable(f"components that open the video have no models, not even {', '.join(names)}")


def _models(settings: Settings, threads: int) -> Callable[[Sequence[str]], Models]:
    from inference.registry import Registry

    own = (settings.models,) if settings.models else ()
    registry = Registry(weights_dirs=(settings.weights, *own), own_cards=own)
    return lambda names: registry.models(names, threads)


if __name__ == "__main__":
    main()
