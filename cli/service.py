"""Puts the parts of the service together, from settings alone: the bucket, the queue, the index, and what works on them."""

from __future__ import annotations

import logging
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from cli.compose import Machine
from kadr.contracts.errors import KadrError
from kadr.contracts.run import ACQUIRE
from kadr.settings import InvalidSetting, Settings

if TYPE_CHECKING:
    from events.acquire import Acquire, Fetch
    from events.admission import Admission
    from events.function import Function
    from events.hints import Hints
    from events.inbox import Inbox
    from events.queue.claims import RedisClaims
    from events.queue.dispatch import Dispatcher, Rate
    from events.queue.news import News
    from events.queue.server import Server
    from events.sources import Sources
    from index.keeping import Index
    from kadr.pipeline.catalogue import Catalogue
    from kadr.storage.remembering import Remembering
    from kadr.storage.s3 import S3Store
    from kadr.storage.s3_bucket import S3Bucket, S3Reader
    from kadr.storage.s3_client import S3Address, S3Client

_log = logging.getLogger("kadr.service")

CACHE_MB = 4096
RESULTS_BYTES = 8 << 20
"""What a function's process remembers of the results that it read and wrote: their JSON, for merges above all."""


class ServiceUnset(KadrError):
    """The service is not set up."""

    status = 422


class Service:
    """One process's parts, each made when it is first needed."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings.read()

    def _needed(self, name: str) -> str:
        value = getattr(self.settings, name)
        if not value:
            raise ServiceUnset(
                f"KADR_{name.upper()} is not set: name the service's servers (docs/settings.md), or let `kadr up` start them"
            )
        return value.get_secret_value() if isinstance(value, SecretStr) else str(value)

    @cached_property
    def address(self) -> S3Address:
        from kadr.storage.s3_client import S3Address

        s = self.settings
        return S3Address(
            self._needed("s3_endpoint"),
            s.s3_bucket,
            self._needed("s3_access_key"),
            self._needed("s3_secret_key"),
            s.s3_region,
            s.s3_public_endpoint,
        )

    @cached_property
    def client(self) -> S3Client:
        from kadr.storage.s3_client import S3Client

        return S3Client(self.address)

    @cached_property
    def store(self) -> S3Store:
        from kadr.storage.cache import Cache
        from kadr.storage.s3 import S3Store

        return S3Store(self.client, Cache(self.settings.home / "cache", CACHE_MB << 20))

    @cached_property
    def bucket(self) -> S3Bucket:
        from kadr.storage.s3_bucket import S3Bucket

        return S3Bucket(self.client)

    def reader(self, bucket: str) -> S3Reader:
        """Reads a user's own bucket, with the same credentials."""
        from kadr.storage.s3_bucket import S3Reader

        return S3Reader(self.client, bucket)

    @cached_property
    def sources(self) -> Sources:
        from events.sources import Sources

        return Sources(self.store, self.bucket, self.reader)

    @cached_property
    def index(self) -> Index | None:
        """None where no database is named: the pipeline needs none."""
        from index.database import Database
        from index.keeping import Index

        url = self.settings.database_url
        if url is None:
            return None
        return Index(self.steering, Database(url.get_secret_value()), bucket=self.store)

    @cached_property
    def server(self) -> Server:
        from events.queue.server import Server

        return Server(self._needed("redis_url"))

    @cached_property
    def hints(self) -> Hints:
        from events.hints import Hints

        return Hints(self.server, self.settings.hint_window_ms)

    @cached_property
    def rates(self) -> dict[str, Rate]:
        """Raises InvalidSetting where a rate is said of what is no function."""
        from events.queue.dispatch import rates_of

        said = f"KADR_RATE_LIMITS={self.settings.rate_limits!r} will not do:"
        rates = rates_of(self.settings.rate_limits)
        if unknown := sorted(set(rates) - {ACQUIRE, *self.catalogue.components}):
            known = ", ".join((ACQUIRE, *self.catalogue.components))
            raise InvalidSetting(f"{said} there is no component {', '.join(unknown)}; there are {known}")
        if stopped := [name for name, rate in rates.items() if not rate.per_s]:
            raise InvalidSetting(f"{said} {stopped[0]} would never run at 0 a second")
        return rates

    @cached_property
    def dispatcher(self) -> Dispatcher:
        """Raises InvalidSetting."""
        from events.queue.dispatch import Dispatcher

        return Dispatcher(self.server, self.rates)

    @cached_property
    def news(self) -> News:
        from events.queue.news import News

        return News(self.server)

    @cached_property
    def steering(self) -> Remembering:
        """The store of a process that moves runs on: what a run's objects say is read once, and from whoever just wrote them."""
        from kadr.pipeline.epochs import is_sound
        from kadr.storage.remembering import Remembering, is_state

        return Remembering(self.store, is_state, is_sound, self.news.written)

    def claims(self, function: str) -> RedisClaims:
        from events.queue.claims import RedisClaims

        return RedisClaims(self.server, function)

    @cached_property
    def machine(self) -> Machine:
        return Machine(self.settings)

    @cached_property
    def catalogue(self) -> Catalogue:
        return self.machine.catalogue

    @cached_property
    def opens_video(self) -> frozenset[str]:
        """Components that read the video itself."""
        entries = self.catalogue.components.items()
        return frozenset(n for n, e in entries if any(r.kind == "source" for r in e.reads))

    def hint(self, name: str) -> None:
        """Say that an object was written. That it cannot be said is no failure: the bucket says it too, and the reconciler looks."""
        from events.queue.errors import QueueUnavailable

        try:
            self.hints.tell([name])
        except QueueUnavailable as error:
            _log.warning("%s", error)

    @cached_property
    def admission(self) -> Admission:
        from events.admission import Admission
        from events.uploads import Uploads
        from kadr.pipeline.profiles import load_profile

        default = load_profile(self.settings.default_profile)
        index = self.index
        known = {} if index is None else {"finished": index.finished}
        pinned = Uploads(self.store, self.bucket).pinned
        return Admission(self.store, self.machine.question, default, self.hint, pinned=pinned, **known)

    @cached_property
    def inbox(self) -> Inbox:
        from events.inbox import Inbox

        return Inbox(self.store, self.bucket, self.address.bucket, self.admission, _note)

    @property
    def fetch(self) -> Fetch:
        """Fetches videos by their URLs, through the egress proxy alone."""
        from events.acquire import no_way_out
        from events.egress.fetching import Fetching
        from events.egress.ytdlp import GB

        s = self.settings
        return Fetching(s.egress_proxy, s.fetch_gb * GB, ca_file=s.ca_file) if s.egress_proxy else no_way_out

    def function(self, name: str) -> Function | Acquire:
        """What a process of this function answers requests with; its worker process is started on first use."""
        if name == "acquire":
            from events.acquire import Acquire

            self.store.sweep()
            return Acquire(self.store, self.bucket, self.sources, self.address.bucket, fetch=self.fetch)
        return self._component(name, self.store.scratch())

    def _component(self, name: str, scratch: Path) -> Function:
        from events.function import Function
        from events.worker import Worker
        from kadr.pipeline.workers import Host
        from kadr.storage.relay import Relay
        from kadr.storage.remembering import Remembering, is_result

        if name not in self.catalogue.components:
            raise ServiceUnset(f"KADR_FUNCTION={name!r}: there is no such component")
        role = "media" if name in self.opens_video else "models"
        writing = self.news.writing
        store = Remembering(self.store, is_result, most_bytes=RESULTS_BYTES)
        claims = self.claims(name)
        relay = Relay(store, claims, self.sources, scratch, on_fault=_note, on_put=writing)
        command = [sys.executable, "-m", "cli.worker", role, str(scratch), str(self.machine.threads), "2"]
        environment = self.machine.malloc() if role == "models" else {}
        worker = Worker(Host(role, command, _note, environment, relay=relay.serve))
        return Function(frozenset([name]), self.store, relay, worker, awaited=claims.awaited)


def _note(text: str) -> None:
    _log.warning("%s", text)
