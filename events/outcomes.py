"""What became of a task that a replica was asked to do: one word, for logs and metrics."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

BAD = frozenset({"failed", "retried", "given_up", "refused"})
"""Those that somebody may want to know of."""


def outcome(status: int, said: Mapping[str, Any]) -> str:
    """Of an answer, as the answers of functions are meant (:mod:`events.function`)."""
    if status == 200:
        if "failed" in said or str(said.get("record", "")).endswith(".failed.json"):
            return "failed"
        return "cached" if said.get("cached") else "done"
    if status == 410:
        return "dropped"
    if status == 409:
        return "planned_anew"
    if status in (401, 403):
        return "refused"
    if said.get("attempt") is False:
        return "waiting"
    return "given_up" if said.get("retryable") is False else "retried"
