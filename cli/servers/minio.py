"""MinIO on loopback: the real server, from the PATH or as `make minio` built it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Self

from cli.servers.process import ServerFailed, beside_python
from cli.servers.s3 import OwnServer


def minio_program() -> Path | None:
    found = shutil.which("minio") or beside_python("minio")
    return Path(found) if found else None


class MinIO(OwnServer):
    """One server over one folder."""

    def start(self) -> Self:
        """Raises ServerFailed."""
        program = minio_program()
        if program is None:
            raise ServerFailed("there is no minio on the PATH: `make minio` builds one where Go is installed")
        objects = self.folder / "objects"
        objects.mkdir(parents=True, exist_ok=True)
        # Its own pages are never asked for; they would take a second port that everybody on the network can reach.
        quiet = {"MINIO_BROWSER": "off", "MINIO_UPDATE": "off"}
        command = [str(program), "server", "--quiet", "--address", self.endpoint, str(objects)]
        self._run("MinIO", command, quiet)
        return self
