"""What the chain does when parts of it fail: nothing is lost, nothing is done twice that need not be, and every end has its reason."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from flask import Response

from events.problems import problem
from events.queue.deadletters import DeadLetters
from events.queue.depth import depth
from kadr.contracts.keys import jcs
from kadr.contracts.run import Cancelled, RunStatus, TaskState
from kadr.pipeline.catalogue import load
from kadr.storage import layout
from tests.integration.chain.conftest import OWNER, Chain

COMPONENTS = ("probe", "pcm", "decode", "loudness", "quality")


def enqueued(chain: Chain) -> Counter[str]:
    return Counter(
        {n: depth(chain.server, n).enqueued for n in load().components if depth(chain.server, n).enqueued}
    )


def test_each_task_is_enqueued_once_whatever_is_told_how_often(chain: Chain) -> None:
    chain.start()
    chain.start()  # a second one decides the same
    asked = chain.ask()
    state = chain.ended(asked)
    assert state.status is RunStatus.COMPLETE
    prefix = layout.state_prefix(OWNER, asked.run_id)
    names = list(chain.house.store.list(prefix))
    for name in [*reversed(names), *names]:
        chain.hints.tell([name])
    time.sleep(1.0)
    tasks = Counter(t.component for t in state.tasks.values() if t.component != "acquire")
    # The merge of a plan of one chunk is a task of its own; the report is rendered after the end.
    assert enqueued(chain) == tasks + Counter({"report": 1})
    assert chain.state(asked) == state
    again = chain.ask()
    assert chain.ended(again).status is RunStatus.COMPLETE
    assert enqueued(chain) == tasks + Counter(
        {"report": 2}
    )  # every hit was recorded without waking a function


def test_when_nothing_is_told_the_reconciler_finds_it(chain: Chain) -> None:
    chain.deaf, chain.pause_s = True, 0.5
    chain.start()
    assert chain.ended(chain.ask()).status is RunStatus.COMPLETE


def test_a_queue_that_forgot_everything_is_filled_again(chain: Chain) -> None:
    chain.pause_s = 1.0
    flushed = list[str]()

    def forget(component: str) -> Response | None:
        if component in ("loudness", "quality") and component not in flushed:
            flushed.append(component)
            chain.server.client.flushall()
            return problem(503, "Busy", "the queue is gone meanwhile", True, attempt=False)
        return None

    chain.house.interfere = forget
    chain.start()
    assert chain.ended(chain.ask()).status is RunStatus.COMPLETE
    assert len(flushed) == 2


def test_what_may_pass_is_tried_again(chain: Chain) -> None:
    failures = Counter({"probe": 2, "quality": 1})

    def fail(component: str) -> Response | None:
        if failures[component] > 0:
            failures[component] -= 1
            return problem(503, "ResourceExhausted", "not now", True)
        return None

    chain.house.interfere = fail
    chain.start()
    assert chain.ended(chain.ask()).status is RunStatus.COMPLETE
    assert depth(chain.server, "probe").retries == 2


def test_what_never_passes_is_recorded_and_kept_as_a_dead_letter(chain: Chain) -> None:
    """The rest of the run goes on, and says what is missing and why."""
    chain.house.interfere = lambda component: (
        problem(503, "ModelFailure", "the model is broken", True) if component == "loudness" else None
    )
    chain.attempts = 2
    chain.start()
    asked = chain.ask()
    state = chain.ended(asked)
    assert state.status is RunStatus.PARTIAL
    assert state.component_state("quality") == "succeeded"
    failure = state.tasks["loudness"].failure
    assert failure is not None
    assert (failure.code, failure.message, failure.attempts) == ("ModelFailure", "the model is broken", 2)
    _until_dead(chain, "loudness")
    (letter,) = DeadLetters(chain.server).list("loudness")
    assert letter.message.run_id == asked.run_id
    assert letter.failure.code == "ModelFailure"


@pytest.mark.parametrize("status", [400, 413, 415, 422])
def test_what_can_never_pass_is_given_up_at_once(chain: Chain, status: int) -> None:
    asked_for = Counter[str]()

    def refuse(component: str) -> Response | None:
        asked_for[component] += 1
        return problem(status, "WrongFunction", "not here", False) if component == "quality" else None

    chain.house.interfere = refuse
    chain.start()
    state = chain.ended(chain.ask("quality"))
    assert state.tasks["quality"].state is TaskState.BLOCKED
    assert asked_for["quality"] == 1


def test_a_422_of_somebody_else_is_tried_again(chain: Chain) -> None:
    """Only an answer that says itself that trying is no use is believed."""
    once = list[int]()

    def odd(component: str) -> Response | None:
        if component == "probe" and not once:
            once.append(1)
            return Response("a proxy's own page", 422)
        return None

    chain.house.interfere = odd
    chain.start()
    assert chain.ended(chain.ask("loudness")).status is RunStatus.COMPLETE


def test_a_function_that_lets_nobody_in_is_paused_with_the_reason(chain: Chain) -> None:
    shut = [True]
    chain.house.interfere = lambda c: (
        problem(403, "Forbidden", "no", False) if c == "probe" and shut[0] else None
    )
    chain.start()
    asked = chain.ask("loudness")
    deadline = time.monotonic() + 20
    while (why := depth(chain.server, "probe").paused) is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert "403" in why
    assert chain.state(asked).status is not RunStatus.FAILED
    shut[0] = False
    chain.queue.resume("probe")
    assert chain.ended(asked).status is RunStatus.COMPLETE


def test_an_input_whose_bytes_are_gone_is_made_again(chain: Chain) -> None:
    removed = list[str]()

    def remove(component: str) -> Response | None:
        if component == "loudness" and not removed:
            prefix = layout.results_prefix(OWNER, chain.video_id, "pcm")
            removed.extend(n for n in chain.house.store.list(prefix) if n.endswith(".npz"))
            for name in removed:
                chain.house.store.delete(name)
        return None

    chain.house.interfere = remove
    chain.start()
    assert chain.ended(chain.ask("loudness", "sounds")).status is RunStatus.COMPLETE
    assert removed
    assert all(chain.house.store.exists(name) for name in removed)


def test_a_cancelled_run_ends_where_it_stands_and_has_its_report(chain: Chain) -> None:
    held = list[int]()

    def hold(component: str) -> Response | None:
        if component == "quality":
            held.append(1)
            return problem(503, "Busy", "later", True, 1, attempt=False)
        return None

    chain.house.interfere = hold
    chain.start()
    asked = chain.ask("quality")
    chain.until(asked, lambda state: bool(held))
    name = layout.state_prefix(OWNER, asked.run_id) + layout.cancelled(1)
    chain.house.store.put(name, jcs(Cancelled(reason="enough").model_dump(mode="json")))
    chain.hints.tell([name])
    assert chain.ended(asked).status is RunStatus.CANCELLED
    deadline = time.monotonic() + 30
    while depth(chain.server, "quality").depth or depth(chain.server, "quality").delayed:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    while depth(chain.server, "report").finished != 1:
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _until_dead(chain: Chain, function: str) -> None:
    deadline = time.monotonic() + 10
    while not depth(chain.server, function).dead:
        assert time.monotonic() < deadline
        time.sleep(0.05)
