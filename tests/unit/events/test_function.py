"""What a function answers before anything is run."""

from __future__ import annotations

import json
from typing import Any

from events.binding import TASK_READY, Event
from events.function import Function
from events.outcomes import outcome
from kadr.pipeline.spec import spec_to_json
from tests.unit.pipeline.test_recording import TASK


def test_a_task_of_another_function_is_tried_again() -> None:
    """It came to a port that was another's a moment ago: the run must not fail for that."""
    nobody: Any = None
    function = Function(frozenset(["ocr"]), nobody, nobody, nobody)
    answer = function.take(Event("1", "/test", TASK_READY, {"task": spec_to_json(TASK)}))
    said = json.loads(answer.data)
    assert said["title"] == "WrongFunction"
    assert outcome(answer.status_code, said) == "retried"
