"""A function whose tasks are logged and counted; it knows nothing of that itself."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from flask import Response

from events.binding import Event
from events.messages import about
from events.outcomes import BAD, outcome
from events.problems import problem_of
from kadr.contracts.errors import KadrError
from kadr.telemetry.metrics import FunctionMetrics

_log = logging.getLogger("kadr.function")


@dataclass(frozen=True)
class Watched:
    """Answers as ``function`` does."""

    name: str
    function: Callable[[Event], Response]
    metrics: FunctionMetrics

    def take(self, event: Event) -> Response:
        began = time.monotonic()
        try:
            answer = self.function(event)
        except (
            KadrError
        ) as error:  # say, the store was away when a failure was to be recorded: the pump reads why
            answer = problem_of(error)
        seconds = time.monotonic() - began
        how = outcome(answer.status_code, answer.get_json(force=True, silent=True) or {})
        self.metrics.task_seconds.labels(self.name, how).observe(seconds)
        level = logging.WARNING if how in BAD else logging.INFO
        owner, run_id, task = _subject(event)
        fields = about(run_id, owner, task, event.traceparent)
        fields |= {"outcome": how, "seconds": round(seconds, 3)}
        _log.log(level, "%s: %s in %.2f s%s", task or "a task", how, seconds, _why(answer, how), extra=fields)
        return answer


def _subject(event: Event) -> tuple[str, str, str]:
    """(owner, run id, task), as the pump names them."""
    parts = event.subject.split("/")
    return (parts[0], parts[1], parts[2]) if len(parts) == 3 else ("", "", "")


def _why(answer: Response, how: str) -> str:
    said = answer.get_json(force=True, silent=True) if how in BAD else None
    if not isinstance(said, dict):
        return ""
    return f": {said.get('detail') or said.get('message') or said.get('failed') or ''}"[:1000]
