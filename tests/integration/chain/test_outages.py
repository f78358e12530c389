"""What is away for a while ends no run: a store that does not answer or is full says nothing of the task."""

from __future__ import annotations

from collections import Counter

import pytest
from flask import Response

from events.problems import problem
from events.queue.depth import depth
from kadr.contracts.run import RunStatus
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
