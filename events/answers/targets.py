"""Who is told: the callback URL of a request, the sink of the settings, and the webhooks of the index."""

from __future__ import annotations

import builtins
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from events.answers.signing import InvalidSecret, Key, key_of
from events.binding import COMPONENT_COMPLETED, RUN_COMPLETED
from index.database import DatabaseAway
from index.webhooks import Webhook, Wish
from kadr.contracts.errors import KadrError
from kadr.contracts.keys import SHORT, sha256_json

_log = logging.getLogger("kadr.answers")

CALLBACK, SINK, WEBHOOK = "callback", "sink", "webhook"
UNKNOWN = "webhooks"
"""The owner's webhooks, whichever they are: when it was owed the database had not answered yet."""
KINDS = frozenset({RUN_COMPLETED, COMPONENT_COMPLETED})
Keys = Callable[[], tuple[Key, ...]]


def no_keys() -> tuple[Key, ...]:
    return ()


class Book(Protocol):
    """The webhooks, as deliveries need them: :class:`index.webhooks.Webhooks`."""

    def version(self) -> str: ...
    def wishes(self) -> list[Wish]: ...
    def list(self, owner: str) -> builtins.list[Webhook]: ...
    def get(self, owner: str, webhook_id: str) -> Webhook | None: ...
    def disable(self, owner: str, webhook_id: str, why: str) -> None: ...


class NotTold(KadrError):
    """The target is not there any more."""


@dataclass(frozen=True)
class Target:
    """``of``: a callback's or sink's URL, a webhook's id."""

    kind: str
    of: str = ""

    @property
    def name(self) -> str:
        return sha256_json([self.kind, self.of])[:SHORT]

    def plain(self) -> dict[str, Any]:
        return {"kind": self.kind, "of": self.of}


@dataclass(frozen=True)
class Reached:
    """Where a target is, and by what events for it are signed."""

    url: str
    keys: tuple[Key, ...]


def host_of(url: str) -> str:
    """What logs say of a URL: its path and query may hold what only the receiver should know."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


class Targets:
    """Safe for several threads. ``book`` None: there is no database, and so there are no webhooks."""

    def __init__(
        self,
        book: Book | None = None,
        sink_url: str | None = None,
        sink_keys: Keys = no_keys,
        callback_keys: Keys = no_keys,
    ) -> None:
        self.book = book
        self.sink = Target(SINK, sink_url) if sink_url else None
        self.sink_keys = sink_keys
        self.callback_keys = callback_keys
        self._by_owner: Mapping[str, list[Wish]] | None = None if book else {}
        self._version = ""
        self._away = False

    def refresh(self) -> None:
        """Look which webhooks there are, if that changed; while the database is away, what was known stays."""
        if self.book is None:
            return
        found: dict[str, list[Wish]] = defaultdict(list)
        try:
            # Before the rows: what changes between the two is seen the next time.
            if (version := self.book.version()) == self._version:
                self._away = False
                return
            for wish in self.book.wishes():
                found[wish.owner].append(wish)
        except KadrError as error:
            if not self._away:
                _log.warning("webhooks cannot be looked up: %s", error)
            self._away = True
            return
        self._by_owner, self._version, self._away = dict(found), version, False

    def wanting(self, kind: str, owner: str, callback_url: str | None = None) -> list[Target]:
        """Whom events of this kind are owed to. Asks nobody: what is known counts."""
        found = [Target(CALLBACK, callback_url)] if callback_url and kind == RUN_COMPLETED else []
        found += [self.sink] if self.sink else []
        if self._by_owner is None:
            return [*found, Target(UNKNOWN, owner)]
        return [*found, *(Target(WEBHOOK, w.id) for w in self._by_owner.get(owner, ()) if kind in w.events)]

    def expanded(self, owner: str, kind: str, at_ms: int) -> list[Target]:
        """What UNKNOWN stood for: webhooks that were there when the event came to be. Raises DatabaseAway."""
        there = self.book.list(owner) if self.book else []
        mine = [w for w in there if w.enabled and kind in w.events and w.created_ms <= at_ms]
        return [Target(WEBHOOK, w.id) for w in mine]

    def reached(self, target: Target, owner: str) -> Reached:
        """Raises NotTold, DatabaseAway, InvalidSecret."""
        if target.kind == CALLBACK:
            return Reached(target.of, self.callback_keys())
        if target.kind == SINK:
            if target != self.sink:
                raise NotTold("KADR_SINK_URL names another sink now, or none")
            return Reached(target.of, self.sink_keys())
        webhook = self.book.get(owner, target.of) if self.book else None
        if webhook is None or not webhook.enabled:
            raise NotTold("the webhook was removed or disabled")
        return reached(webhook)

    def gone(self, target: Target, owner: str) -> None:
        """It answered that it wants no more."""
        if target.kind != WEBHOOK or self.book is None:
            return
        try:
            self.book.disable(owner, target.of, "it answered 410 Gone")
        except DatabaseAway as error:
            _log.warning("webhook %s is not disabled: %s", target.of, error)


def reached(webhook: Webhook) -> Reached:
    """Raises InvalidSecret."""
    try:
        return Reached(webhook.url, tuple(key_of(secret) for secret in webhook.secrets))
    except InvalidSecret as error:
        raise InvalidSecret(f"webhook {webhook.id}: {error}") from error
