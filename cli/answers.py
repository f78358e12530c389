"""Puts together what tells others of runs, from settings alone: shared by the control process and the API's."""

from __future__ import annotations

import json
import logging
import time
import uuid
from functools import cached_property, partial
from typing import Any

from cli.service import Service
from events.answers import signing
from events.answers.announcer import Announcer
from events.answers.deliverer import Deliverer
from events.answers.outbox import ANSWERS, Line, Outbox, task_of
from events.answers.post import Post
from events.answers.rejections import Rejections
from events.answers.sending import told
from events.answers.targets import WEBHOOK, Target, Targets, host_of, reached
from events.answers.telling import SOURCE, TEST, Places, now_ms
from events.binding import Event, to_json
from events.egress.fetching import trusting
from events.queue.consumer import Consumer
from events.queue.deadletters import DeadLetters
from events.queue.dispatch import Dispatcher
from events.queue.errors import QueueUnavailable
from index.webhooks import Webhook, Webhooks
from kadr.contracts.keys import sha256_json
from kadr.telemetry.metrics import ControlMetrics

TEST_S = 10.0
_log = logging.getLogger("kadr.answers")


class Answers:
    """Raises InvalidSecret for a secret in the settings that is none."""

    def __init__(self, service: Service, queue: Line) -> None:
        self.service = service
        self.outbox = Outbox(service.store, queue)
        for name in ("callback_secret", "sink_secret", "events_secret"):
            self._keys(name)

    def _keys(self, name: str) -> tuple[signing.Key, ...]:
        """Read anew each time: a file that holds secrets may be changed while we run."""
        told = getattr(self.service.settings, name)
        return signing.keys_of(told.get_secret_value(), f"KADR_{name.upper()}") if told else ()

    def events_keys(self) -> tuple[signing.Key, ...]:
        return self._keys("events_secret")

    @cached_property
    def book(self) -> Webhooks | None:
        return Webhooks(self.service.index.database) if self.service.index else None

    @cached_property
    def targets(self) -> Targets:
        sink = self.service.settings.sink_url
        return Targets(
            self.book, sink, partial(self._keys, "sink_secret"), partial(self._keys, "callback_secret")
        )

    @cached_property
    def announcer(self) -> Announcer:
        places = Places(self.service.address.bucket, self.service.settings.public_url or "")
        return Announcer(self.outbox, self.targets, places)

    @cached_property
    def rejections(self) -> Rejections:
        return Rejections(self.outbox)

    def post(self, total_s: float) -> Post:
        settings = self.service.settings
        return Post(settings.egress_proxy, trusting(settings.ca_file), total_s)

    def deliverer(self, metrics: ControlMetrics) -> Deliverer:
        return Deliverer(
            Consumer(self.service.server, ANSWERS),
            Dispatcher(self.service.server),
            self.outbox,
            self.targets,
            self.post(15.0),
            metrics,
        )

    def forget(self, owner: str, webhook_id: str) -> None:
        """Drop the dead letters of a webhook that was removed: nobody can be told of them any more."""
        letters = DeadLetters(self.service.server)
        task = task_of(Target(WEBHOOK, str(uuid.UUID(webhook_id))).name)
        try:
            mine = [
                one.id
                for one in letters.all(ANSWERS)
                if (one.message.owner, one.message.task) == (owner, task)
            ]
            letters.drop(ANSWERS, mine)
        except QueueUnavailable as error:
            _log.warning("dead letters of a webhook that was removed stay: %s", error)

    def test(self, webhook: Webhook) -> dict[str, Any]:
        """Send it an event that means nothing, now and once."""
        data = {"webhook": webhook.id, "user_id": webhook.owner}
        event = Event(sha256_json([TEST, uuid.uuid4().hex]), SOURCE, TEST, data, time_ms=now_ms())
        began = time.monotonic()
        found = told(self.post(TEST_S), reached(webhook), json.loads(to_json(event)))
        return {
            "event_id": event.id,
            "delivered": found.how == "delivered",
            "outcome": found.how,
            "status": found.status or None,
            "why": found.text or None,
            "host": host_of(webhook.url),
            "ms": round((time.monotonic() - began) * 1000),
        }
