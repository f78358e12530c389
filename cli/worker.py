"""The child processes that run components: ``python -m cli.worker media|models STORE THREADS TASKS FD [RELAY]``.

Of `kadr analyze` STORE is the local store's folder. Of a function of the service it is a folder for files on their way, and RELAY the
socket over which the parent answers calls to the store: the process itself reaches no network.
"""

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
from kadr.storage.relay import RelayStore

_PR_SET_PDEATHSIG = 1
CPU_S = 7 * 24 * 3600
"""Of the process that opens videos, over its life: days of video fit, an endless loop does not."""
FILE_MB = 64 * 1024
"""Largest file that the process which opens videos may write."""


def main() -> None:
    """Serve tasks on the socket FD until the coordinator hangs up."""
    role, store = sys.argv[1], Path(sys.argv[2])
    threads, tasks, handle, *relay = map(int, sys.argv[3:])
    _die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    settings = Settings()
    far = RelayStore(Connection(relay[0]), store) if relay else None
    set_scratch(store if far else FileStore(store).scratch())
    missing = _confine(settings) if role == "media" else []
    shell = Shell(
        store=far or FileStore(store),
        claims=far or FileClaims(store / "claims"),
        models=_no_models if role == "media" else _models(settings, threads),
        device=f"cpu:{threads}",
        ranged=far,
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
