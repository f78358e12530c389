"""Several tasks in one request: each is answered, kept, tried again and lost by itself, and nothing comes out other than alone."""

from __future__ import annotations

import json
import socket
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from flask import Flask, Response, request
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.serving import WSGIRequestHandler, make_server

from cli.servers.process import LOOPBACK
from cli.servers.valkey import Valkey
from events.batches import CONTENT_TYPE, Batches
from events.binding import Event
from events.outcomes import outcome
from events.posting import Delivery, Post
from events.problems import problem
from events.pump import Pump, Told
from events.queue.consumer import Consumer
from events.queue.deadletters import DeadLetters
from events.queue.depth import depth
from events.queue.dispatch import Dispatcher
from events.queue.messages import Entry, Message
from events.queue.names import GROUP
from events.queue.queue import Queue
from events.queue.server import Server
from kadr.contracts.run import Request as RunRequest
from kadr.storage.files import FileStore
from tests.integration.chain.conftest import Chain

FUNCTION = "loudness"
LEASE_MS = 600
WAIT_S = 20
Answers = Callable[[str, int], Response]
"""(task, how often it was asked before) to what is answered."""


class Http11(WSGIRequestHandler):
    """Sends what a view yields when it yields it."""

    protocol_version = "HTTP/1.1"

    def log(self, *_: object) -> None:
        return None


@dataclass
class Replica:
    """A function's process: what its tasks answer is the test's to say, all before that is real."""

    address: str = ""
    answers: Answers = lambda task, before: Response("{}", 200)
    requests: list[str] = field(default_factory=list)
    worked: Counter[str] = field(default_factory=Counter)
    stopped: list[str] = field(default_factory=list)
    socket: socket.socket | None = None
    """Of the last request."""

    def addresses(self) -> list[str]:
        return [self.address]

    def one(self, event: Event) -> Response:
        task = event.subject.split("/")[2]
        self.worked[task] += 1
        return self.answers(task, self.worked[task] - 1)


@pytest.fixture
def replica() -> Iterator[Replica]:
    made = Replica()
    batches, app = Batches(made.one, made.stopped.append), Flask("replica")

    def view() -> Response:
        made.requests.append(request.headers.get("Content-Type", ""))
        made.socket = request.environ["werkzeug.socket"]
        return batches(request)

    app.add_url_rule("/", "view", view, methods=["POST"])
    server = make_server(LOOPBACK, 0, app, threaded=True, request_handler=Http11)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    made.address = f"http://{LOOPBACK}:{server.server_port}/"
    yield made
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def server(valkey: Valkey) -> Iterator[Server]:
    made = Server(valkey.url, prefix=f"t{uuid.uuid4().hex[:8]}")
    yield made
    made.close()


@pytest.fixture
def pump(server: Server, replica: Replica, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pump]:
    told = Told(lambda name: None, lambda task: None)
    store = FileStore(tmp_path_factory.mktemp("store"))
    consumer = Consumer(server, FUNCTION, LEASE_MS)
    made = Pump(consumer, Queue(server), store, replica, told, attempts=2, batch=5, window_ms=200)
    yield made
    made.stop(1.0)


def message(task: str, run_id: str | None = None) -> Message:
    run_id = run_id or str(uuid.uuid4())
    return Message(
        FUNCTION, run_id, "anna", task, json.dumps({"user_id": "anna", "run_id": run_id}), "k" * 64
    )


def line_up(server: Server, *messages: Message) -> None:
    assert all(Queue(server).ready_all(messages))
    Dispatcher(server).dispatch(FUNCTION, 50)


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_one_request_carries_many_and_each_ends_its_own_way(
    server: Server, replica: Replica, pump: Pump
) -> None:
    """One fails for good, one at first, one is cancelled while another is at work, two simply end."""
    begun, cancelled = threading.Event(), threading.Event()

    def answer(task: str, before: int) -> Response:
        if task == "t.0":
            begun.set()
            assert cancelled.wait(WAIT_S)
        if task == "t.1":
            return problem(422, "InvalidObject", "never", False)
        if task == "t.2" and not before:
            return problem(503, "ResourceExhausted", "not now", True)
        return Response(json.dumps({"cached": False}), 200)

    replica.answers = answer
    messages = [message(f"t.{n}") for n in range(5)]
    line_up(server, *messages)
    pump.start()
    assert begun.wait(WAIT_S)
    Queue(server).cancel([FUNCTION], messages[3].run_id, 1)
    time.sleep(LEASE_MS / 1000)  # a heartbeat says so
    cancelled.set()
    until(lambda: depth(server, FUNCTION).in_stream == 0)
    assert depth(server, FUNCTION).delayed == 1
    until(lambda: Dispatcher(server).dispatch(FUNCTION, 50).moved == 1)
    until(lambda: depth(server, FUNCTION).in_stream == 0)
    assert replica.worked == {"t.0": 1, "t.1": 1, "t.2": 2, "t.4": 1}  # t.3 was passed over
    assert [letter.message.task for letter in DeadLetters(server).list(FUNCTION)] == ["t.1"]
    assert replica.requests[0] == CONTENT_TYPE
    assert replica.requests.count(CONTENT_TYPE) == 1


@pytest.mark.parametrize("together", [1, 2])
def test_what_has_begun_is_told_to_stop_when_its_run_is_cancelled(
    server: Server, replica: Replica, pump: Pump, together: int
) -> None:
    def answer(task: str, before: int) -> Response:
        until(lambda: bool(replica.stopped))
        return problem(410, "Dropped", "stopped", False)

    replica.answers = answer
    messages = [message(f"t.{n}") for n in range(together)]
    line_up(server, *messages)
    pump.start()
    until(lambda: replica.worked["t.0"] == 1)
    for each in messages:
        Queue(server).cancel([FUNCTION], each.run_id, 1)
    until(lambda: depth(server, FUNCTION).in_stream == 0)
    said = depth(server, FUNCTION)
    assert (said.retries, said.dead, replica.worked) == (0, 0, {"t.0": 1})


def test_a_lost_lease_is_the_loss_of_that_task_alone(server: Server, replica: Replica, pump: Pump) -> None:
    begun, lost = threading.Event(), threading.Event()

    def answer(task: str, before: int) -> Response:
        begun.set()
        assert lost.wait(WAIT_S)
        return Response("{}", 200)

    replica.answers = answer
    line_up(server, *(message(f"t.{n}") for n in range(3)))
    pump.start()
    assert begun.wait(WAIT_S)
    stream = server.names.stream(FUNCTION)
    (entry, _) = server.client.xrange(stream)[1]
    server.client.xclaim(stream, GROUP, "another", 0, [entry])
    time.sleep(LEASE_MS / 1000)
    lost.set()
    until(lambda: depth(server, FUNCTION).in_stream == 1)
    assert replica.worked == {"t.0": 1, "t.2": 1}
    until(lambda: not pump.flying)
    left = server.client.xpending_range(stream, GROUP, "-", "+", 5)
    assert [found["message_id"] for found in left] == [entry]


def test_a_replica_that_goes_away_costs_an_attempt_of_what_it_was_at_alone(
    server: Server, replica: Replica, pump: Pump
) -> None:
    def answer(task: str, before: int) -> Response:
        if task == "t.1" and not before:
            assert replica.socket is not None
            replica.socket.shutdown(socket.SHUT_RDWR)
        return Response("{}", 200)

    replica.answers = answer
    line_up(server, *(message(f"t.{n}") for n in range(4)))
    pump.start()
    until(lambda: depth(server, FUNCTION).retries == 1)
    assert replica.worked == {"t.0": 1, "t.1": 1}
    until(lambda: bool(Dispatcher(server).dispatch(FUNCTION, 50)) and depth(server, FUNCTION).finished == 4)
    assert depth(server, FUNCTION).retries == 1
    assert not DeadLetters(server).list(FUNCTION)


SAID = st.one_of(
    st.tuples(st.just(200), st.dictionaries(st.sampled_from(["record", "failed"]), st.text(max_size=20))),
    st.tuples(
        st.sampled_from([400, 409, 422, 500, 503]), st.dictionaries(st.text(max_size=5), st.booleans())
    ),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.lists(st.tuples(SAID, st.sampled_from([None, 0, 7])), min_size=2, max_size=8))
def test_what_is_answered_in_a_batch_is_what_is_answered_alone(
    replica: Replica, said: list[tuple[tuple[int, dict[str, object]], int | None]]
) -> None:
    def answer(task: str, before: int) -> Response:
        (status, body), after = said[int(task[2:])]
        headers = {} if after is None else {"Retry-After": str(after)}
        return Response(json.dumps(body), status, headers, content_type="application/json")

    replica.answers = answer
    post = Post(1, 10.0)
    entries = [Entry(message(f"t.{n}"), "me", f"{n}-0", 1, 0) for n in range(len(said))]
    alone = [(e, a) for entry in entries for e, a in post.deliver(Delivery(replica.address, (entry,)))]
    together = list(post.deliver(Delivery(replica.address, tuple(entries))))
    assert together == alone
    assert [outcome(a.status, a.said) for _, a in together] == [outcome(a.status, a.said) for _, a in alone]


def test_runs_whose_tasks_go_in_batches_have_the_same_results(chain: Chain) -> None:
    control = chain.start()
    alone = _results(chain, [chain.ask()])[0]
    control.stop(1.0)
    chain.batch = 4
    asked = []
    for _ in range(3):
        chain.next_video()
        asked.append(chain.ask())
    chain.start()
    assert _results(chain, asked) == [alone] * 3


def _results(chain: Chain, runs: list[RunRequest]) -> list[dict[str, str]]:
    found = []
    for asked in runs:
        state = chain.ended(asked)
        records = [t.record for t in state.tasks.values() if t.record is not None]
        found.append(
            {
                record.task: made.digest
                for record in records
                for made in record.results
                if record.task.startswith(("loudness", "quality"))
            }
        )
    assert all(found)
    return found
