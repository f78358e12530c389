"""What `kadr up` refuses before it starts anything, and what others say where nothing was started."""

from __future__ import annotations

import os
import re
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cli import index, running, submit, up
from cli.checks import doubts
from cli.servers.ports import PortTaken, need
from cli.servers.process import LOOPBACK, Process, ServerFailed, free_port
from kadr.settings import Settings


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in (
        "KADR_API_KEY",
        "KADR_CONTROL_PORT",
        "KADR_REDIS_URL",
        "KADR_DATABASE_URL",
        "KADR_S3_ENDPOINT",
    ):
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


def test_a_second_start_in_the_same_home_says_where_the_first_is(home: Path) -> None:
    (home / "service").mkdir(parents=True)
    with running.alone(home):
        assert f"KADR_HOME {home}, or is just starting" in refused(home, "--port", str(free_port()))
        running.write(home, "http://127.0.0.1:4711", "http://127.0.0.1:4712")
        said = refused(home, "--port", str(free_port()))
    assert f"{home} at http://127.0.0.1:4711 (process {os.getpid()}): stop that one" in said
    with running.alone(home):
        pass


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


def test_a_port_that_a_killed_service_still_holds_is_waited_for() -> None:
    other = socket.create_server((LOOPBACK, 0))
    threading.Timer(0.1, other.close).start()
    need([f"{LOOPBACK}:{other.getsockname()[1]}"], "--port", 30)


def test_a_server_is_not_ready_because_somebody_else_answers_on_its_port(tmp_path: Path, taken: int) -> None:
    sleeper = Process(
        "demo",
        [sys.executable, "-c", "import time; time.sleep(60)"],
        tmp_path / "log",
        lambda: sleeper.listens(taken),
    )
    with pytest.raises(ServerFailed, match="demo did not answer"):
        sleeper.start(0.5)


@pytest.mark.parametrize(
    ("variable", "value", "why"),
    [
        ("KADR_DEFAULT_PROFILE", "bogus", "there is no profile 'bogus'"),
        ("KADR_CA_FILE", "/nope", "No such file or directory; name a file of certificates in PEM"),
        ("KADR_CA_FILE", __file__, "it holds no certificates"),
        ("KADR_RATE_LIMITS", "speech=x", "like speech=0.5"),
        ("KADR_RATE_LIMITS", "telepathy=1", "there is no component telepathy; there are acquire"),
        ("KADR_RATE_LIMITS", "ocr=0", "would never run"),
        ("KADR_EGRESS_ALLOW", "nonsense", "host:port, host:port"),
        ("KADR_EGRESS_ALLOW", "there:99999", "'there:99999' is not host:port"),
        ("KADR_PUBLIC_URL", "kadr.example.com", "an http or https URL"),
        ("KADR_S3_ENDPOINT", "nowhere", "http://HOST:PORT"),
        ("S3_PUBLIC_ENDPOINT", "https://", "https://HOST:PORT"),
        ("KADR_HOME", "/dev/null/home", "Not a directory"),
        ("KADR_EGRESS_PROXY", "nowhere", "http://HOST:PORT"),
    ],
)
def test_a_value_that_a_setting_cannot_have_is_said_with_it(
    home: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, why: str
) -> None:
    monkeypatch.setenv(variable, value)
    said = refused(home, "--port", str(free_port()))
    assert said.startswith(f"{variable}={value!r} will not do: ")
    assert why in said
    assert "pattern" not in said


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("KADR_CALLBACK_SECRET", "abc-hidden"),
        ("KADR_SINK_SECRET", "abc-hidden"),
        ("KADR_EVENTS_SECRET", "whsec_hidden"),
        ("KADR_REDIS_URL", "valkey:hidden"),
        ("KADR_SINK_URL", "https://user:hidden@example.com/"),
    ],
)
def test_a_secret_that_will_not_do_is_not_shown(
    home: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    said = refused(home, "--port", str(free_port()))
    assert said.startswith(variable)
    assert "hidden" not in said


def test_who_listens_for_other_machines_is_told_what_they_cannot_reach(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("S3_PUBLIC_ENDPOINT", "KADR_PUBLIC_URL"):
        monkeypatch.delenv(name, raising=False)
    assert up.elsewhere(LOOPBACK, Settings.read()) == []
    said = "\n".join(up.elsewhere("0.0.0.0", Settings.read()))
    assert "S3_PUBLIC_ENDPOINT" in said
    assert "KADR_PUBLIC_URL" in said
    assert "KADR_PUBLIC_URL" not in "\n".join(up.elsewhere("192.0.2.1", Settings.read()))
    monkeypatch.setenv("S3_PUBLIC_ENDPOINT", "https://objects.example.com")
    monkeypatch.setenv("KADR_PUBLIC_URL", "https://kadr.example.com")
    assert up.elsewhere("0.0.0.0", Settings.read()) == []


def test_where_no_service_runs_that_is_said(home: Path) -> None:
    def said(command: click.Command, *args: str) -> str:
        return str(CliRunner().invoke(command, args).exception)

    nobody = f"no service runs here (of KADR_HOME {home}) and"
    assert said(submit.command, __file__).startswith(
        f"{nobody} KADR_API_KEY is not set: start one by `kadr up`"
    )
    assert said(index.command, "check").startswith(f"{nobody} KADR_DATABASE_URL is not set: start one")
    dead = f"http://{LOOPBACK}:{free_port()}"
    assert said(submit.command, __file__, "--server", dead).startswith(f"{dead} cannot be reached: ")
    assert said(submit.command, __file__, "--server", "nowhere").startswith("nowhere cannot be reached: ")


@pytest.mark.parametrize(
    ("url", "allowed", "doubt"),
    [
        ("http://127.0.0.1:9000/sink", "", "Add KADR_EGRESS_ALLOW=127.0.0.1:9000"),
        ("https://[fd00::1]/sink", "", r"Add KADR_EGRESS_ALLOW=\[fd00::1\]:443"),
        ("http://127.0.0.1:9000/sink", "127.0.0.1:9000", None),
        ("https://9.9.9.9/sink", "", None),
    ],
)
def test_a_sink_to_which_nothing_would_go_is_doubted(url: str, allowed: str, doubt: str | None) -> None:
    said = "".join(doubts(Settings(sink_url=url, egress_allow=allowed)))
    assert said == "" if doubt is None else re.search(doubt, said), said
