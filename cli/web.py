"""The WSGI application that listens to people and to the bucket: API, notices, CloudEvents. ``gunicorn cli.web:app`` serves it."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from flask import Flask

from api.app import Api, Begun
from api.listing import Listing
from api.reports import ReportRoutes
from api.sync import Sync
from api.webhooks import WebhookRoutes, WebhookService
from cli.answers import Answers
from cli.egress import rules
from cli.service import Service
from events.answers.signing import new_secret
from events.answers.targets import KINDS
from events.asking import submission
from events.health import add_health, add_metrics
from events.ingest import Ingest
from events.problems import add_problems
from events.queue.queue import Queue
from kadr.contracts.keys import sha256_json
from kadr.settings import Settings
from kadr.telemetry import logs
from kadr.telemetry.metrics import Metrics

MAX_BODY = 8 << 20


def create(service: Service) -> Flask:
    app = Flask("kadr")
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY

    def submit(owner: str, body: dict[str, Any], key: str | None) -> Begun:
        asked_id = uuid.uuid4().hex if key is None else sha256_json(["idempotency", key])
        told = replace(submission(owner, asked_id, body), exact=key is not None)
        made = service.admission.admit(told)
        return Begun(made.request, made.finished)

    secret = service.settings.api_key
    token = service.settings.notify_token
    answers = Answers(service, Queue(service.server))
    ingest = Ingest(
        store=service.store,
        inbox=service.inbox,
        admission=service.admission,
        tell=service.hints.tell,
        token=token.get_secret_value() if token else "",
        keys=answers.events_keys,
        refused=answers.rejections,
    )
    api = Api(
        store=service.store,
        bucket=service.bucket,
        submit=submit,
        announce=service.hint,
        key=secret.get_secret_value() if secret else "",
        owner=service.settings.api_owner,
    )
    hooks = WebhookRoutes(
        WebhookService(
            answers.book,
            new_secret,
            answers.test,
            sorted(KINDS),
            rules(service.settings).denied,
            answers.forget,
        ),
        service.settings.api_owner,
        api.check_key,
    )
    sync = Sync(api, service.settings.process_sync)
    reports = ReportRoutes(api, _links_secret(service.settings))
    database = service.index.database if service.index else None
    listing = Listing(database, service.settings.api_owner, api.check_key)
    for routes in (ingest, api, listing, reports, hooks, sync):
        app.register_blueprint(routes.blueprint())
    add_problems(app)
    add_health(app, lambda: "the object store does not answer" if service.client.resting else "")
    add_metrics(app, Metrics())
    return app


def _links_secret(settings: Settings) -> str:
    """Another API key ends all links. The store's key is in it too, so that nobody tries weak API keys on a link at home."""
    secrets = (settings.api_key, settings.s3_secret_key)
    return "\n".join(secret.get_secret_value() for secret in secrets if secret)


def started() -> Flask:
    service = Service()
    logs.setup("web", level=service.settings.log_level)
    return create(service)


app = started()
