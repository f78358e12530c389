"""`kadr dlq` beside a queue that holds more letters than a page, of several functions."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli import dlq
from cli.answers import Answers
from cli.service import Service
from events.answers.outbox import task_of
from events.answers.targets import Target
from events.queue.consumer import Consumer
from events.queue.dispatch import Dispatcher
from events.queue.messages import Failure, Message
from events.queue.queue import Queue
from events.queue.server import Server

Make = Callable[..., Message]


def ran(*words: str) -> str:
    result = CliRunner().invoke(dlq.command, words, catch_exceptions=False)
    return result.output


@pytest.fixture
def letters(url: str, message: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """150 of `loudness` and 3 of `answers`."""
    named = {"REDIS_URL": url, "HOME": str(tmp_path), "S3_ENDPOINT": "http://127.0.0.1:1"}  # never asked
    for name, value in {**named, "S3_ACCESS_KEY": "a", "S3_SECRET_KEY": "b"}.items():
        monkeypatch.setenv(f"KADR_{name}", value)
    server = Server(url)
    for function, count in (("loudness", 150), ("answers", 3)):
        queue, consumer = Queue(server), Consumer(server, function)
        queue.ready_all([message(function=function) for _ in range(count)])
        Dispatcher(server).dispatch(function, 200)
        for taken in consumer.take(200):
            consumer.give_up(taken, Failure("Broken", "no"))
    server.close()


def test_all_letters_are_listed_and_counted_and_those_of_one_function_are_dropped(letters: None) -> None:
    assert len(json.loads(ran("list", "--json"))) == 153
    lines = ran("list").splitlines()
    assert (len(lines), lines[-1]) == (155, "153 dead letters")
    assert ran("list", "answers").splitlines()[-1] == "3 dead letters"
    assert "--function goes with --all" in ran("drop", "some", "--function", "answers")
    assert ran("drop", "--all", "--function", "answers") == "3 dead letters dropped\n"
    assert ran("list", "answers") == "no dead letters\n"
    assert ran("replay", "--all", "--function", "answers") == "no dead letters\n"
    assert ran("drop", "--all") == "150 dead letters dropped\n"


def test_letters_of_a_removed_webhook_are_dropped_and_no_others(
    letters: None, message: Make, url: str
) -> None:
    server, hook = Server(url), str(uuid.uuid4())
    consumer, task = Consumer(server, "answers"), task_of(Target("webhook", hook).name)
    queue = Queue(server)
    queue.ready_all([message(task, function="answers", owner=owner) for owner in ("main", "main", "other")])
    Dispatcher(server).dispatch("answers", 10)
    for taken in consumer.take(10):
        consumer.give_up(taken, Failure("EgressDenied", "no"))
    Answers(Service(), queue).forget("main", hook.upper())
    left = json.loads(ran("list", "answers", "--json"))
    assert (len(left), [one["owner"] for one in left if one["task"] == task]) == (4, ["other"])
    assert "dropped" in ran("drop", "--all")
    server.close()
