"""The API of a Kadr service, as commands ask it: refusals in the service's own words, silence as silence."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from typing import Any

from kadr.contracts.errors import KadrError

TRIES = 4
PASSING = (429, 500, 502, 503, 504)
"""What a service or a store answers that is busy or starts again."""


class ServerSaid(KadrError):
    """The service refused. ``answered``: with which HTTP status, if it was one."""

    def __init__(self, message: str, answered: int | None = None) -> None:
        super().__init__(message)
        self.answered = answered


class NotReached(ServerSaid):
    """The service gave no answer: what was asked may have been done."""


class Client:
    """The API at ``server``."""

    def __init__(self, server: str, key: str) -> None:
        self.server = server.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    def ask_once(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """POST that is done once, however often it is sent: by its key the service knows it again. Raises ServerSaid."""
        key = {"Idempotency-Key": f'"{uuid.uuid4()}"'}
        for attempt in range(1, TRIES + 1):
            try:
                return self.ask("POST", path, body, key)
            except NotReached:
                if attempt == TRIES:
                    raise
            time.sleep(attempt)
        raise AssertionError

    def ask(
        self,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Raises ServerSaid with the service's own words, NotReached."""
        data = None if body is None else json.dumps(body).encode()
        sent = {**self._headers, **(headers or {})}
        try:
            asked = urllib.request.Request(f"{self.server}/v1{path}", data, sent, method=method)
            with urllib.request.urlopen(asked, timeout=60) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            kind = NotReached if error.code in PASSING else ServerSaid
            raise kind(f"{self.server} says: {_detail(error)}", error.code) from error
        except (OSError, ValueError) as error:
            why = getattr(error, "reason", error)
            raise NotReached(
                f"{self.server} cannot be reached: {why}; is the service up (`kadr up`)?"
            ) from error


def _detail(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read())["detail"])
    except (ValueError, KeyError, OSError):
        return f"HTTP {error.code} {error.reason}"
