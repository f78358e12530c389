"""What `kadr submit` does while the store is busy, and what `kadr up` keeps from one start to the next."""

from __future__ import annotations

import io
import json
import stat
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cli import submit, up
from cli.client import Client, NotReached, ServerSaid
from cli.servers.process import LOOPBACK, Process, answers, free_port, gunicorn
from cli.submit import _put, _wait
from kadr.contracts.errors import InvalidProfile

BODY = bytes(range(256)) * 20


class Store(ThreadingHTTPServer):
    """Answers PUT with ``statuses``, one after the other, then with 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.statuses = list[int]()
        self.got = list[bytes]()
        self.keys = list[str]()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v.mp4"


class Handler(BaseHTTPRequestHandler):
    server: Store

    def do_PUT(self) -> None:
        self.server.got.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(self.server.statuses.pop(0) if self.server.statuses else 200)
        self.send_header("ETag", '"the-tag"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_GET(self) -> None:
        """A run that has ended, or the files of its report."""
        run = {
            "run_id": "r",
            "name": "v.mp4",
            "components": {},
            "error": None,
            "status": "complete",
            "manifest": "m",
            "tasks": {"done": 1, "known": 1},
            "stages": {},
        }
        report = {
            "url": "/v1/reports/signed/report.html",
            "expires_s": 3600,
            "files": ["a.vtt", "report.html"],
        }
        said = report if self.path.endswith("/report") else {**run, "video_id": "v"}
        body = self.path.encode() if "signed" in self.path else json.dumps(said).encode()
        if not (status := self.server.statuses.pop(0) if self.server.statuses else 200):
            return
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        """A service whose answer is lost where a status is 0."""
        self.server.got.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.keys.append(self.headers["Idempotency-Key"])
        if not (status := self.server.statuses.pop(0) if self.server.statuses else 202):
            return
        body = json.dumps({"run_id": "r", "detail": "no"}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def store() -> Iterator[Store]:
    with Store() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "sleep", lambda _: None)


def test_a_piece_that_a_busy_store_refuses_is_sent_again_and_counted_once(store: Store) -> None:
    store.statuses += [503, 500]
    moved = list[int]()
    assert _put(store.url, io.BytesIO(BODY), 256, 1000, moved.append) == "the-tag"
    assert store.got == [BODY[256:1256]] * 3
    assert sum(moved) == 1000


def test_what_a_store_will_never_take_is_sent_once(store: Store) -> None:
    store.statuses += [403]
    with pytest.raises(ServerSaid, match="HTTP 403"):
        _put(store.url, io.BytesIO(BODY), 0, 100, lambda _: None)
    assert len(store.got) == 1


def test_a_store_that_stays_busy_is_told(store: Store) -> None:
    store.statuses += [503] * 9
    with pytest.raises(ServerSaid, match="HTTP 503"):
        _put(store.url, io.BytesIO(BODY), 0, 100, lambda _: None)
    assert len(store.got) == 4


def test_a_run_whose_answer_was_lost_is_asked_for_again_by_the_same_key(store: Store) -> None:
    client = Client(store.url, "word")
    store.statuses += [0, 503]
    assert client.ask_once("/runs", {"a": 1})["run_id"] == "r"
    assert (len(store.got), len(set(store.got)), len(set(store.keys))) == (3, 1, 1)
    store.statuses += [422]
    with pytest.raises(ServerSaid, match="says: no"):
        client.ask_once("/runs", {"a": 1})
    assert len(set(store.keys)) == 2


def test_keys_outlive_a_start_that_could_not_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "settings.json"
    key = up._kept(path)("api_key")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(json, "dump", full)
        with pytest.raises(OSError, match="no space"):
            up._kept(path)("notify_token")
    assert up._kept(path)("api_key") == key
    assert up._kept(path)("notify_token") == up._kept(path)("notify_token")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_who_waits_for_a_run_outlasts_a_service_that_starts_again(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    store.statuses += [200, 0, 502, 503]
    client = Client(f"http://127.0.0.1:{store.server_port}", "key")
    assert client.ask("GET", "/runs/r")["status"] == "complete"
    assert _wait(client, "r")["status"] == "complete"
    said = capsys.readouterr().err
    assert said.count("going on to ask") == 1
    assert "answers again" in said


def test_who_waits_gives_up_a_service_that_stays_away(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submit, "AWAY_S", 0.3)
    with pytest.raises(NotReached, match="cannot be reached"):
        _wait(Client(f"http://127.0.0.1:{free_port()}", "key"), "r")
    store.statuses += [404]
    with pytest.raises(ServerSaid, match="404"):
        _wait(Client(f"http://127.0.0.1:{store.server_port}", "key"), "r")


@pytest.mark.parametrize(
    ("host", "places"),
    [
        ("127.0.0.1", ["127.0.0.1:81"]),
        ("localhost", ["127.0.0.1:81"]),
        ("0.0.0.0", ["0.0.0.0:81"]),
        ("127.0.0.2", ["127.0.0.2:81", "127.0.0.1:81"]),
    ],
)
def test_the_api_listens_on_loopback_whatever_its_address(host: str, places: list[str]) -> None:
    assert up.binds(host, 81) == places


def test_an_address_of_another_machine_is_refused_by_its_name() -> None:
    with pytest.raises(click.BadParameter, match=r"192\.0\.2\.1.*no address of this machine"):
        up.binds("192.0.2.1", 81)


def test_a_server_answers_at_each_of_its_addresses(tmp_path: Path) -> None:
    port = free_port()
    command = gunicorn("wsgiref.simple_server:demo_app", up.binds("127.0.0.2", port), 1, 0, 1)
    with Process("demo", command, tmp_path / "log", lambda: answers(port)):
        for host in (LOOPBACK, "127.0.0.2"):
            with urllib.request.urlopen(f"http://{host}:{port}/", timeout=5) as answer:
                assert answer.status == 200


def ran(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(submit.command, list(words))
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture
def api(store: Store, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("KADR_API_KEY", "key")
    return f"http://127.0.0.1:{store.server_port}"


def test_a_run_is_waited_for_by_its_id(api: str) -> None:
    code, out, err = ran("--run", "r", "--wait", "--server", api)
    assert (code, f"run r is complete: {api}/v1/runs/r" in err) == (0, True)
    assert "v.mp4: complete" in out
    assert f"run r is complete: {api}/v1/runs/r" in ran("--run", "r", "--server", api)[1]
    assert "name a FILE" in ran()[2]
    assert "--profile is for a FILE" in ran("--run", "r", "--profile", "fast")[2]


def test_a_report_has_a_link_that_opens_and_is_put_into_a_folder(
    store: Store, api: str, tmp_path: Path
) -> None:
    store.statuses += [200, 200, 404]  # asked for before it is there
    code, out, err = ran("--run", "r", "--out", str(tmp_path / "new" / "out"), "--server", api)
    assert code == 0, err
    assert f"report: {api}/v1/reports/signed/report.html\n  (opens in a browser for 60 min)" in out
    assert f"lies in {tmp_path}/new/out/report.html" in out
    files = {file.name: file.read_text() for file in (tmp_path / "new/out").iterdir()}
    assert files == {name: f"/v1/reports/signed/{name}" for name in ("a.vtt", "report.html")}
    told = json.loads(ran("--run", "r", "--wait", "--json", "--server", api)[1])
    assert (told["report_url"], told["report_files"]) == (f"{api}/v1/reports/signed/report.html", [])


def test_who_gives_up_is_told_how_to_wait_for_the_run_again(
    store: Store, api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submit, "AWAY_S", 0.1)
    store.statuses += [200, *[503] * 5000]
    with pytest.raises(NotReached, match=rf"{api}/v1/runs/r.*kadr submit --run r --wait --server {api}"):
        submit.command.main(["--run", "r", "--wait", "--server", api], standalone_mode=False)


def test_nothing_is_uploaded_for_a_profile_that_is_none(store: Store, api: str, tmp_path: Path) -> None:
    file = tmp_path / "v.mp4"
    file.write_bytes(BODY)
    with pytest.raises(InvalidProfile, match="there is no profile 'bogus'"):
        submit.command.main([str(file), "--profile", "bogus", "--server", api], standalone_mode=False)
    assert store.got == []
