"""The S3 servers that Kadr starts: their keys, their data, and what is said where they cannot start."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cli.servers.juicefs import JuiceFS
from cli.servers.minio import MinIO
from cli.servers.objects import object_store
from cli.servers.process import ServerFailed
from cli.servers.s3 import credentials
from tests.servers_s3 import SERVERS, Backend, Listener, Start, server, started

__all__ = ["started"]


@pytest.mark.parametrize("name", SERVERS)
def test_keys_and_objects_are_there_after_a_restart_at_another_port(name: str, tmp_path: Path) -> None:
    with server(name, tmp_path / "data") as first:
        client = Backend(name, first, Listener()).client("kadr")
        client.make_bucket()
        client.make_bucket()
        client.check()
    with server(name, tmp_path / "data") as second:
        assert second.secret_key == first.secret_key
        Backend(name, second, Listener()).client("kadr").check()


def test_keys_are_made_once_for_each_folder_and_are_private(tmp_path: Path) -> None:
    keys = credentials(tmp_path / "a")
    assert credentials(tmp_path / "a") == keys
    assert credentials(tmp_path / "b") != keys
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "a" / "credentials.json").stat().st_mode & 0o777 == 0o600


def test_names_that_cannot_be_kept_are_told(tmp_path: Path) -> None:
    with pytest.raises(ServerFailed, match="juicefs format ended"):
        JuiceFS(tmp_path, meta=f"sqlite3://{tmp_path}/none/names.db").start()


def test_without_a_program_it_is_told_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cli.servers.minio.minio_program", lambda: None)
    with pytest.raises(ServerFailed, match="make minio"):
        MinIO(tmp_path).start()
    monkeypatch.setattr("cli.servers.juicefs.juicefs_program", lambda: None)
    with pytest.raises(ServerFailed, match="machine"):
        JuiceFS(tmp_path).start()


def test_minio_is_preferred_where_it_is_and_a_folder_stays_with_its_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.servers.objects.minio_program", lambda: tmp_path)
    assert isinstance(object_store(tmp_path / "new"), MinIO)
    (tmp_path / "old" / "blocks").mkdir(parents=True)
    assert isinstance(object_store(tmp_path / "old"), JuiceFS)
    for where in ("objects", "minio"):
        monkeypatch.setattr(f"cli.servers.{where}.minio_program", lambda: None)
    assert isinstance(object_store(tmp_path / "other"), JuiceFS)
    (tmp_path / "new" / "objects").mkdir()
    with pytest.raises(ServerFailed, match="make minio"):
        object_store(tmp_path / "new").start()


def test_several_processes_make_the_bucket_at_once(started: Start) -> None:
    backend = started("juicefs")
    with ThreadPoolExecutor(4) as pool:
        for made in [pool.submit(backend.client("shared-bucket").make_bucket) for _ in range(4)]:
            made.result()
