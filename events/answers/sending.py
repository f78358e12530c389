"""Sending one event to one receiver, signed, and what its answer means."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from events.answers import signing
from events.answers.post import Post, Reply
from events.answers.targets import Reached
from events.binding import STRUCTURED
from events.egress.errors import EgressDenied, NetworkTrouble
from kadr import __version__

AGAIN = frozenset({408, 425, 429})
GONE = 410


@dataclass(frozen=True)
class Outcome:
    """``how``: delivered | retried | failed | denied | gone | removed; of a metric's label."""

    how: str
    status: int = 0
    why: str = ""
    after_ms: int | None = None
    said: str = ""
    """By the receiver; kept out of logs, for it may repeat the URL."""

    @property
    def text(self) -> str:
        return f"{self.why}: {self.said}" if self.said else self.why

    @property
    def passing(self) -> bool:
        return self.how == "retried"

    @property
    def code(self) -> str:
        """Of a dead letter."""
        if self.how == "denied":
            return EgressDenied.__name__
        return f"HTTP{self.status}" if self.status else NetworkTrouble.__name__


def outcome(reply: Reply) -> Outcome:
    """What an answer of a receiver's means."""
    why = f"it answered {reply.status}"
    if reply.taken:
        return Outcome("delivered", reply.status)
    if reply.status == GONE:
        return Outcome("gone", reply.status, why, said=reply.said)
    if reply.status in AGAIN or reply.status >= 500:
        return Outcome("retried", reply.status, why, reply.retry_after_ms, reply.said)
    if 300 <= reply.status < 400:
        why += ", and redirects are not followed: name the URL that it leads to"
    return Outcome("failed", reply.status, why, said=reply.said)


def told(post: Post, to: Reached, event: Mapping[str, Any]) -> Outcome:
    """Send ``event``, signed now. Never raises."""
    body = json.dumps(event, ensure_ascii=True, separators=(",", ":")).encode()
    headers = {
        "Content-Type": f"{STRUCTURED}; charset=utf-8",
        "User-Agent": f"Kadr/{__version__}",
        **signing.headers(to.keys, str(event["id"]), body),
    }
    if event.get("traceparent"):
        headers["traceparent"] = str(event["traceparent"])
    try:
        return outcome(post(to.url, headers, body))
    except EgressDenied as error:
        return Outcome("denied", why=str(error))
    except NetworkTrouble as error:
        return Outcome("retried", why=str(error))
