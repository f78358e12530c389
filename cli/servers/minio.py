"""MinIO on loopback: the real server, from the PATH or as `make minio` built it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Self

from cli.servers.process import LOOPBACK, Process, ServerFailed, beside_python, free_port
from cli.servers.s3 import Webhook, credentials, environment, ready


def minio_program() -> Path | None:
    found = shutil.which("minio") or beside_python("minio")
    return Path(found) if found else None


class MinIO:
    """One server over one folder."""

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

    def start(self) -> Self:
        """Raises ServerFailed."""
        program = minio_program()
        if program is None:
            raise ServerFailed("there is no minio on the PATH: `make minio` builds one where Go is installed")
        objects = self.folder / "objects"
        objects.mkdir(parents=True, exist_ok=True)
        # Its own pages are never asked for; they would take a second port that everybody on the network can reach.
        quiet = {"MINIO_BROWSER": "off", "MINIO_UPDATE": "off"}
        self._process = Process(
            "MinIO",
            [str(program), "server", "--quiet", "--address", self.endpoint, str(objects)],
            self.folder / "server.log",
            lambda: ready(self.port),
            env={**environment(self.access_key, self.secret_key, self._webhook), **quiet},
        )
        self._process.start()
        return self

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
