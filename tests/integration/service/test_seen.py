"""What people can see of the service: one run in the logs of all processes, metrics, `kadr top`, and dead letters."""

from __future__ import annotations

import io
import json
import os
import shutil
import stat
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from click.testing import CliRunner, Result
from prometheus_client.parser import text_string_to_metric_families

from cli.main import root
from cli.service import ServiceUnset
from events.messages import trace_of
from events.queue.messages import Message
from events.queue.queue import Queue
from events.queue.server import Server
from kadr.contracts.run import NO_KEY
from tests.e2e.conftest import ROOT
from tests.integration.service.conftest import Up
from tests.media_files import numbered, write_video

PROFILE = 'name = "loud"\ncomponents = ["loudness"]\n'
END_S = 90


@dataclass(frozen=True)
class Seen:
    """A run that came in by `kadr submit`, and what `kadr top` said meanwhile."""

    video: Path
    run_id: str
    busiest: dict[str, Any]

    @property
    def trace_id(self) -> str:
        return self.run_id.replace("-", "")


def told_nothing(up: Up) -> dict[str, str]:
    """The environment of a command on the service's machine: KADR_HOME and nothing else of Kadr's."""
    named = {name: value for name, value in up.environment.items() if not name.startswith("KADR_")}
    return {**named, "KADR_HOME": str(up.home)}


def ran(up: Up, *words: object, **environment: str) -> Result:
    """`kadr WORDS` in this process, which is quicker."""
    others = {name: None for name in os.environ if name.startswith("KADR_")}
    env = {**others, "KADR_HOME": str(up.home), **environment}
    return CliRunner(env=env).invoke(root, [str(word) for word in words])


def kadr(up: Up, *words: object, **environment: str) -> str:
    """What the command printed."""
    result = ran(up, *words, **environment)
    assert result.exit_code == 0, result.output
    return result.output


def said(up: Up, *words: object, **environment: str) -> Any:
    return json.loads(kadr(up, *words, "--json", **environment))


def here(up: Up) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((up.home / "service/service.json").read_text())
    return found


def metrics(url: str) -> str:
    with urllib.request.urlopen(f"{url}/metrics", timeout=10) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        return str(answer.read().decode())


def values(text: str) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(text)
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def lines(up: Up) -> list[dict[str, Any]]:
    texts = [path.read_text() for path in (up.home / "service/logs").glob("*.log")]
    return [json.loads(line) for text in texts for line in text.splitlines()]


@pytest.fixture(scope="module")
def seen(up: Up, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    folder = tmp_path_factory.mktemp("seen")
    write_video(folder / "seen.mp4", numbered(25), tone_s=1.0)
    (folder / "loud.toml").write_text(PROFILE)
    words = ["submit", folder / "seen.mp4", "--profile", folder / "loud.toml", "--wait", "--json"]
    submit = subprocess.Popen(
        [sys.executable, "-m", "cli.main", *map(str, words)],
        env=told_nothing(up),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    busiest: dict[str, Any] = {}
    while submit.poll() is None:
        for row in said(up, "top", "--interval", 0.2)["functions"]:
            served = row["replicas"] is not None  # answers have no processes of their own
            if served and row["depth"] and row["depth"] >= busiest.get("depth", 0):
                busiest = row
    out, err = submit.communicate()
    assert submit.returncode == 0, err + up.logs()
    run = json.loads(out)
    assert run["status"] == "complete"
    return Seen(folder / "seen.mp4", run["run_id"], busiest)


def test_one_run_can_be_followed_through_all_processes(up: Up, seen: Seen) -> None:
    """`grep TRACE_ID service/logs/*.log`."""
    up.ended(seen.run_id)
    mine = [line for line in lines(up) if line.get("trace_id") == seen.trace_id]
    assert {(line["process"], line["logger"]) for line in mine} >= {
        ("web", "kadr.admission"),
        ("control", "kadr.router"),
        ("control", "kadr.pump"),
        ("function", "kadr.function"),
    }
    assert {line["run_id"] for line in mine} == {seen.run_id}
    assert {line["owner"] for line in mine} == {"main"}
    loudness = [line for line in mine if line.get("task") == "loudness"]
    assert [line["process"] for line in sorted(loudness, key=lambda line: line["time"])] == [
        "control",
        "function",
        "control",
    ]
    assert loudness[0]["function"] == "loudness"
    assert "the run has ended: complete" in {line["message"] for line in mine}


def test_every_line_of_every_log_is_json(up: Up, seen: Seen) -> None:
    for line in lines(up):
        assert line["time"].endswith("Z")
        assert line["level"] in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
        assert line["process"] in ("web", "control", "function", "egress")
        assert line["message"]


def test_metrics_of_control_say_what_happened(up: Up, seen: Seen) -> None:
    control = here(up)["control"]
    text = metrics(control)
    found = values(text)
    assert found["kadr_delivery_seconds_count", "loudness", "done"] >= 1
    assert found["kadr_cold_start_seconds_count", "loudness"] >= 1
    assert found["kadr_cold_start_seconds_sum", "loudness"] > 0
    assert found["kadr_queue_finished_total", "loudness"] >= 1
    assert found["kadr_queue_depth", "loudness"] == 0
    assert found["kadr_hints_handled_total",] > 0
    assert found["kadr_reconciler_passes_total",] >= 1
    assert ("kadr_open_runs",) in found
    assert found["process_resident_memory_bytes",] > 0
    assert seen.run_id not in text
    for path in ("/live", "/ready", "/health", "/health/live", "/health/ready"):
        with urllib.request.urlopen(f"{control}{path}", timeout=10) as answer:
            assert answer.status == 200


def test_metrics_of_web_and_of_a_function(up: Up, seen: Seen) -> None:
    web = values(metrics(up.url))
    assert web["kadr_http_answers_total", "POST", "/v1/runs", "202"] >= 1
    assert web["kadr_http_answers_total", "GET", "/v1/runs/<run_id>", "200"] >= 1
    function = values(metrics(_replica(up)))
    assert sum(value for name, value in function.items() if name[0] == "kadr_task_seconds_count") >= 1


def _replica(up: Up) -> str:
    """The URL of a function's process that runs now."""
    assert up.process is not None
    for process in psutil.Process(up.process.pid).children(recursive=True):
        listens = [c.laddr for c in process.net_connections("tcp") if c.status == psutil.CONN_LISTEN]
        if "cli.function:app" in process.cmdline() and listens:
            return f"http://{listens[0].ip}:{listens[0].port}"
    raise AssertionError("no function runs any more")


def test_promtool_finds_nothing_to_say(up: Up, seen: Seen) -> None:
    if (promtool := shutil.which("promtool")) is None:
        pytest.skip("promtool is not installed (apt-get install prometheus)")
    for url in (up.url, here(up)["control"]):
        checked = subprocess.run(
            [promtool, "check", "metrics"], input=metrics(url), capture_output=True, text=True, check=False
        )
        assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_top_shows_what_happens_while_it_happens(up: Up, seen: Seen) -> None:
    assert seen.busiest["depth"] >= 1
    rows = {row["function"]: row for row in said(up, "top", "--interval", 0.2)["functions"]}
    assert {"acquire", "loudness", "speech"} <= rows.keys()
    assert rows["loudness"]["depth"] == 0
    text = kadr(up, "top", "--once", "--interval", 0.2)
    assert "in flight" in text
    assert "idle" in text


def test_top_can_ask_the_queue_alone(up: Up, seen: Seen, tmp_path: Path) -> None:
    url = here(up)["settings"]["redis_url"]
    found = said(up, "top", "--interval", 0.2, KADR_HOME=str(tmp_path), KADR_REDIS_URL=url)
    rows = {row["function"]: row for row in found["functions"]}
    assert rows["loudness"]["depth"] == 0
    assert rows["loudness"]["replicas"] is None


def test_where_no_service_runs_that_is_said(up: Up, tmp_path: Path) -> None:
    result = ran(up, "dlq", "list", KADR_HOME=str(tmp_path))
    assert isinstance(result.exception, ServiceUnset)
    assert "kadr up" in str(result.exception)


def test_the_keys_of_the_running_service_are_its_owners(up: Up) -> None:
    path = up.home / "service/service.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert here(up)["settings"]["api_key"] == up.kept["api_key"]


def _dead_letter(up: Up, run_id: str) -> dict[str, Any]:
    """What becomes of a task whose event is none: it is given up at once."""
    message = Message(
        "acquire",
        run_id,
        "main",
        "acquire",
        json.dumps({"user_id": "main", "run_id": run_id, "acquire": "?"}),
        NO_KEY,
        trace=trace_of(run_id),
    )
    server = Server(here(up)["settings"]["redis_url"])
    Queue(server).rearm(message)
    server.close()
    deadline = time.monotonic() + END_S
    while time.monotonic() < deadline:
        for letter in said(up, "dlq", "list", "acquire"):
            if letter["id"] == message.id:
                found: dict[str, Any] = letter
                return found
        time.sleep(0.1)
    raise AssertionError(up.logs())


def _failed(up: Up, run_id: str) -> list[dict[str, Any]]:
    """What functions say of the run's tasks that failed."""
    mine = [line for line in lines(up) if line.get("run_id") == run_id and line["process"] == "function"]
    return [line for line in mine if line.get("outcome") == "failed"]


def _until(up: Up, run_id: str, *states: str) -> str:
    deadline = time.monotonic() + END_S
    while (status := up.ask("GET", f"/v1/runs/{run_id}")[1]["status"]) not in states:
        assert time.monotonic() < deadline, status
        time.sleep(0.2)
    return str(status)


def test_a_dead_letter_of_a_closed_run_is_replayed_by_trying_the_run_again(up: Up, seen: Seen) -> None:
    key = "inbox/main/.uploads/late/late.mp4"
    body = seen.video.read_bytes()
    etag = up.minio().put_object("kadr", key, io.BytesIO(body), len(body)).etag
    up.minio().put_object("kadr", key, io.BytesIO(b"another"), 7)
    asked = {"video_source": {"type": "upload", "key": key, "etag": etag}, "name": "late.mp4"}
    run_id = up.ask("POST", "/v1/runs", asked)[1]["run_id"]
    assert _until(up, run_id, "failed") == "failed"
    deadline = time.monotonic() + END_S
    while not any("late.mp4" in line["message"] for line in _failed(up, run_id)):
        assert time.monotonic() < deadline, _failed(up, run_id)
        time.sleep(0.1)

    letter = _dead_letter(up, run_id)
    assert (letter["run_id"], letter["code"], letter["attempts"]) == (run_id, "InvalidTask", 1)
    shown = kadr(up, "dlq", "show", letter["id"])
    assert "InvalidTask" in shown
    assert letter["trace_id"] == run_id.replace("-", "")
    assert letter["id"] in kadr(up, "dlq", "list")
    deadline = time.monotonic() + END_S
    while not values(metrics(here(up)["control"]))["kadr_dead_letters", "acquire"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)

    up.minio().put_object("kadr", key, io.BytesIO(body), len(body))
    assert said(up, "dlq", "replay", letter["id"])[0]["result"] == "retried"
    assert _until(up, run_id, "complete") == "complete"
    assert up.ask("GET", f"/v1/runs/{run_id}")[1]["epoch"] == 2
    assert letter["id"] not in {one["id"] for one in said(up, "dlq", "list")}

    again = _dead_letter(up, run_id)
    assert said(up, "dlq", "replay", "--all")[0]["result"] == "already"
    assert up.ask("GET", f"/v1/runs/{run_id}")[1]["status"] == "complete"

    assert _dead_letter(up, run_id)["id"] == again["id"]
    assert said(up, "dlq", "drop", again["id"]) == {"dropped": 1}
    assert kadr(up, "dlq", "list") == "no dead letters\n"


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("replay",), "--all"),
        (("drop", "some", "--all"), "--all"),
        (("replay", "none"), "no dead letter 'none'"),
        (("show", "none"), "no dead letter 'none'"),
        (("list", "nope"), "no function 'nope'"),
    ],
)
def test_what_cannot_be_meant_is_refused(up: Up, words: tuple[str, ...], why: str) -> None:
    result = ran(up, "dlq", *words)
    assert result.exit_code != 0
    assert why in result.output + str(result.exception)
