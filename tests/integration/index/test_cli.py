"""``kadr index`` as a person runs it."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from cli.main import main
from index.migrations import load
from kadr.storage.cache import Cache
from kadr.storage.files import FileStore
from kadr.storage.s3 import S3Store
from tests.integration.index.bucket import FULL, copy
from tests.servers_s3 import CACHE, Start, started

__all__ = ["started"]


@pytest.fixture
def home(store: FileStore, empty_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("KADR_HOME", str(store.root.parent))
    monkeypatch.setenv("KADR_DATABASE_URL", empty_url)
    return store.root.parent


def kadr(monkeypatch: pytest.MonkeyPatch, *args: str) -> int:
    monkeypatch.setattr("sys.argv", ["kadr", *args])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.mark.usefixtures("home")
def test_from_an_empty_database_to_one_that_agrees(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], empty_url: str
) -> None:
    assert kadr(monkeypatch, "index", "rebuild") == 1
    assert "run `kadr index migrate`" in capsys.readouterr().err
    assert kadr(monkeypatch, "index", "migrate") == 0
    assert "applied 0001_index" in capsys.readouterr().out
    assert kadr(monkeypatch, "index", "migrate") == 0
    assert capsys.readouterr().out == "nothing to do\n"
    assert kadr(monkeypatch, "index", "rebuild") == 0
    assert "9 runs, 2 videos, 2 aliases in the store; 13 written" in capsys.readouterr().out
    assert kadr(monkeypatch, "index", "check") == 0
    with psycopg.connect(empty_url) as connection:
        connection.execute("DELETE FROM runs WHERE run_id = %s", (FULL,))
    capsys.readouterr()
    assert kadr(monkeypatch, "index", "check", "--json") == 1
    found = json.loads(capsys.readouterr().out)
    assert {"what": "missing", "table": "runs", "key": ["local", FULL], "detail": ""} in found
    assert kadr(monkeypatch, "index", "check") == 1
    assert "To mend it: kadr index rebuild" in capsys.readouterr().out
    assert kadr(monkeypatch, "index", "rebuild", "--json") == 0
    assert json.loads(capsys.readouterr().out)["written"] == 1
    assert kadr(monkeypatch, "index", "status", "--json") == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["pending"], status["rows"]["runs"], status["rows"]["webhooks"]) == ([], 9, 0)
    assert kadr(monkeypatch, "index", "status") == 0
    newest = load()[-1]
    assert f"schema: {newest.number:04d}_{newest.name}" in capsys.readouterr().out


@pytest.mark.usefixtures("home")
def test_what_is_missing_is_said_and_no_password(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KADR_DATABASE_URL", "postgresql://kadr:hunter2@127.0.0.1:1/kadr")
    assert kadr(monkeypatch, "index", "status") == 1
    said = capsys.readouterr()
    assert "127.0.0.1:1/kadr does not answer" in said.err
    monkeypatch.setenv("KADR_DATABASE_URL", "postgresql//kadr:hunter2@x")
    assert kadr(monkeypatch, "index", "check", "--json") == 2
    wrong = capsys.readouterr()
    assert "hunter2" not in said.out + said.err + wrong.out + wrong.err
    monkeypatch.setenv("KADR_DATABASE_URL", "")
    assert kadr(monkeypatch, "index", "rebuild") == 2
    assert "KADR_DATABASE_URL is not set" in capsys.readouterr().err


def test_the_bucket_that_the_settings_name_is_read_and_not_this_machines_store(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    store: FileStore,
    url: str,
    tmp_path: Path,
    started: Start,
) -> None:
    backend = started("juicefs")
    client = backend.client()
    copy(store, S3Store(client, Cache(tmp_path / "cache", CACHE)), *store.list(""))
    address = client.address
    for name, value in {
        "HOME": str(tmp_path / "nothing here"),
        "DATABASE_URL": url,
        "S3_ENDPOINT": address.endpoint,
        "S3_BUCKET": address.bucket,
        "S3_ACCESS_KEY": address.access_key,
        "S3_SECRET_KEY": address.secret_key,
    }.items():
        monkeypatch.setenv(f"KADR_{name}", value)
    assert kadr(monkeypatch, "index", "rebuild") == 0
    named = f"bucket {address.bucket} at {address.endpoint}"
    assert f"9 runs, 2 videos, 2 aliases in {named}; 13 written" in capsys.readouterr().out
    assert kadr(monkeypatch, "index", "check") == 0
    assert capsys.readouterr().out == f"the index says what {named} says\n"
    assert kadr(monkeypatch, "index", "check", "--local", "--json") == 1  # nothing lies on this machine
    assert "extra" in {found["what"] for found in json.loads(capsys.readouterr().out)}
    monkeypatch.setenv("KADR_S3_SECRET_KEY", "")
    assert kadr(monkeypatch, "index", "check") == 2
    assert "KADR_S3_SECRET_KEY is not set" in capsys.readouterr().err
