"""Where things came from: evidence out of the manifest's records, and artifacts with everything optional made safe to read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from functions.report.about import ResultUsed
from functions.report.values import Evidence
from kadr.contracts.artifact import Artifact
from kadr.contracts.view import RunView

Span = tuple[int, int]


class Found:
    """One component's merged result; ``None`` reads like an empty one, so that builders have one code path."""

    def __init__(self, component: str, artifact: Artifact | None, result: ResultUsed | None) -> None:
        self.component = component
        self.artifact = artifact or Artifact()
        self.exists = artifact is not None and not artifact.absent
        self._result = result or ResultUsed(name=component, key="", digest="")

    def evidence(self, index: int | None = None) -> Evidence:
        return Evidence(
            component=self.component, key=self._result.key, digest=self._result.digest, index=index
        )

    def array(self, name: str) -> np.ndarray:
        return self.artifact.arrays.get(name, _NOTHING)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.array(name)

    def ints(self, name: str) -> list[int]:
        return [int(v) for v in self.array(name)]

    def scores(self, name: str) -> list[float]:
        return [score(v) for v in self.array(name)]

    def spans(self, prefix: str = "") -> list[Span]:
        return list(zip(self.ints(f"{prefix}start_ms"), self.ints(f"{prefix}end_ms"), strict=True))

    def strings(self, name: str) -> list[str]:
        return [str(v) for v in self.artifact.payload.get(name) or ()]

    def value(self, name: str, default: Any = None) -> Any:
        found = self.artifact.payload.get(name)
        return default if found is None else found


_NOTHING = np.zeros(0, dtype=np.int64)


class Sources:
    """All results of a run with their evidence. Each is asked for when it is needed, and once."""

    def __init__(self, run: RunView) -> None:
        self.run = run
        self._records = final_records(run.manifest.get("records", ()))
        self._found: dict[str, Found] = {}

    def __getitem__(self, component: str) -> Found:
        if component not in self._found:
            used = self.results(component)
            main = next((r for r in used if r.name == component), used[0] if used else None)
            self._found[component] = Found(component, self.run.artifact(component), main)
        return self._found[component]

    def results(self, component: str) -> tuple[ResultUsed, ...]:
        return tuple(_used(r) for r in self._records.get(component, {}).get("results", ()))

    def absent(self, component: str) -> str | None:
        """The stream whose lack made all of the component's results empty: ``no_audio`` or ``no_video``."""
        reasons = {r.get("absent") for r in self._records.get(component, {}).get("results", ())}
        return reasons.pop() if len(reasons) == 1 else None


def final_records(entries: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """{component: record of its whole or merge task}; chunk tasks (``name.plan-index``) count only where there is no other."""
    records = [entry["record"] for entry in entries if entry.get("record")]
    found: dict[str, Mapping[str, Any]] = {}
    for record in sorted(records, key=lambda r: ("." in r["task"], r["task"])):
        found.setdefault(record["task"].partition(".")[0], record)
    return found


def _used(result: Mapping[str, Any]) -> ResultUsed:
    return ResultUsed(name=result["name"], key=result["key"], digest=result["digest"])


def score(value: Any) -> float:
    return round(float(value), 4)


def at(strings: Sequence[str], index: int) -> str | None:
    """``strings[index]``, or None outside of it: -1 is how arrays say "unknown"."""
    return strings[index] if 0 <= index < len(strings) else None


def covered_ms(spans: Iterable[Span]) -> int:
    """Milliseconds that the union of ``spans`` covers."""
    total, reached = 0, -1
    for start, end in sorted(spans):
        total += max(0, end - max(start, reached))
        reached = max(reached, end)
    return total
