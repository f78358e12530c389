"""Progress never goes back, ends at the end, and counts each task once, whatever the order of events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.compose import Machine, Question
from cli.options import Choice
from cli.tracker import Together, Tracker, clock, pace
from kadr.settings import Settings

Event = Mapping[str, Any]
MACHINE = Machine(Settings())
WANTED = ("ocr", "loudness", "voice")


@cache
def question() -> Question:
    return MACHINE.question(Choice("standard", only=WANTED).profile())


def tracker() -> Tracker:
    return Tracker(question().graph, MACHINE.catalogue)


def named(task: str, component: str, index: int | None = None, merge: bool = False) -> dict[str, Any]:
    chunk = None if index is None else [60_000 * index, 60_000 * (index + 1)]
    return {"run_id": "r", "task": task, "component": component, "chunk": chunk, "merge": merge}


def of_task(draw: st.DrawFn, facts: dict[str, Any]) -> Iterator[Event]:
    """One task's events as the coordinator sends them: a hit, or work that may be retried and may fail."""
    if draw(st.booleans()):
        yield {"event": "task.done", **facts, "cached": True, "seconds": 0.0}
        return
    for last in [False] * draw(st.integers(0, 1)) + [True]:
        yield {"event": "task.started", **facts}
        for fraction in sorted(draw(st.lists(st.floats(0, 1), max_size=3))):
            yield {"event": "task.progress", **facts, "fraction": fraction}
        if not last:
            yield {"event": "task.retried", **facts, "code": "WorkerDied", "message": "died"}
    if draw(st.integers(0, 4)):
        yield {"event": "task.done", **facts, "cached": False, "seconds": 1.0}
    else:
        yield {"event": "task.failed", **facts, "code": "X", "message": "failed"}


@st.composite
def runs(draw: st.DrawFn) -> list[Event]:
    """All events of a run whose probe plans some chunks; tasks of different components interleave, some are blocked."""
    chunks = draw(st.integers(0, 4))
    events: list[Event] = list(of_task(draw, named("probe", "probe")))
    events.append({"event": "run.planned", "run_id": "r", "component": "probe", "chunks": chunks})
    lanes: list[list[Event]] = []
    blockable = WANTED if draw(st.booleans()) else ()
    for node in question().graph.nodes:
        if node.component == "probe" or (node.component in blockable and draw(st.booleans())):
            continue
        if node.plan is None:
            lanes.append(list(of_task(draw, named(node.component, node.component))))
            continue
        parts = [named(f"{node.component}.{i}", node.component, i) for i in range(chunks)]
        lane = [e for part in parts for e in of_task(draw, part)]
        if node.merge is not None:
            lane += of_task(draw, named(node.component, node.component, merge=True))
        lanes.append(lane)
    while lanes := [lane for lane in lanes if lane]:
        events.append(draw(st.sampled_from(lanes)).pop(0))
    if blockable:
        events.append({"event": "run.closed", "run_id": "r", "status": "partial", "manifest": ""})
    return events


@given(runs())
def test_the_fraction_only_grows_and_ends_at_one(events: list[Event]) -> None:
    seen, fractions = tracker(), [0.0]
    for event in events:
        seen.see(event)
        fractions.append(seen.fraction)
    assert fractions == pytest.approx(sorted(fractions))
    assert all(0 <= f <= 1 for f in fractions)
    assert fractions[-1] == pytest.approx(1)
    assert seen.running == {}
    assert seen.doing == ""


@given(runs())
def test_every_task_is_counted_once(events: list[Event]) -> None:
    seen = tracker()
    for event in events:
        seen.see(event)
    ends = [e for e in events if e["event"] in ("task.done", "task.failed")]
    assert seen.computed + seen.cached + seen.failed == len(ends)
    assert seen.cached == sum(bool(e.get("cached")) for e in ends)


def test_what_is_under_way_is_named() -> None:
    seen = tracker()
    seen.see({"event": "task.started", **named("ocr.2", "ocr", 2)})
    seen.see({"event": "task.started", **named("ocr", "ocr", merge=True)})
    seen.see({"event": "task.started", **named("voice", "voice")})
    assert seen.doing == "text ocr at 02:00 · text ocr merge · audio voice"


@pytest.mark.parametrize(
    ("settings", "length_ms"),
    [({}, 66_000), ({"from_ms": 10_000, "to_ms": 30_000}, 20_000), ({"from_ms": 60_000}, 6_000), ({"to_ms": 90_000}, 66_000)],
)  # fmt: skip
def test_the_length_is_that_of_the_part_which_was_asked_for(settings: dict[str, int], length_ms: int) -> None:
    asked = MACHINE.question(Choice("standard", {"probe": settings}, WANTED).profile())
    seen = Tracker(asked.graph, MACHINE.catalogue, asked.profile.hashed())
    seen.see({"event": "run.probed", "run_id": "r", "duration_ms": 66_000})
    assert seen.length_ms == length_ms


def done(task: str, cached: bool = False) -> Event:
    return {"event": "task.done", **named(task, task), "cached": cached, "seconds": 0.0 if cached else 1.0}


def probed(seen: Tracker, duration_ms: int) -> Tracker:
    seen.see({"event": "run.probed", "run_id": "r", "duration_ms": duration_ms})
    return seen


def test_what_was_found_says_nothing_about_the_pace() -> None:
    found, mixed = probed(tracker(), 60_000), probed(tracker(), 60_000)
    for task in ("pcm", "loudness", "voice"):
        found.see(done(task, cached=True))
        mixed.see(done(task, cached=task == "pcm"))
    assert found.fraction == mixed.fraction > 0
    assert found.worked == 0 < mixed.worked < mixed.fraction
    assert pace(found, 10) == ""
    worked = mixed.worked
    mixed.see(
        {"event": "task.recorded", **named("voice", "voice")}
    )  # told again by another run of the same video
    assert mixed.worked == worked


@given(runs())
def test_the_time_left_is_what_the_work_done_so_far_says(events: list[Event]) -> None:
    seen = probed(tracker(), 60_000)
    for event in events:
        seen.see(event)
        assert 0 <= seen.worked <= seen.fraction + 1e-9
        if said := pace(seen, 10):
            left_ms = 10_000 * (1 - seen.fraction) / seen.worked
            assert said == f"{clock(left_ms)} left, {6 * seen.worked:.1f}× realtime"


def test_several_runs_are_one_of_their_lengths() -> None:
    together, short, long, later = Together(), tracker(), tracker(), tracker()
    for run_id, seen, size in (("a", short, 10), ("b", long, 30), ("c", later, 20)):
        together.add(run_id, seen, size)
    assert together.waiting == ["a", "b", "c"]
    assert together.fraction == 0
    probed(short, 10_000)
    probed(long, 30_000)
    assert together.waiting == ["c"]
    assert together.length_ms == 60_000  # the one that waits is taken for as long as it is large
    together.ended.add("a")
    assert together.fraction == pytest.approx(1 / 6)
    long.see({"event": "run.closed", "run_id": "b", "status": "complete", "manifest": ""})
    assert together.fraction == pytest.approx(4 / 6)
    probed(later, 600_000)
    assert together.length_ms == 640_000
    assert together.fraction == pytest.approx(4 / 6)  # what was reached is not taken back


def test_files_whose_runs_are_not_there_yet_count_by_their_size() -> None:
    together, first = Together(), probed(tracker(), 10_000)
    together.add("a", first, 10)
    together.expected, together.expected_size = 2, 30
    assert together.length_ms == 40_000
    together.ended.add("a")
    assert together.fraction == pytest.approx(1 / 4)
    assert together.under_way == 0


def test_the_time_left_counts_those_that_wait() -> None:
    together, first, second = Together(), probed(tracker(), 60_000), tracker()
    together.add("a", first, 10)
    together.add("b", second, 10)
    for task in ("pcm", "loudness", "voice"):
        first.see(done(task))
    alone = 10 * (1 - first.fraction) / first.worked
    assert pace(first, 10).startswith(clock(1000 * alone))
    assert pace(together, 10).startswith(clock(1000 * (alone + 10 / first.worked)))


@pytest.mark.parametrize(
    ("ms", "text"), [(0, "00:00"), (65_999, "01:05"), (3_600_000, "1:00:00"), (36_061_000, "10:01:01")]
)
def test_clock(ms: int, text: str) -> None:
    assert clock(ms) == text
