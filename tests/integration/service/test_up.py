"""`kadr up`: three entrances to one service, what it keeps, and what it answers to the malformed."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from kadr.settings import Settings
from tests.e2e.conftest import ROOT, Kadr
from tests.integration.service.conftest import Up, computed, digests


@pytest.fixture(scope="module")
def first(up: Up, clip: Path) -> str:
    """A run that came in by REST, as `kadr submit` sends it."""
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "submit", str(clip), "--server", up.url, "--wait", "--json"],
        env={**up.environment, "KADR_API_KEY": up.kept["api_key"]},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr + up.logs()
    run: dict[str, Any] = json.loads(done.stdout)
    assert run["status"] == "complete"
    return str(run["run_id"])


def test_what_the_service_makes_is_what_one_machine_makes(
    up: Up, first: str, clip: Path, tmp_path: Path
) -> None:
    kadr = Kadr(tmp_path / "home", Settings().weights)
    done = kadr("analyze", clip, "--profile", up.home / "small.toml", "--out", tmp_path / "out")
    assert done.code == 0, done.err
    manifest = up.manifest(first)
    assert digests(manifest) == kadr.results() != {}
    status, report = up.ask("GET", f"/v1/runs/{first}/report/report.html")
    assert status in (200, 404)  # it is rendered after the run has ended
    up.ended(first)
    status, report = up.ask("GET", f"/v1/runs/{first}/report/report.html")
    assert status == 200
    assert b"a clip.mp4" in report
    status, link = up.ask("GET", f"/v1/runs/{first}/report")
    assert (status, up.ask("GET", link["url"], key="none")) == (200, (200, report))


def test_a_file_dropped_into_the_inbox_is_analysed_and_known(up: Up, first: str, clip: Path) -> None:
    """By the default profile. The same bytes are computed once; the inbox is empty afterwards."""
    store = up.minio()
    body = clip.read_bytes()
    store.put_object("kadr", "inbox/main/été & co+1.mp4", io.BytesIO(body), len(body))
    run_id = _run_called(up, "été & co+1.mp4")
    assert up.ended(run_id)["status"] == "complete"
    manifest = up.manifest(run_id)
    assert digests(manifest) == digests(up.manifest(first))
    assert computed(manifest) == 0
    left = [o.object_name for o in store.list_objects("kadr", "inbox/", recursive=True)]
    assert not [name for name in left if name and ".uploads/" not in name]


def test_an_event_of_another_system_asks_once_however_often_it_is_sent(
    up: Up, first: str, clip: Path
) -> None:
    store, body = up.minio(), clip.read_bytes()
    if not store.bucket_exists("theirs"):
        store.make_bucket("theirs")
    store.put_object("theirs", "raw/clip.mp4", io.BytesIO(body), len(body))
    asked = {"user_id": "main", "video_source": {"type": "s3", "bucket": "theirs", "key": "raw/clip.mp4"}}
    event = {
        "specversion": "1.0",
        "id": "e-1",
        "source": "/cms",
        "type": "dev.kadr.run.requested.v1",
        "data": asked,
    }
    structured = {"Content-Type": "application/cloudevents+json"}
    binary = {f"ce-{name}": event[name] for name in ("specversion", "id", "source", "type")}
    token = up.kept["notify_token"]
    status, one = up.ask("POST", "/events", event, structured, token)
    again, two = up.ask("POST", "/events", asked, {k: str(v) for k, v in binary.items()}, token)
    assert (status, again) == (202, 202)
    assert one == two
    assert up.ended(one["run_id"])["status"] == "complete"
    manifest = up.manifest(one["run_id"])
    assert digests(manifest) == digests(up.manifest(first))
    assert computed(manifest) == 0
    assert store.stat_object("theirs", "raw/clip.mp4").size == len(body)


def test_a_finished_run_answers_the_same_question_and_a_key_makes_a_repeat_the_same_run(
    up: Up, first: str, clip: Path
) -> None:
    store, body = up.minio(), clip.read_bytes()
    if not store.bucket_exists("theirs"):
        store.make_bucket("theirs")
    store.put_object("theirs", "raw/same.mp4", io.BytesIO(body), len(body))
    pinned = {"type": "s3", "bucket": "theirs", "key": "raw/same.mp4", "version": "null"}
    asked = {"video_source": pinned, "meta": {"order": 7}}
    key = {"Idempotency-Key": '"order-7"'}
    status, one = up.ask("POST", "/v1/runs", asked, key)
    assert status == 202
    assert up.ask("POST", "/v1/runs", asked, key) == (202, one)
    refused, said = up.ask("POST", "/v1/runs", {**asked, "meta": {}}, key)
    assert (refused, said["title"]) == (422, "KeyReused")
    assert up.ended(one["run_id"])["status"] == "complete"
    with psycopg.connect(_database(up), autocommit=True) as connection:
        deadline = time.monotonic() + 60
        query = "select from runs where run_id = %s and closed"
        while connection.execute(query, (one["run_id"],)).fetchone() is None:
            assert time.monotonic() < deadline
            time.sleep(0.2)
    status, found = up.ask("POST", "/v1/runs", {"video_source": pinned})
    assert (status, found["how"], found["run_id"]) == (200, "finished", one["run_id"])
    status, anew = up.ask("POST", "/v1/runs", {"video_source": pinned, "refresh": True})
    assert (status, anew["run_id"] == one["run_id"]) == (202, False)
    up.ask("POST", f"/v1/runs/{anew['run_id']}/cancel")


@pytest.mark.parametrize(
    ("headers", "body", "status"),
    [
        ({"Content-Type": "application/cloudevents-batch+json"}, b"[]", 415),
        ({"Content-Type": "application/cloudevents+json"}, b"{", 202),
        (
            {"Content-Type": "application/cloudevents+json"},
            b'{"specversion":"1.0","id":"1","source":"s","type":"t"}',
            202,
        ),
    ],
)
def test_malformed_events_are_kept_with_the_reason(
    up: Up, headers: dict[str, str], body: bytes, status: int
) -> None:
    found, said = up.ask("POST", "/events", body, headers, up.kept["notify_token"])
    assert found == status
    if status == 202:
        assert said["rejected"]
        names = [o.object_name for o in up.minio().list_objects("kadr", "rejected/", recursive=True)]
        bodies = [json.loads(up.minio().get_object("kadr", str(n)).read()) for n in names]
        assert said["rejected"] in {b["why"][:300] for b in bodies}


@pytest.mark.parametrize("path", ["/notifications", "/events", "/v1/runs"])
def test_strangers_are_refused(up: Up, path: str) -> None:
    assert up.ask("POST", path, {"Records": []}, key="wrong")[0] == 401


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ({"type": "upload", "key": "inbox/somebody/x.mp4"}, "inbox"),
        ({"type": "ftp", "url": "ftp://x/"}, "video_source.type"),
        ({"type": "upload", "key": "inbox/main/.uploads/none/gone.mp4"}, "is not there: put the file first"),
        (None, "video_source"),
    ],
)
def test_a_source_that_cannot_be_is_refused(up: Up, source: Any, word: str) -> None:
    status, said = up.ask("POST", "/v1/runs", {"video_source": source})
    assert 400 <= status < 500
    assert word in said["detail"]


@pytest.mark.parametrize(
    "source",
    [
        {"type": "s3", "bucket": "kadr", "key": "videos/other/x/source"},
        {"type": "https", "url": "https://169.254.169.254/latest/meta-data/"},
        {"type": "youtube_url", "url": "https://localhost/watch?v=1"},
    ],
)
def test_what_cannot_be_fetched_fails_the_run_with_the_reason(up: Up, source: dict[str, str]) -> None:
    status, run = up.ask("POST", "/v1/runs", {"video_source": source})
    assert status == 202
    deadline = time.monotonic() + 60
    while (found := up.ask("GET", f"/v1/runs/{run['run_id']}")[1])["status"] != "failed":
        assert time.monotonic() < deadline, found
        time.sleep(0.2)
    assert found["error"]["message"]
    assert "url" not in source or "denied by the egress filter" in found["error"]["message"]


def test_the_index_is_rebuilt_from_the_bucket_of_the_service_that_runs_here(up: Up, first: str) -> None:
    with psycopg.connect(_database(up), autocommit=True) as connection:
        connection.execute("delete from runs where run_id = %s", (first,))
    for command, said in (
        ("rebuild", "in bucket kadr at http://127.0.0.1"),
        ("check", "the index says what"),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "cli.main", "index", command],
            env={**up.environment, "KADR_API_KEY": up.kept["api_key"]},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=ROOT,
        )
        assert said in done.stdout, done.stdout + done.stderr
    with psycopg.connect(_database(up)) as connection:
        assert connection.execute("select 1 from runs where run_id = %s", (first,)).fetchone()


def test_it_starts_again_with_everything_still_there(up: Up, first: str) -> None:
    before = up.manifest(first)
    with psycopg.connect(_database(up)) as connection:
        row = connection.execute("select status from runs where run_id = %s", (first,)).fetchone()
    assert row == ("complete",)
    assert up.stop() == 0
    assert not (up.home / "service/service.json").exists()
    up.start()
    assert up.manifest(first) == before


def test_killed_it_starts_again_with_everything_still_there(up: Up, first: str) -> None:
    before = up.manifest(first)
    assert up.process is not None
    up.process.kill()
    up.process.wait()
    up.start()
    assert up.manifest(first) == before


def _database(up: Up) -> str:
    from cli.servers.postgres import Postgres

    return Postgres(up.home / "service/postgres").url


def _run_called(up: Up, name: str) -> str:
    """The id of the run about the file of that name, when it is there."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        store = up.minio()
        for found in store.list_objects("kadr", "state/main/", recursive=True):
            if str(found.object_name).endswith("/request.json"):
                request = json.loads(store.get_object("kadr", str(found.object_name)).read())
                if request["source_name"] == name:
                    return str(request["run_id"])
        time.sleep(0.2)
    raise AssertionError(f"no run about {name}")
