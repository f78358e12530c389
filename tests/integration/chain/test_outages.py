"""What is away for a while ends no run: a store that does not answer or is full says nothing of the task."""

from __future__ import annotations

from collections import Counter

import pytest
from flask import Response

from events.problems import problem
from events.queue.depth import depth
from kadr.contracts.run import RunStatus
from kadr.storage import layout
from tests.integration.chain.conftest import Chain


@pytest.mark.parametrize(("status", "code"), [(503, "StoreFailure"), (507, "NoSpaceLeft")])
def test_a_store_that_is_away_or_full_uses_up_no_attempt(chain: Chain, status: int, code: str) -> None:
    failures = Counter({"probe": 2})

    def fail(component: str) -> Response | None:
        if failures[component] > 0:
            failures[component] -= 1
            return problem(status, code, "the store is away", True)
        return None

    chain.house.interfere = fail
    chain.attempts = 1
    chain.start()
    assert chain.ended(chain.ask("loudness")).status is RunStatus.COMPLETE
    assert not failures["probe"]
    assert depth(chain.server, "probe").dead == 0


def test_a_run_that_cannot_be_moved_on_keeps_no_other_waiting(chain: Chain) -> None:
    """Both are told of at once, when the reconciler has looked and will not for minutes."""
    chain.start_and_look()
    chain.deaf = True
    asked = [chain.ask("loudness"), chain.ask("quality")]
    chain.stuck.add(asked[0].run_id)
    chain.deaf = False
    chain.hints.tell([layout.request(run.owner, run.run_id) for run in asked])
    assert chain.ended(asked[1]).status is RunStatus.COMPLETE
    assert chain.state(asked[0]).closed is None


def test_a_video_that_is_gone_after_it_was_acquired_fails_its_run(chain: Chain) -> None:
    """Whoever deleted it, the run ends and says so; and may be tried again."""
    chain.start()
    chain.deaf = True
    asked = chain.ask("loudness")
    chain.gone.add(asked.run_id)
    chain.house.store.delete(layout.video_source(asked.owner, chain.video_id))
    chain.deaf = False
    chain.tell(layout.request(asked.owner, asked.run_id))
    state = chain.ended(asked)
    assert state.status is RunStatus.FAILED
    assert state.tasks["probe"].failure is not None
    assert state.tasks["probe"].failure.code == "VideoChanged"
