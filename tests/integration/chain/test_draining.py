"""A pump that stops: what waits for room on the machine was not begun, and is nobody's attempt."""

from __future__ import annotations

import json
import select
import socket
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.servers.process import LOOPBACK
from cli.servers.valkey import Valkey
from events.pump import Pump, Told
from events.queue.consumer import Consumer
from events.queue.depth import depth
from events.queue.dispatch import Dispatcher
from events.queue.messages import Message
from events.queue.queue import Queue
from events.queue.server import Server
from kadr.storage.files import FileStore

FUNCTION = "loudness"


class Full:
    """A machine without room, until it has."""

    def __init__(self) -> None:
        self.asked, self.room = threading.Event(), threading.Event()

    def enter(self, function: str) -> bool:
        self.asked.set()
        return self.room.wait(0.05)

    def leave(self, function: str) -> None:
        return None


class Listening:
    """A replica that hears whether anybody calls."""

    def __init__(self) -> None:
        self.socket = socket.create_server((LOOPBACK, 0))

    def addresses(self) -> list[str]:
        return [f"http://{LOOPBACK}:{self.socket.getsockname()[1]}/"]

    @property
    def called(self) -> bool:
        return bool(select.select([self.socket], [], [], 0.2)[0])


@pytest.fixture
def replica() -> Iterator[Listening]:
    made = Listening()
    yield made
    made.socket.close()


@pytest.fixture
def server(valkey: Valkey) -> Iterator[Server]:
    made = Server(valkey.url, prefix=f"t{uuid.uuid4().hex[:8]}")
    yield made
    made.close()


def test_what_waits_for_room_when_the_pump_stops_is_put_back_and_not_posted(
    server: Server, replica: Listening, tmp_path: Path
) -> None:
    gate, told = Full(), Told(lambda name: None, lambda task: None)
    pump = Pump(Consumer(server, FUNCTION), Queue(server), FileStore(tmp_path), replica, told, gate=gate)
    body = json.dumps({"user_id": "anna", "run_id": "r"})
    assert Queue(server).ready(Message(FUNCTION, "r", "anna", "t.0", body, "k" * 64))
    Dispatcher(server).dispatch(FUNCTION, 5)
    pump.start()
    assert gate.asked.wait(10)
    pump.stop(5.0)
    gate.room.set()
    found = depth(server, FUNCTION)
    assert (found.in_stream, found.retries, found.depth, pump.flying) == (0, 0, 1, {})
    assert not replica.called
