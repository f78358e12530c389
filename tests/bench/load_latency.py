"""From a file's PUT to the start of its tasks, with processes that run and from none: where the time goes."""

from __future__ import annotations

import itertools
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence

from tests.bench.load_service import Line, LoadedService, Video, progress, service

ZERO = 5
FUNCTIONS = ("acquire", "probe")
STEPS = ("notice", "router", "dispatcher and pump", "HTTP", "all")
PATIENCE_S = 120
Times = dict[str, list[float]]
"""Milliseconds by step."""


def run(count: int) -> None:
    with service() as up:
        cold = [measured(up, n, from_zero=True) for n in range(min(ZERO, count))]
        ended(up, up.put(up.up.minio(), Video("main", "warming.mp4", 1.0)))
        warm = [measured(up, n + ZERO, from_zero=False) for n in range(count)]
        starts = [line["seconds"] for line in up.lines("control") if "replica is ready" in line.message]
    print(
        "| start of | step | from zero: median ms | p95 | warm: median ms | p95 |\n|---|---|---:|---:|---:|---:|"
    )
    for function in FUNCTIONS:
        zero, others = _together(cold, function), _together(warm, function)
        for step in STEPS:
            print(f"| {function} | {step} | {_both(zero[step])} | {_both(others[step])} |")
    print(f"\nfrom zero n = {len(cold)}, warm n = {len(warm)}; a process was ready after ", end="")
    print(f"{statistics.median(starts):.2f} s in the median ({len(starts)})")


def measured(up: LoadedService, number: int, from_zero: bool) -> dict[str, dict[str, float]]:
    """One file; by function, how long each step took."""
    if from_zero:
        _until(lambda: "functions" not in up.memory_mb())
    else:
        time.sleep(0.5)  # what the run before left to do
    progress(f"start {number}, {'from zero' if from_zero else 'warm'}")
    put = up.put(up.up.minio(), Video("main", f"{number}.mp4", 1.0))
    return split(ended(up, put), put)


def ended(up: LoadedService, since: float) -> list[Line]:
    """The lines of the run of what was put at ``since``, when it has its report."""
    found: list[Line] = []

    def done() -> bool:
        lines = up.lines()
        admitted = [x["run_id"] for x in lines if x.logger == "kadr.admission" and x.at > since - 0.3]
        found[:] = [line for line in lines if admitted and line["run_id"] == admitted[-1]]
        return any(line["task"] == "render" and line.logger == "kadr.pump" for line in found)

    _until(done)
    return found


def split(lines: Sequence[Line], put: float) -> dict[str, dict[str, float]]:
    """The steps of one run; before ``probe`` comes the record of ``acquire``, before that the PUT."""

    def at(logger: str, task: str = "", begin: bool = False) -> float:
        line = next(x for x in lines if x.logger == logger and (not task or x["task"] == task))
        took: float = line["seconds"] if begin else 0.0
        return line.at - took

    def steps(since: float, known: float, task: str) -> dict[str, float]:
        ready = at("kadr.router", task)
        posted, begun = at("kadr.pump", task, True), at("kadr.function", task, True)
        points = (since, known, ready, posted, begun)
        found = [1000 * (b - a) for a, b in itertools.pairwise(points)]
        return dict(zip(STEPS, [*found, 1000 * (begun - since)], strict=True))

    recorded = at("kadr.function", "acquire")
    return {
        "acquire": steps(put, at("kadr.admission"), "acquire"),
        "probe": steps(recorded, recorded, "probe"),
    }


def _together(found: Sequence[dict[str, dict[str, float]]], function: str) -> Times:
    made: Times = defaultdict(list)
    for one in found:
        for step, ms in one[function].items():
            made[step].append(ms)
    return made


def _both(values: Sequence[float]) -> str:
    if not values:
        return "- | -"
    ordered = sorted(values)
    return (
        f"{statistics.median(ordered):.0f} | {ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]:.0f}"
    )


def _until(true: object) -> None:
    assert callable(true)
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"it did not happen within {PATIENCE_S} s")
        time.sleep(0.1)
