"""What the S3 servers that Kadr starts have in common: credentials of their own, a bucket, and notices of what is written."""

from __future__ import annotations

import http.client
import json
import os
import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from cli.servers.process import LOOPBACK, Process, free_port

WEBHOOK = "KADR"
"""The name of the one webhook that a server is given; its ARN is made of it."""
ARN = f"arn:minio:sqs::{WEBHOOK}:webhook"
CREDENTIALS = "credentials.json"
PROBE_S = 1.0


@dataclass(frozen=True)
class Webhook:
    """Where a server posts its notices, and the word by which they are known to be its."""

    url: str
    token: str = ""
    """One word, without "Bearer": both servers then send ``Authorization: Bearer <token>``, else each something of its own."""


class S3Server(Protocol):
    """A server that speaks S3 on loopback; the same data and credentials are there after a restart."""

    access_key: str
    secret_key: str

    @property
    def endpoint(self) -> str:
        """Host and port."""
        ...

    @property
    def alive(self) -> bool: ...

    def start(self) -> Self:
        """Raises ServerFailed."""
        ...

    def stop(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...


class OwnServer(ABC):
    """What they do alike: one process over one folder, with credentials of its own."""

    def __init__(self, folder: Path, webhook: Webhook | None = None, port: int | None = None) -> None:
        self.folder = folder.absolute()
        self.port = port or free_port()
        self.access_key, self.secret_key = credentials(self.folder)
        self._webhook = webhook
        self._process: Process | None = None

    @property
    def endpoint(self) -> str:
        return f"{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.alive

    @abstractmethod
    def start(self) -> Self:
        """Raises ServerFailed."""

    def _run(self, name: str, command: list[str], env: Mapping[str, str]) -> None:
        told = {**environment(self.access_key, self.secret_key, self._webhook), **env}
        log = self.folder / "server.log"
        self._process = Process(name, command, log, lambda: ready(self.port), env=told)
        self._process.start()

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def credentials(folder: Path) -> tuple[str, str]:
    """Access and secret key of the server whose data lies in ``folder``: made at its first start, and its user's alone."""
    path = folder / CREDENTIALS
    if not path.is_file():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        made = json.dumps({"access_key": "kadr", "secret_key": secrets.token_urlsafe(24)})
        handle = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(made)
    body = json.loads(path.read_text())
    return body["access_key"], body["secret_key"]


def environment(access_key: str, secret_key: str, webhook: Webhook | None) -> Mapping[str, str]:
    """What MinIO and the gateway that is built on it read. Without a queue folder a notice is sent at once and not repeated."""
    env = {"MINIO_ROOT_USER": access_key, "MINIO_ROOT_PASSWORD": secret_key}
    if webhook is not None:
        env |= {
            f"MINIO_NOTIFY_WEBHOOK_ENABLE_{WEBHOOK}": "on",
            f"MINIO_NOTIFY_WEBHOOK_ENDPOINT_{WEBHOOK}": webhook.url,
            f"MINIO_NOTIFY_WEBHOOK_AUTH_TOKEN_{WEBHOOK}": webhook.token,
        }
    return env


def ready(port: int) -> bool:
    """Whether the server has its objects at hand; one that is merely alive sends callers away for a minute."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=PROBE_S)
    try:
        connection.request("GET", "/minio/health/ready")
        answer = connection.getresponse()
        return answer.status == 200 and answer.getheader("x-minio-server-status") != "offline"
    finally:
        connection.close()
