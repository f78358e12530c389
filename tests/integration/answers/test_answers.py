"""Answers on real parts: each is told, signed, once recognisably, whatever dies on the way, and nobody's trouble is another's."""

from __future__ import annotations

import builtins
import os
import signal
import subprocess
import sys
import time

import pytest

from cli.servers.valkey import Valkey
from events.answers.outbox import ANSWERS
from events.answers.signing import check, key_of
from events.egress.filter import Filter
from events.egress.proxy import EgressProxy
from events.queue.depth import depth
from events.queue.names import GROUP
from events.replaying import Replay, Replayed
from index.database import DatabaseAway
from index.webhooks import Webhook, Wish
from kadr.contracts.keys import jcs
from kadr.contracts.run import Done, Request, RunStatus
from kadr.pipeline.admission import load_objects, reopen
from kadr.pipeline.closing import compile_manifest
from kadr.pipeline.state import RunState, evaluate
from kadr.storage import layout
from tests.integration.answers.conftest import OWNER, SECRET, Desk
from tests.unit.events.answers.receiver import receiver

pytestmark = pytest.mark.xdist_group("answers")


def state_of(desk: Desk, asked: Request) -> RunState:
    return evaluate(asked, load_objects(desk.store, asked))


def test_the_callback_of_a_run_is_told_once_that_it_ended_and_how(desk: Desk) -> None:
    desk.deliverer()
    asked = desk.ended()
    (got,) = desk.to.until("/hook")
    check([key_of(SECRET)], got.headers, got.body)
    event, closed = got.event, state_of(desk, asked).closed
    assert closed is not None
    assert event["type"] == "dev.kadr.run.completed.v1"
    assert event["dataref"] == f"s3://kadr/{layout.manifest(OWNER, asked.run_id, closed.manifest)}"
    assert asked.run_id.replace("-", "") in event["traceparent"]
    data = event["data"]
    assert (data["run_id"], data["user_id"], data["status"]) == (asked.run_id, OWNER, "cancelled")
    assert (data["epoch"], data["manifest"], data["meta"]) == (1, closed.manifest, {"order": 7})
    assert data["video_source"] == "https://v.example/clip.mp4?…", "its query may be a signature"
    assert data["links"]["manifest"] == f"https://kadr.example/v1/runs/{asked.run_id}/manifest"
    assert sum(data["counts"]["components"].values()) == len(asked.graph.nodes)
    assert desk.settled(asked) == ["delivered"]
    again = desk.announcer
    desk.router(again).move(OWNER, asked.run_id, anew=True)
    desk.outbox.sweep()
    time.sleep(0.3)
    assert len(desk.to.got) == 1


def test_of_a_failed_run_is_told_why_and_a_second_epoch_is_told_as_another(desk: Desk) -> None:
    desk.sink = True
    desk.deliverer()
    asked = desk.ask()
    desk.fail(asked)
    router = desk.router(desk.announcer)
    router.move(OWNER, asked.run_id)
    first = desk.to.until("/hook")[0].event
    assert (first["data"]["status"], first["data"]["error"]) == (
        "failed",
        {"code": "VideoUnavailable", "message": "it is gone"},
    )
    assert {f["component"] for f in first["data"]["failed"]} == {n.component for n in asked.graph.nodes}
    reopen(desk.store, asked, state_of(desk, asked), asked.graph)
    desk.fail(asked, 2)
    router.move(OWNER, asked.run_id, anew=True)
    second = desk.to.until("/hook", 2)[1].event
    assert (second["data"]["epoch"], first["id"] != second["id"]) == (2, True)
    components = len(asked.graph.nodes)
    told = [g.event for g in desk.to.until("/sink", 2 * (components + 1))]
    assert {e["type"] for e in told} == {"dev.kadr.run.completed.v1", "dev.kadr.component.completed.v1"}
    assert len({e["id"] for e in told}) == len(told)
    assert {e["data"]["state"] for e in told if "component" in e["data"]} == {"blocked"}


def test_a_receiver_that_is_down_is_told_when_it_is_up_again(desk: Desk) -> None:
    desk.deliverer()
    for status in (500, 503, 408, 429):
        desk.to.say(status)
    asked = desk.ended()
    got = desk.to.until("/hook", 5)
    assert desk.settled(asked) == ["delivered"]
    assert len({g.headers["webhook-id"] for g in got}) == 1
    assert len({g.body for g in got}) == 1
    for one in got:
        check([key_of(SECRET)], one.headers, one.body)


def test_a_port_where_nobody_listens_is_asked_until_somebody_does(desk: Desk) -> None:
    with receiver(desk.pem) as gone:
        port = gone.port
    with EgressProxy(Filter(frozenset({("127.0.0.1", port)}))) as proxy:
        desk.proxy = proxy.url
        desk.deliverer()
        asked = desk.ended(f"https://127.0.0.1:{port}/late")
        time.sleep(0.3)
        assert desk.owed()
        with receiver(desk.pem, port) as back:
            back.until("/late")
            assert desk.settled(asked) == ["delivered"]


def test_who_names_a_time_is_left_alone_so_long(desk: Desk) -> None:
    desk.deliverer()
    desk.to.say(429, Retry_After="1")
    desk.ended()
    desk.to.until("/hook")
    began = time.monotonic()
    desk.to.until("/hook", 2)
    assert time.monotonic() - began > 0.8


@pytest.mark.parametrize(("status", "letters"), [(404, True), (302, True), (410, False)])
def test_what_will_not_pass_is_given_up_at_once(desk: Desk, status: int, letters: bool) -> None:
    desk.deliverer()
    desk.to.say(status, Location="https://169.254.169.254/")
    asked = desk.ended()
    assert desk.settled(asked) == ["failed"]
    if letters:
        (letter,) = desk.dead()
        assert letter.failure.code == f"HTTP{status}"
    else:
        assert not desk.letters.list(ANSWERS)
    assert len(desk.to.got) == 1


def test_a_dead_letter_is_replayed_and_then_gone(desk: Desk) -> None:
    desk.deliverer()
    desk.to.say(404)
    asked = desk.ended()
    (letter,) = desk.dead()
    assert desk.settled(asked) == ["failed"]
    assert Replay(desk.store, desk.letters, lambda name: None)(letter) is Replayed.QUEUED
    desk.to.until("/hook", 2)
    assert sorted(desk.settled(asked, 2)) == ["delivered", "failed"]
    assert not desk.letters.list(ANSWERS)


def test_who_dies_before_the_letter_is_written_is_followed_by_one_who_writes_it(desk: Desk) -> None:
    asked = desk.ended()
    (name,) = (layout.parse_owed(each) for each in desk.owed())
    assert name is not None
    said = {"outcome": "failed", "status": 404, "why": "it answered 404"}
    desk.outbox.settle(desk.outbox.read(name), False, said)
    desk.deliverer()
    (letter,) = desk.dead()
    assert (letter.failure.code, letter.failure.text) == ("HTTP404", "it answered 404")
    assert desk.settled(asked) == ["failed"]
    assert not desk.to.got


def test_after_the_last_attempt_it_is_a_dead_letter(desk: Desk) -> None:
    desk.attempts = 2
    desk.deliverer()
    desk.to.say(500)
    desk.to.say(500)
    asked = desk.ended()
    (letter,) = desk.dead()
    assert (letter.failure.code, letter.message.attempt) == ("HTTP500", 2)
    assert desk.settled(asked) == ["failed"]


@pytest.mark.parametrize(
    "url", ["https://169.254.169.254/latest", "https://localhost:{port}/x", "https://[::1]/"]
)
def test_a_private_address_is_refused_with_the_reason(desk: Desk, url: str) -> None:
    desk.deliverer()
    asked = desk.ended(url.format(port=desk.to.port))
    (letter,) = desk.dead()
    assert letter.failure.code == "EgressDenied"
    assert "KADR_EGRESS_ALLOW" in letter.failure.text
    assert desk.settled(asked) == ["failed"]
    assert desk.to.accepted == 0


def test_a_lost_queue_loses_no_answer(desk: Desk) -> None:
    asked = desk.ended()
    keys = desk.server.client.keys(f"{desk.server.names.prefix}:*")
    desk.server.client.delete(*keys)
    desk.deliverer()
    assert desk.outbox.sweep() == 1
    desk.to.until("/hook")
    assert desk.settled(asked) == ["delivered"]


def test_nothing_is_told_before_it_is_on_record_nor_what_came_otherwise(desk: Desk) -> None:
    """Killed between owing and closing: the run is closed by the next router, perhaps with another manifest."""
    asked = desk.ask()
    desk.cancel(asked)
    state = state_of(desk, asked)
    manifest = compile_manifest(asked, state)
    other = manifest.model_copy(update={"status": RunStatus.PARTIAL})
    desk.announcer.closing(asked, manifest)
    desk.announcer.closing(asked, other)
    desk.deliverer()
    assert desk.outbox.sweep() == 2
    time.sleep(0.4)
    assert not desk.to.got
    done = Done(manifest=manifest.digest, status=manifest.status, records=())
    name = layout.state_prefix(OWNER, asked.run_id) + layout.done(1, manifest.digest)
    desk.store.put(name, jcs(done.model_dump(mode="json")))
    (got,) = desk.to.until("/hook")
    assert got.event["data"]["manifest"] == manifest.digest
    assert desk.settled(asked) == ["delivered"]


def test_nothing_is_told_of_a_run_that_was_removed_before_it_was_closed(desk: Desk) -> None:
    asked = desk.ask()
    desk.cancel(asked)
    desk.announcer.closing(asked, compile_manifest(asked, state_of(desk, asked)))
    for name in list(desk.store.list(layout.state_prefix(OWNER, asked.run_id))):
        desk.store.delete(name)
    desk.deliverer()
    assert desk.outbox.sweep() == 1
    desk.until(lambda: depth(desk.server, ANSWERS).finished == 1)
    assert not desk.owed()
    assert not desk.to.got


def test_of_two_that_closed_an_epoch_the_one_that_counts_is_told(desk: Desk) -> None:
    """A queue that is lost takes with it which manifest was named first."""
    asked = desk.ask()
    desk.cancel(asked)
    manifest = compile_manifest(asked, state_of(desk, asked))
    for one in (manifest, manifest.model_copy(update={"status": RunStatus.PARTIAL})):
        desk.announcer.closing(asked, one)
        done = Done(manifest=one.digest, status=one.status, records=())
        name = layout.state_prefix(OWNER, asked.run_id) + layout.done(1, one.digest)
        desk.store.put(name, jcs(done.model_dump(mode="json")))
    closed = state_of(desk, asked).closed
    assert closed is not None
    desk.deliverer()
    assert desk.outbox.sweep() == 2
    assert desk.settled(asked) == ["delivered"]
    assert [got.event["data"]["manifest"] for got in desk.to.got] == [closed.manifest]


def test_a_killed_deliverer_is_followed_by_another(desk: Desk, valkey: Valkey) -> None:
    desk.to.hold.clear()
    asked = desk.ended()
    code = f"""
import threading
from tests.integration.answers.conftest import *
class To: url = {desk.to.url!r}
server = Server({valkey.url!r}, prefix={desk.server.names.prefix!r})
Desk(FileStore(Path({str(desk.store.root)!r})), server, {desk.proxy!r}, Path({str(desk.pem)!r}), To).deliverer()
threading.Event().wait(60)
"""
    child = subprocess.Popen([sys.executable, "-c", code])
    try:
        desk.to.until("/hook")
        os.kill(child.pid, signal.SIGKILL)
    finally:
        child.kill()
        child.wait()
    desk.to.hold.set()
    desk.deliverer()
    first, second = desk.to.until("/hook", 2)[:2]
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert desk.settled(asked) == ["delivered"]
    stream = desk.server.names.stream(ANSWERS)
    desk.until(lambda: desk.server.client.xpending(stream, GROUP)["pending"] == 0)


def test_history_is_not_told(desk: Desk) -> None:
    """A run that ended before there was a sink stays as it is, however often it is looked at."""
    asked = desk.ask(callback=None)
    desk.cancel(asked)
    desk.router().move(OWNER, asked.run_id)
    desk.sink = True
    desk.deliverer()
    desk.router(desk.announcer).move(OWNER, asked.run_id, anew=True)
    assert desk.outbox.sweep() == 0
    assert not desk.to.got


def both(*ports: int) -> frozenset[tuple[str, int]]:
    return frozenset(("127.0.0.1", port) for port in ports)


@pytest.mark.parametrize("path", ["/slow", "/slow?run={}"])
def test_while_one_receiver_hangs_others_are_told(desk: Desk, path: str) -> None:
    with receiver(desk.pem) as slow, EgressProxy(Filter(both(desk.to.port, slow.port))) as proxy:
        desk.proxy = proxy.url
        slow.hold.clear()
        for number in range(12):
            desk.ended(slow.url + path.format(number))
        desk.deliverer()
        desk.until(lambda: len(slow.got) == 2)
        desk.ended()
        desk.to.until("/hook")
        assert len(slow.got) == 2
        slow.hold.set()


class _Table:
    """Webhooks of a database that answers when it is told to."""

    def __init__(self, url: str) -> None:
        self.away = True
        row = Webhook("w1", OWNER, url, ("dev.kadr.run.completed.v1",), SECRET, 0)
        late = Webhook("w2", OWNER, url, ("dev.kadr.run.completed.v1",), SECRET, 1 << 50)
        self.rows = [row, late]

    def version(self) -> str:
        return str(self.wishes())

    def wishes(self) -> list[Wish]:
        return [Wish(w.id, w.owner, w.events) for w in self.list(OWNER)]

    def list(self, owner: str) -> builtins.list[Webhook]:
        if self.away:
            raise DatabaseAway
        return [w for w in self.rows if w.owner == owner]

    def get(self, owner: str, webhook_id: str) -> Webhook | None:
        return next((w for w in self.list(owner) if w.id == webhook_id), None)

    def disable(self, owner: str, webhook_id: str, why: str) -> None:
        self.rows = [w for w in self.rows if w.id != webhook_id]


def test_webhooks_that_could_not_be_looked_up_are_told_when_they_can(desk: Desk) -> None:
    desk.book = table = _Table(f"{desk.to.url}/webhook")
    asked = desk.ended(callback=None)
    assert desk.owed()
    table.away = False
    desk.deliverer()
    desk.outbox.sweep()
    (got,) = desk.to.until("/webhook")  # not the one that was made afterwards
    check([key_of(SECRET)], got.headers, got.body)
    assert desk.settled(asked) == ["delivered"]
