"""Which S3 server Kadr starts on this machine."""

from __future__ import annotations

from pathlib import Path

from cli.servers.juicefs import JuiceFS
from cli.servers.minio import MinIO, minio_program
from cli.servers.s3 import S3Server, Webhook


def object_store(folder: Path, webhook: Webhook | None = None, port: int | None = None) -> S3Server:
    """MinIO where its program is, else JuiceFS's gateway; a folder that one of them has filled stays with it."""
    filled_by_minio, filled_by_juicefs = (folder / "objects").is_dir(), (folder / "blocks").is_dir()
    if filled_by_minio or (minio_program() and not filled_by_juicefs):
        return MinIO(folder, webhook, port)
    return JuiceFS(folder, webhook, port)
