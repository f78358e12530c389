"""What an operator sets of the queue: how fast a component may go, and how long notices are gathered."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from cli.service import Service
from events.hints import Hints
from events.queue.consumer import Consumer
from events.queue.depth import depth
from events.queue.messages import Message
from events.queue.queue import Queue
from events.queue.server import Server
from kadr.settings import InvalidSetting, Settings

Make = Callable[..., Message]


def limited(monkeypatch: pytest.MonkeyPatch, text: str, server: Server | None = None) -> Service:
    monkeypatch.setenv("KADR_RATE_LIMITS", text)
    service = Service(Settings.read())
    if server is not None:
        service.server = server
    return service


def test_a_rate_of_the_settings_holds_in_the_queue(
    monkeypatch: pytest.MonkeyPatch, server: Server, message: Make
) -> None:
    dispatcher = limited(monkeypatch, "speech=1, ocr=20:3", server).dispatcher
    began = time.monotonic()
    Queue(server).ready_all([message(f"ocr.{n}") for n in range(9)])
    Queue(server).ready_all([message(f"tags.{n}", function="tags") for n in range(9)])
    assert dispatcher.dispatch("tags", 50).moved == 9
    moved = dispatcher.dispatch("ocr", 50).moved
    assert moved == 3
    while moved < 9:
        moved += (said := dispatcher.dispatch("ocr", 50)).moved
        if said.soon_ms:
            time.sleep(said.soon_ms / 1000)
    assert time.monotonic() - began >= 6 / 20
    consumer = Consumer(server, "ocr")
    consumer.finish(consumer.take(9))
    assert depth(server, "ocr").finished == 9


@pytest.mark.parametrize("text", ["speech", "speech=", "speech=fast", "speech=1:0", "speech=-1", "=1"])
def test_a_rate_that_is_none_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    with pytest.raises(InvalidSetting, match="KADR_RATE_LIMITS"):
        limited(monkeypatch, text)


@pytest.mark.parametrize(("text", "said"), [("speach=1", "no component speach"), ("speech=0", "never run")])
def test_a_rate_that_cannot_be_meant_is_refused(
    monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    with pytest.raises(InvalidSetting, match=said):
        _ = limited(monkeypatch, text).rates


def test_notices_that_come_within_the_window_are_looked_at_together(server: Server) -> None:
    def tell() -> None:
        for n in range(10):
            Hints(server).tell([f"state/anna/{n}"])
            time.sleep(0.01)

    for window_ms, looks in ((0, range(2, 11)), (1000, range(1, 2))):
        hints = Hints(server, window_ms)
        hints.take(1, 1)  # its group is there
        teller = threading.Thread(target=tell)
        teller.start()
        found, times = list[str](), 0
        while len(found) < 10:
            taken = hints.take(10, 500)
            hints.done(taken)
            found += [name for hint in taken for name in hint.names]
            times += bool(taken)
        teller.join()
        assert sorted(found) == [f"state/anna/{n}" for n in range(10)]
        assert times in looks


def test_hints_of_who_went_away_are_taken_over_though_new_ones_never_end(server: Server) -> None:
    Hints(server).tell(["state/anna/lost"])
    assert [hint.names for hint in Hints(server, lease_ms=200).take(10, 1)] == [("state/anna/lost",)]
    hints, deadline = Hints(server, lease_ms=200), time.monotonic() + 5
    found: list[str] = []
    while "state/anna/lost" not in found:
        assert time.monotonic() < deadline
        hints.tell(["state/anna/new"])
        taken = hints.take(10, 1)
        hints.done(taken)
        found += [name for hint in taken for name in hint.names]
        time.sleep(0.01)
    assert "state/anna/new" in found
