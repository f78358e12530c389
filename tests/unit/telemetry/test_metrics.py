"""Every process's metrics are Prometheus's text, by promtool where it is installed, and their labels are bounded."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from flask import Flask, Response
from prometheus_client.parser import text_string_to_metric_families

from events.binding import TASK_READY, Event
from events.gauges import QueueGauges
from events.health import add_health, add_metrics
from events.outcomes import outcome
from events.queue.depth import Depth
from events.watched import Watched
from kadr.telemetry.metrics import ControlMetrics, FunctionMetrics, Metrics

DEPTH = Depth(3, 1, 2, 4, 5, 2, 1, 6, 90_500, None, 10, 4, 2, 1, 0, 6, 0, 0)


def samples(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    found = (s for family in text_string_to_metric_families(text) for s in family.samples)
    return {(s.name, tuple(s.labels.values())): s.value for s in found}


def control() -> ControlMetrics:
    metrics = ControlMetrics()
    metrics.registry.register(QueueGauges(lambda: {"ocr": DEPTH}, lambda: {"ocr": (1, 1)}))
    metrics.cold_start_seconds.labels("ocr").observe(1.5)
    metrics.delivery_seconds.labels("ocr", "done").observe(2.5)
    return metrics


def test_the_queue_is_told_part_by_part() -> None:
    said = samples(control().text().decode())
    assert said["kadr_queue_depth", ("ocr",)] == 3 + 1 + 4 + 5
    parts = {labels[1]: value for (name, labels), value in said.items() if name == "kadr_queue_tasks"}
    assert parts == {"ready": 3, "due": 1, "delayed": 2, "lag": 4, "pending": 5, "parked": 1}
    assert said["kadr_queue_oldest_seconds", ("ocr",)] == 90.5
    assert said["kadr_queue_in_flight", ("ocr",)] == 2
    assert said["kadr_queue_retries_total", ("ocr",)] == 2
    assert said["kadr_dead_letters", ("ocr",)] == 6
    assert said["kadr_replicas", ("ocr", "ready")] == said["kadr_replicas", ("ocr", "starting")] == 1
    assert said["kadr_cold_start_seconds_count", ("ocr",)] == 1
    assert said["kadr_cold_start_seconds_sum", ("ocr",)] == 1.5
    assert said["kadr_delivery_seconds_sum", ("ocr", "done")] == 2.5


@pytest.mark.parametrize("make", [Metrics, FunctionMetrics, control])
def test_promtool_finds_nothing_to_say(make: type[Metrics]) -> None:
    if (promtool := shutil.which("promtool")) is None:
        pytest.skip("promtool is not installed: the text is only parsed")
    metrics = make()
    metrics.http_answers.labels("GET", "/v1/runs", "200").inc()
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=metrics.text(), capture_output=True, timeout=30, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


def app(metrics: FunctionMetrics) -> Flask:
    made = Flask(__name__)
    add_health(made, lambda: "")
    add_metrics(made, metrics)
    return made


def test_strangers_cannot_make_labels() -> None:
    metrics = FunctionMetrics()
    client = app(metrics).test_client()
    for number in range(20):
        assert client.get(f"/{number}").status_code == 404
        client.open("/live", method=f"X{number}")
    client.get("/live")
    answer = client.get("/metrics")
    assert answer.content_type.startswith("text/plain; version=")
    said = {k: v for k, v in samples(answer.text).items() if k[0] == "kadr_http_answers_total"}
    assert said["kadr_http_answers_total", ("GET", "/live", "200")] == 1
    assert sum(said.values()) == 41
    assert len(said) <= 3


def test_a_function_counts_its_tasks_by_how_they_ended() -> None:
    metrics = FunctionMetrics()
    answers = iter(
        [
            Response('{"record": "state/a/b/1/ocr.ok.json", "cached": false}', 200),
            Response('{"record": "state/a/b/1/ocr.k.failed.json", "failed": "Bad", "message": "no"}', 200),
            Response('{"retryable": true, "detail": "away"}', 503),
        ]
    )

    def function(_: Event) -> Response:
        return next(answers)

    watched = Watched("ocr", function, metrics)
    for _ in range(3):
        watched.take(Event("1", "/test", TASK_READY, {}, "ada/run/ocr"))
    said = samples(metrics.text().decode())
    counted = {k[1][1]: v for k, v in said.items() if k[0] == "kadr_task_seconds_count"}
    assert counted == {"done": 1, "failed": 1, "retried": 1}


@pytest.mark.parametrize(
    ("status", "said", "word"),
    [
        (200, {"record": "x.ok.json", "cached": True}, "cached"),
        (200, {"files": []}, "done"),
        (409, {}, "planned_anew"),
        (403, {}, "refused"),
        (503, {"attempt": False}, "waiting"),
        (422, {"retryable": False}, "given_up"),
        (500, {}, "retried"),
    ],
)
def test_every_answer_has_one_word(status: int, said: dict[str, object], word: str) -> None:
    assert outcome(status, said) == word
