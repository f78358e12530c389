"""Ports that are to be listened on: whether somebody has them already."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Iterable
from urllib.parse import urlsplit

from kadr.contracts.errors import KadrError

POLL_S = 0.2


class PortTaken(KadrError):
    """Somebody else listens on the port."""

    status = 422


def need(places: Iterable[str], setting: str, patience_s: float = 0) -> None:
    """Bind each HOST:PORT for a moment, as gunicorn does; one that is just ending is waited for.

    Raises PortTaken naming ``setting``, by which another is named.
    """
    deadline = time.monotonic() + patience_s
    for place in places:
        while True:
            try:
                _bind(place, setting)
                break
            except PortTaken:
                if time.monotonic() >= deadline:
                    raise
            time.sleep(POLL_S)


def _bind(place: str, setting: str) -> None:
    at = urlsplit(f"//{place}")
    host, port = at.hostname or "", at.port or 0
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind((host, port))
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        why = "is taken" if taken else f"cannot be listened on ({error.strerror})"
        raise PortTaken(f"port {port} of {host} {why}: name another by {setting}") from error
