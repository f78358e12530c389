"""Webhooks of an owner: add one and its secret is shown, once; list, enable, test, give it a new secret, remove it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response

from api.app import BadRequest, Conflict, NotFound, json_body, problem, said
from index.webhooks import Webhook, Webhooks
from kadr.contracts.errors import KadrError

MOST = 20
"""Webhooks of one owner."""
TESTS = 4
"""That wait for receivers at once, each in a thread of the API's."""
LONGEST = 2000
_URL = re.compile(rf"(?=.{{0,{LONGEST}}}$)https://[\x21-\x7e]+")


class NoDatabase(KadrError):
    """Webhooks need a database: set KADR_DATABASE_URL."""

    status = 503


class TooManyTests(KadrError):
    """As many webhooks as may be tested at once are being tested: try again in a few seconds."""

    status = 503
    retryable = True


Test = Callable[[Webhook], dict[str, Any]]
"""Sends a webhook an event that means nothing; what came of it."""


@dataclass(frozen=True)
class WebhookService:
    """What may be done with webhooks. Raises BadRequest, NotFound, Conflict, NoDatabase, DatabaseAway."""

    table: Webhooks | None
    new_secret: Callable[[], str]
    test: Test
    kinds: Sequence[str]
    denied: Callable[[str], str | None] = lambda url: None
    """Why a URL could never be told, so that it is refused."""
    removed: Callable[[str, str], None] = lambda owner, webhook_id: None
    """Is told of owner and id of what was removed."""

    @property
    def _table(self) -> Webhooks:
        if self.table is None:
            raise NoDatabase
        return self.table

    def list(self, owner: str) -> list[Webhook]:
        return self._table.list(owner)

    def add(self, owner: str, told: dict[str, Any]) -> Webhook:
        url, kinds = _url(told.get("url")), self._kinds(told.get("events"))
        if why := self.denied(url):
            raise BadRequest(f"url could not be told: {why}")
        made = self._table.add(owner, url, kinds, self.new_secret(), MOST)
        if made is None:
            raise Conflict(f"there is a webhook of this URL already, or there are {MOST} of them")
        return made

    def _kinds(self, told: Any) -> Sequence[str]:
        if told is None:
            return self.kinds
        if not isinstance(told, list) or not told or not set(map(str, told)) <= set(self.kinds):
            raise BadRequest(f"events must be a list of {' and '.join(self.kinds)}")
        return [kind for kind in self.kinds if kind in told]

    def named(self, owner: str, webhook_id: str) -> Webhook:
        return _there(self._table.get(owner, webhook_id), webhook_id)

    def remove(self, owner: str, webhook_id: str) -> None:
        if not self._table.remove(owner, webhook_id):
            raise NotFound(f"there is no webhook {webhook_id[:80]!r}")
        self.removed(owner, webhook_id)

    def enable(self, owner: str, webhook_id: str) -> Webhook:
        return _there(self._table.enable(owner, webhook_id), webhook_id)

    def rotate(self, owner: str, webhook_id: str) -> Webhook:
        return _there(self._table.rotate(owner, webhook_id, self.new_secret()), webhook_id)


@dataclass(frozen=True)
class WebhookRoutes:
    """Routes below /v1/webhooks. ``check``: raises Unauthorized for strangers."""

    service: WebhookService
    owner: str
    check: Callable[[], None]
    _tests: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(TESTS), repr=False)

    def blueprint(self) -> Blueprint:
        made = Blueprint("webhooks", __name__, url_prefix="/v1/webhooks")
        made.before_request(self.check)
        made.register_error_handler(KadrError, problem)
        routes: list[tuple[str, str, Callable[..., Response]]] = [
            ("GET", "", self.list),
            ("POST", "", self.add),
            ("GET", "/<webhook_id>", self.show),
            ("DELETE", "/<webhook_id>", self.remove),
            ("POST", "/<webhook_id>/enable", self.enable),
            ("POST", "/<webhook_id>/secret", self.rotate),
            ("POST", "/<webhook_id>/test", self.test),
        ]
        for method, path, view in routes:
            made.add_url_rule(path, view.__name__, view, methods=[method])
        return made

    def list(self) -> Response:
        return said(200, {"webhooks": [_plain(w) for w in self.service.list(self.owner)]})

    def add(self) -> Response:
        made = self.service.add(self.owner, json_body())
        return said(201, {**_plain(made), "secret": made.secret})

    def show(self, webhook_id: str) -> Response:
        return said(200, _plain(self.service.named(self.owner, webhook_id)))

    def remove(self, webhook_id: str) -> Response:
        self.service.remove(self.owner, webhook_id)
        return Response("", 204)

    def enable(self, webhook_id: str) -> Response:
        return said(200, _plain(self.service.enable(self.owner, webhook_id)))

    def rotate(self, webhook_id: str) -> Response:
        made = self.service.rotate(self.owner, webhook_id)
        return said(200, {**_plain(made), "secret": made.secret})

    def test(self, webhook_id: str) -> Response:
        webhook = self.service.named(self.owner, webhook_id)
        if not self._tests.acquire(blocking=False):
            raise TooManyTests
        try:
            return said(200, self.service.test(webhook))
        finally:
            self._tests.release()


def _there(found: Webhook | None, webhook_id: str) -> Webhook:
    if found is None:
        raise NotFound(f"there is no webhook {webhook_id[:80]!r}")
    return found


def _url(told: Any) -> str:
    try:
        parts = urlsplit(told if isinstance(told, str) and _URL.fullmatch(told) else "")
        good = parts.hostname and "@" not in parts.netloc and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise BadRequest(
            f"url must be an https:// URL of at most {LONGEST} characters, in ASCII, without a user's name"
        )
    return str(told)


def _plain(webhook: Webhook) -> dict[str, Any]:
    """All but the secrets."""
    return {
        "id": webhook.id,
        "url": webhook.url,
        "events": list(webhook.events),
        "enabled": webhook.enabled,
        "disabled_why": webhook.disabled_why,
        "created_ms": webhook.created_ms,
        "previous_secret_until_ms": webhook.previous_until_ms,
    }
