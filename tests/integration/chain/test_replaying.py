"""What is given up is replayed: in its run while that is open, by a new epoch when it has ended."""

from __future__ import annotations

import time

from flask import Response

from events.problems import problem
from events.queue.deadletters import DeadLetters, Letter
from events.replaying import Replay, Replayed
from kadr.contracts.run import RunStatus, TaskState
from kadr.storage import layout
from tests.integration.chain.conftest import OWNER, Chain

NEVER = ("NeverFits", "it never fits")


def _refused(component: str) -> Response | None:
    """`loudness` can never be done here, and `quality` is held."""
    if component == "loudness":
        return problem(422, *NEVER, False)
    return problem(503, "Held", "held", True, 1, attempt=False) if component == "quality" else None


def _replay(chain: Chain) -> Replay:
    return Replay(chain.house.store, DeadLetters(chain.server), chain.tell)


def _dead(chain: Chain, *functions: str) -> list[Letter]:
    """Their letters, when each has one: the failure is on record a little earlier."""
    letters = DeadLetters(chain.server)
    deadline = time.monotonic() + 30
    while not all(found := [list(letters.list(name)) for name in functions]):
        assert time.monotonic() < deadline, found
        time.sleep(0.05)
    return [letter for some in found for letter in some]


def test_in_an_open_run_the_task_is_done_after_all(chain: Chain) -> None:
    chain.house.interfere = _refused
    chain.start_and_look()
    asked = chain.ask()
    chain.until(asked, lambda state: state.tasks["loudness"].state is TaskState.FAILED)
    (letter,) = _dead(chain, "loudness")
    assert letter.failure.code == NEVER[0]

    chain.house.interfere = lambda component: None
    assert _replay(chain)(letter) is Replayed.QUEUED
    state = chain.ended(asked)
    assert (state.status, state.epoch) == (RunStatus.COMPLETE, 1)
    assert DeadLetters(chain.server).list("loudness") == []


def test_of_a_run_that_has_ended_what_failed_is_tried_again_once(chain: Chain) -> None:
    chain.house.interfere = lambda component: problem(422, *NEVER, False) if component != "probe" else None
    chain.start()
    asked = chain.ask()
    ended = chain.ended(asked)
    assert ended.status is not RunStatus.COMPLETE
    dead = _dead(chain, "pcm", "decode")

    chain.house.interfere = lambda component: None
    first, *others = (_replay(chain)(letter) for letter in dead)
    assert first is Replayed.RETRIED
    assert set(others) == {Replayed.ALREADY}
    state = chain.until(asked, lambda state: state.closed is not None and state.epoch == 2)
    assert state.status is RunStatus.COMPLETE
    assert state.closed is not None
    report = layout.report_file(OWNER, asked.run_id, state.closed.manifest, "report.html")
    chain.until(asked, lambda _: chain.house.store.exists(report))  # this end has a report of its own
    assert not [letter for name in ("pcm", "decode") for letter in DeadLetters(chain.server).list(name)]


def test_of_a_run_that_was_removed_nothing_is_left(chain: Chain) -> None:
    chain.house.interfere = lambda component: problem(422, *NEVER, False)
    chain.start()
    asked = chain.ask()
    chain.ended(asked)
    (letter,) = _dead(chain, "probe")
    chain.house.store.delete(layout.request(OWNER, asked.run_id))
    assert _replay(chain)(letter) is Replayed.GONE
    assert DeadLetters(chain.server).list("probe") == []
