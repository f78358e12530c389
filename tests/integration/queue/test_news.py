"""What a writer tells of a record is at hand for whoever hears of it, for a while, and says nothing of other objects."""

from __future__ import annotations

import time

import pytest

from events.queue import news
from events.queue.news import News
from events.queue.server import Server
from kadr.storage import layout

RUN = "r" * 32
RECORD = layout.state_prefix("anna", RUN) + layout.record_ok(1, "probe", "a" * 64, "b" * 64)
FAILED = layout.state_prefix("anna", RUN) + layout.record_failed(1, "probe", "a" * 64)


@pytest.mark.parametrize("name", [RECORD, FAILED])
def test_the_body_of_a_record_is_told(server: Server, name: str) -> None:
    told = News(server)
    assert told.written(name) is None
    told.writing(name, '{"кадр": 1}'.encode())
    assert told.written(name) == '{"кадр": 1}'.encode()
    told.writing(name, b"{}")
    assert told.written(name) == b"{}"


@pytest.mark.parametrize(
    ("name", "body"),
    [
        (layout.request("anna", RUN), b"{}"),
        (layout.result_json("anna", "c" * 64, "probe", "a" * 64, "b" * 64), b"{}"),
        (RECORD, b"\xff\xfe"),
        (RECORD, b"x" * (news.LARGEST + 1)),
    ],
)
def test_nothing_else_is(server: Server, name: str, body: bytes) -> None:
    told = News(server)
    told.writing(name, body)
    assert told.written(name) is None


def test_it_is_forgotten_and_a_queue_that_is_away_tells_nothing(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(news, "WRITING_MS", 50)
    told = News(server)
    told.writing(RECORD, b"{}")
    time.sleep(0.1)
    assert told.written(RECORD) is None
    away = News(Server("redis://127.0.0.1:1", timeout_s=3))
    away.writing(RECORD, b"{}")
    assert away.written(RECORD) is None


def test_what_is_damaged_is_told_to_nobody(server: Server) -> None:
    """The others are."""
    told = News(server)
    heard = told.exchange(RUN, {"1/a.json": b"\xff\xfe", "1/b.json": b"{}"}, 0)
    assert heard.objects == {"1/b.json": b"{}"}
    assert (heard.place, heard.vanished) == (1, False)
