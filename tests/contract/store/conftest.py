"""The stores that the contract is asked of: files, and S3 on every server that is here."""

from __future__ import annotations

from pathlib import Path

import pytest

from kadr.storage.cache import Cache
from kadr.storage.files import FileStore
from kadr.storage.s3 import S3Store
from kadr.storage.store import ObjectStore
from tests.servers_s3 import CACHE, SERVERS, Start, backend, bucket, client, s3, started

__all__ = ["backend", "bucket", "client", "s3", "started", "store"]


@pytest.fixture(params=["files", *SERVERS])
def store(request: pytest.FixtureRequest, tmp_path: Path, started: Start) -> ObjectStore:
    if request.param == "files":
        return FileStore(tmp_path / "store")
    return S3Store(started(request.param).client(), Cache(tmp_path / "cache", CACHE))
