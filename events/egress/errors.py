"""What goes wrong on the way out."""

from __future__ import annotations

import re

from events.egress.urls import shown, without_secrets
from kadr.contracts.errors import KadrError, VideoUnavailable

DENIED = "Denied by the egress filter"
"""How the proxy's reason phrase begins: of what a tunnel's answer says, clients keep this line alone."""
PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses that may be another the next time."""
_DENIED = re.compile(rf"{DENIED}: (.*?)(?:['\"]\)|$)", re.DOTALL)
_TUNNEL = re.compile(r"Tunnel connection failed: (?:\d+ )?(?:Bad Gateway: )?(.*?)(?:['\"]\)|$)", re.DOTALL)


class EgressDenied(KadrError):
    """The egress filter does not let this go out."""

    status = 403


class Unresolvable(KadrError):
    """The name has no address, or nobody who could say answers."""

    status = 502
    retryable = True


class NetworkTrouble(KadrError):
    """What was to be fetched could not be reached, or the connection broke."""

    status = 503
    retryable = True


def denial(text: str) -> str | None:
    """What the filter said, if ``text``, of an error or an answer's first line, is its refusal."""
    found = _DENIED.search(text)
    return found and f"denied by the egress filter: {found[1]}"


def untunnelled(text: str) -> str | None:
    """Why the proxy could not reach the other end, if ``text`` tells."""
    found = _TUNNEL.search(text)
    return found and f"it cannot be reached: {found[1]}"


def failed(url: str, why: str, passing: bool) -> KadrError:
    """The error of a fetch: one that may pass is tried again."""
    return (NetworkTrouble if passing else VideoUnavailable)(f"{shown(url)}: {without_secrets(why)}")
