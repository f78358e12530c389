"""Real servers: Valkey from its package, and redis-server where this machine has one."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cli.servers.valkey import Valkey, packaged
from events.queue.messages import Message
from events.queue.server import Server

ENGINES = {"valkey": packaged(), "redis": Path(found) if (found := shutil.which("redis-server")) else None}


@pytest.fixture(scope="session", params=list(ENGINES))
def engine(request: pytest.FixtureRequest) -> Path:
    """The program of a server; a test that asks for it runs on each."""
    binary = ENGINES[request.param]
    if binary is None:
        pytest.skip(f"no {request.param} server on this machine")
    return binary


@pytest.fixture(scope="session")
def url(engine: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with Valkey(tmp_path_factory.mktemp(engine.name), binary=engine) as valkey:
        yield valkey.url


@pytest.fixture
def server(url: str) -> Iterator[Server]:
    """The shared server under a prefix of this test's own."""
    server = Server(url, prefix=f"t{uuid.uuid4().hex[:8]}")
    yield server
    server.close()


@pytest.fixture(scope="session")
def message() -> Callable[..., Message]:
    """Makes messages of the function `ocr`; each of another run unless it is named."""

    def make(task: str = "ocr.1", **fields: object) -> Message:
        given = {
            "function": "ocr",
            "run_id": uuid.uuid4().hex,
            "owner": "ada",
            "body": '{"x":[]}',
            "key": "k" * 64,
        }
        return Message(task=task, **{**given, **fields})  # type: ignore[arg-type]

    return make
