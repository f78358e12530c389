"""What `kadr up` refuses before it starts anything."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli import up
from cli.servers.ports import PortTaken, need
from cli.servers.process import LOOPBACK, Process, ServerFailed, free_port


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in ("KADR_CONTROL_PORT", "KADR_REDIS_URL", "KADR_DATABASE_URL", "KADR_S3_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KADR_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server((LOOPBACK, 0)) as other:
        yield int(other.getsockname()[1])


def refused(home: Path, *args: str) -> str:
    """What `kadr up` says when it starts nothing."""
    result = CliRunner().invoke(up.command, args)
    assert result.exit_code
    assert not (home / "service/settings.json").exists()
    return str(result.exception)


@pytest.mark.parametrize("host", [LOOPBACK, "0.0.0.0", "127.0.0.2"])
def test_a_port_that_is_taken_is_refused_before_anything_starts(home: Path, taken: int, host: str) -> None:
    said = refused(home, "--port", str(taken), "--host", host)
    place = LOOPBACK if host == "127.0.0.2" else host
    assert said == f"port {taken} of {place} is taken: name another by --port"


def test_the_control_port_is_refused_by_its_variable(
    home: Path, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KADR_CONTROL_PORT", str(taken))
    said = refused(home, "--port", str(free_port()))
    assert said == f"port {taken} of {LOOPBACK} is taken: name another by KADR_CONTROL_PORT"
    port = str(free_port())
    monkeypatch.setenv("KADR_CONTROL_PORT", port)
    assert f"port {port} is the API's" in refused(home, "--port", port)


def test_a_port_is_free_again_as_soon_as_nobody_listens(taken: int) -> None:
    with pytest.raises(PortTaken):
        need([f"{LOOPBACK}:{taken}"], "--port")
    port = free_port()
    need([f"{LOOPBACK}:{port}"], "--port")
    with socket.create_server((LOOPBACK, port)):
        pass


def test_a_server_is_not_ready_because_somebody_else_answers_on_its_port(tmp_path: Path, taken: int) -> None:
    sleeper = Process(
        "demo",
        [sys.executable, "-c", "import time; time.sleep(60)"],
        tmp_path / "log",
        lambda: sleeper.listens(taken),
    )
    with pytest.raises(ServerFailed, match="demo did not answer"):
        sleeper.start(0.5)
