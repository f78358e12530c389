"""The process that function processes are forked from: it has imported what all of them need, so one is ready almost at once.

``python -m cli.nursery APP FD``: each line of JSON on the socket FD asks for a gunicorn, which serves APP, and is answered by its
id. The nursery starts no thread (those of OpenBLAS end before a fork), opens nothing and reads no settings, so what it forks begins
like a process that was just started; memory that nobody writes to is shared. When the socket ends, so does it, and what it forked is
asked to end.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import random
import signal
import socket
import sys
import traceback
from collections.abc import Mapping
from typing import Any

PRELOADED = (
    "gunicorn.app.wsgiapp",
    "gunicorn.workers.gthread",
    "functions_framework",
    "cli.servers.gunicorn_logs",
    "cli.service",
    "events.batches",
    "events.function",
    "events.health",
    "events.queue.claims",
    "events.queue.news",
    "events.sources",
    "events.watched",
    "events.worker",
    "kadr.pipeline.workers",
    "kadr.storage.cache",
    "kadr.storage.relay",
    "kadr.storage.remembering",
    "kadr.storage.s3",
    "kadr.storage.s3_bucket",
    "kadr.telemetry.logs",
    "kadr.telemetry.metrics",
)
_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15


def main() -> None:
    """Fork what is asked for until the other end hangs up."""
    link = socket.socket(fileno=int(sys.argv[2]))
    for name in PRELOADED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system buries them
    with link, link.makefile("r") as asked:
        for line in asked:
            wanted, parent = json.loads(line), os.getpid()
            if (pid := os.fork()) == 0:
                _begin(link, parent, wanted)
            link.sendall(f"{pid}\n".encode())


def _begin(link: socket.socket, parent: int, wanted: Mapping[str, Any]) -> None:
    """In the child: become what was asked for. Never returns."""
    code = 1
    try:
        _own_life(link, parent, str(wanted["name"]), str(wanted["log"]))
        os.environ.update(wanted["environment"])
        random.seed()
        sys.argv = ["gunicorn", *wanted["arguments"]]
        run: Any = importlib.import_module("gunicorn.app.wsgiapp").run
        run()
        code = 0
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _own_life(link: socket.socket, parent: int, name: str, log: str) -> None:
    """A session, signals and outputs of its own; it ends with who forked it."""
    os.setsid()
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it was gone before it could be said
        os._exit(1)
    libc.prctl(_PR_SET_NAME, f"kadr {name}".encode()[:15])
    for number in (signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    os.close(link.detach())  # or nobody would see the nursery end
    written = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.dup2(written, 1)
    os.dup2(written, 2)
    os.close(written)


if __name__ == "__main__":
    main()
