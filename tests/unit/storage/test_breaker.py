"""The breaker around a server."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from kadr.storage.breaker import Breaker, BreakerOpen


class Down(Exception):
    pass


class Server:
    """It is down or up."""

    def __init__(self) -> None:
        self.up = False
        self.asked = threading.Event()
        self.answers = threading.Event()
        self.answers.set()

    def probe(self) -> None:
        self.asked.set()
        self.answers.wait(5)
        if not self.up:
            raise Down


def fail() -> None:
    raise Down


def breaker(pause_s: float = 0.05, server: Server | None = None) -> Breaker:
    probe = (server or Server()).probe
    return Breaker(probe, lambda error: isinstance(error, Down), failures=3, pause_s=pause_s)


def opened(server: Server) -> Breaker:
    one = breaker(server=server)
    for _ in range(3):
        with pytest.raises(Down):
            one.call(fail)
    assert one.open
    return one


def test_it_opens_after_failures_in_a_row_only() -> None:
    one = breaker()
    for _ in range(3):
        for _ in range(2):
            with pytest.raises(Down):
                one.call(fail)
        assert one.call(lambda: "answer") == "answer"
    for _ in range(5):
        with pytest.raises(ZeroDivisionError):
            one.call(lambda: 1 / 0)
    assert not one.open


def test_one_probe_after_the_pause_closes_it_or_lets_it_rest_again() -> None:
    server = Server()
    one = opened(server)
    with pytest.raises(BreakerOpen):
        one.call(lambda: "answer")
    assert not server.asked.is_set()
    time.sleep(0.06)
    with pytest.raises(Down):
        one.call(lambda: "answer")
    with pytest.raises(BreakerOpen):
        one.call(lambda: "answer")
    time.sleep(0.06)
    server.up = True
    assert one.call(lambda: "answer") == "answer"
    assert not one.open


def test_others_are_sent_away_while_one_probes() -> None:
    server = Server()
    one = opened(server)
    time.sleep(0.06)
    server.up = True
    server.answers.clear()
    with ThreadPoolExecutor(1) as pool:
        probe = pool.submit(one.call, lambda: "answer")
        assert server.asked.wait(5)
        with pytest.raises(BreakerOpen):
            one.call(lambda: "answer")
        server.answers.set()
        assert probe.result() == "answer"
    assert not one.open


def test_a_refusal_is_an_answer() -> None:
    def refused() -> None:
        raise PermissionError

    one = Breaker(refused, lambda error: isinstance(error, Down), failures=1, pause_s=0.01)
    with pytest.raises(Down):
        one.call(fail)
    time.sleep(0.02)
    assert one.call(lambda: "answer") == "answer"


def test_calls_run_beside_one_another() -> None:
    one, both = breaker(), threading.Barrier(4)
    with ThreadPoolExecutor(4) as pool:
        assert len({f.result() for f in [pool.submit(one.call, lambda: both.wait(5)) for _ in range(4)]}) == 4


def test_failures_at_once_open_it_once_and_each_caller_hears_of_its_own() -> None:
    one, both = breaker(pause_s=5), threading.Barrier(6)

    def late() -> None:
        both.wait(5)
        raise Down

    with ThreadPoolExecutor(6) as pool:
        raised = [f.exception() for f in [pool.submit(one.call, late) for _ in range(6)]]
    assert {type(error) for error in raised} == {Down}
    assert one.open
