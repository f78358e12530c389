"""Who waits for whom when much is queued: through dispatcher, pump and HTTP, in the order in which a function is asked."""

from __future__ import annotations

import json
import time
import uuid
from urllib.parse import unquote

from flask import Response, request

from events.messages import trace_of
from events.queue.messages import Message
from tests.integration.chain.conftest import Chain

BIG, SMALL, URGENT = 200, 4, 3
FLYING = 4
"""What is on its way already may go before: the stream of two replicas holds no more."""
PATIENCE_S = 60


def task(owner: str, number: int, priority: int = 5, cost: float = 1.0) -> Message:
    run_id = str(uuid.uuid5(uuid.NAMESPACE_OID, owner))
    body = json.dumps({"user_id": owner, "run_id": run_id})
    named = f"quality.{number}"
    return Message("quality", run_id, owner, named, body, "k" * 64, 1, priority, cost, trace=trace_of(run_id))


def test_few_tasks_of_one_do_not_wait_for_hundreds_of_another(chain: Chain) -> None:
    asked: list[str] = []

    def answer(_: str) -> Response:
        asked.append(unquote(request.headers["ce-subject"]).partition("/")[0])
        return Response("{}", 200, content_type="application/json")

    chain.house.interfere = answer
    chain.queue.ready_all([task("big", n) for n in range(BIG)])
    chain.queue.ready_all([task("small", n) for n in range(SMALL)])
    chain.queue.ready_all([task("costly", n, cost=50.0) for n in range(SMALL)])
    chain.queue.ready_all([task("urgent", n, priority=9) for n in range(URGENT)])
    chain.start()
    wanted = BIG + 2 * SMALL + URGENT
    deadline = time.monotonic() + PATIENCE_S
    while len(asked) < wanted and time.monotonic() < deadline:
        time.sleep(0.02)

    assert len(asked) == wanted, "something was lost, or asked twice"
    assert asked[: URGENT + 1].count("urgent") == URGENT, "a higher priority goes first, whoever came before"
    turns = URGENT + 3 * SMALL + FLYING
    assert asked[:turns].count("small") == SMALL, f"the small owner waited for the big one: {asked[:turns]}"
    # Its first task is due at once and the second when the others had as much work: fifty tasks of theirs.
    assert asked[: turns + 25].count("costly") == 1, "shares are of work, not of tasks"
    assert asked[: BIG // 2].count("costly") >= 2, "who costs much has a share as well"
