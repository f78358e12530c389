"""A run's state is a function of the set of its objects: walked by hypothesis, in any order, doubled, late, lost."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kadr.contracts.errors import InvalidObject
from kadr.contracts.keys import jcs
from kadr.contracts.run import Record, RunStatus, TaskState
from kadr.pipeline.epochs import parse
from kadr.pipeline.state import evaluate
from tests.unit.pipeline.toy import (
    Facts,
    Objects,
    World,
    cancel,
    graph,
    play,
    put_failure,
    put_record,
    request,
    retry,
    shut,
)

REQ = request()
CHUNKS = ["objects.0", "objects.1", "objects.2", "decode.0", "decode.2", "speech.0", "speech.1"]
WHOLES = ["acquire", "probe", "pcm", "voice", "objects", "speech", "titles", "passages", "decode"]
fails = st.frozensets(st.sampled_from(CHUNKS + WHOLES), max_size=4)
worlds = st.builds(World, probe_chunks=st.integers(0, 3), voice_chunks=st.integers(0, 3), fails=fails)


def shuffled(objects: Objects, seed: int) -> Objects:
    names = list(objects)
    random.Random(seed).shuffle(names)
    return {n: objects[n] for n in names}


@given(worlds, st.integers(0, 1000), st.integers(0, 2**32))
def test_objects_in_any_order_and_at_any_moment_give_the_same_state(
    world: World, steps: int, seed: int
) -> None:
    objects: Objects = {}
    play(REQ, objects, world, steps % 20)
    assert Facts.of(evaluate(REQ, shuffled(objects, seed))) == Facts.of(evaluate(REQ, objects))


@given(worlds)
def test_every_run_ends(world: World) -> None:
    objects: Objects = {}
    state = play(REQ, objects, world)
    assert state.closable
    assert all(t.state.terminal for t in state.tasks.values())
    done = shut(objects, state)
    assert evaluate(REQ, objects).status is done.status


@given(worlds, st.randoms(use_true_random=False))
def test_lost_objects_are_repaired_to_the_same_end(world: World, rng: random.Random) -> None:
    objects: Objects = {}
    whole = Facts.of(play(REQ, objects, world))
    kept = {n: o for n, o in objects.items() if rng.random() < 0.5}
    assert Facts.of(play(REQ, kept, world)) == whole


@given(worlds, st.integers(1, 5), st.randoms(use_true_random=False))
def test_of_two_digests_for_one_key_the_smallest_counts_everywhere(
    world: World, variant: int, rng: random.Random
) -> None:
    """A second worker's different results arrive late, in any order: everybody ends with the same records."""
    ours: Objects = {}
    play(REQ, ours, world)
    late: Objects = {}
    world.variant = lambda task: variant
    play(REQ, late, world)
    names = [*ours.items(), *late.items()]
    rng.shuffle(names)
    merged = dict(names)
    world.variant = lambda task: 0
    state = play(REQ, merged, world)
    assert state.closable
    for task in state.tasks.values():
        if task.record is not None and task.key is not None:
            made = [r for r in merged.values() if isinstance(r, Record) and r.task == task.name]
            rivals = [r.digest for r in made if r.key == task.key]
            assert task.record.digest == min(rivals)


@given(worlds)
def test_a_task_is_blocked_exactly_when_what_it_needs_failed(world: World) -> None:
    state = play(REQ, {}, world)
    for task in state.tasks.values():
        if task.state is TaskState.BLOCKED:
            assert task.record is None
            assert task.reason
        if task.component == "passages" and not world.fails & {"passages", "acquire"}:
            assert task.state is TaskState.SUCCEEDED  # both of its inputs are optional


def test_a_failed_chunk_leaves_a_gap_and_a_partial_run() -> None:
    objects: Objects = {}
    state = play(REQ, objects, World(fails=frozenset({"objects.1"})))
    merged = state.tasks["objects"]
    assert merged.state is TaskState.SUCCEEDED
    assert merged.gaps == ((1000, 2000),)
    assert state.component_state("objects") == "partial"
    assert shut(objects, state).status is RunStatus.PARTIAL


def test_without_its_bytes_nothing_of_a_run_is_done() -> None:
    objects: Objects = {}
    state = evaluate(REQ, objects)
    assert state.video_id is None
    assert [n for n, t in state.tasks.items() if t.state is TaskState.READY] == ["acquire"]
    state = play(REQ, objects, World(fails=frozenset({"acquire"})))
    assert state.tasks["probe"].reason == "needs acquire, which failed"
    assert {t.state for n, t in state.tasks.items() if n != "acquire"} == {TaskState.BLOCKED}, (
        "optional inputs or not"
    )
    assert shut(objects, state).status is RunStatus.FAILED


def test_bytes_that_came_out_differently_twice_are_the_smallest_for_everybody() -> None:
    """A URL fetched by two workers: one of the two videos counts, and nothing computed on the other does."""
    objects: Objects = {}
    video_ids = [play(REQ, objects, World(variant=lambda task, v=v: v)).video_id for v in (1, 2)]  # type: ignore[misc]
    one = evaluate(REQ, objects)
    assert one.video_id == min(v for v in video_ids if v)
    assert all(i.digest == one.video_id for i in one.tasks["probe"].inputs if i.edge.mode == "source")
    assert play(REQ, objects, World()).closable


@given(worlds, st.integers(1, 6), st.integers(0, 2**32))
def test_a_payload_made_again_counts_whatever_its_digest(world: World, variant: int, seed: int) -> None:
    """The record remade last counts everywhere and for ever, so its consumers read what exists."""
    objects: Objects = {}
    world.fails = frozenset()
    state = play(REQ, objects, world)
    pcm = state.tasks["pcm"]
    assert pcm.record is not None
    remade = world.record(pcm, variant).model_copy(update={"remade": pcm.record.remade + 1})
    put_record(objects, state.epoch, remade)
    again = play(REQ, shuffled(objects, seed), world)
    counting = again.tasks["pcm"].record
    assert counting is not None
    assert counting.digest == remade.digest
    assert {i.digest for i in again.tasks["voice"].inputs} == {r.digest for r in remade.results}
    assert again.closable


def test_an_acquire_record_names_a_video_and_no_other_does() -> None:
    objects: Objects = {}
    play(REQ, objects, World(), 2)
    for name, record in objects.items():
        body = record.model_dump(mode="json")
        body["video_id"] = None if body["video_id"] else body["results"][0]["digest"]
        with pytest.raises(InvalidObject):
            parse(name, jcs(body))


def test_a_failed_required_component_fails_the_run_but_the_rest_is_done() -> None:
    req = request(graph(required=("probe", "speech")))
    objects: Objects = {}
    state = play(req, objects, World(fails=frozenset({"pcm"})))
    assert state.component_state("speech") == "blocked"
    assert state.component_state("titles") == "succeeded"
    assert shut(objects, state).status is RunStatus.FAILED


def test_a_failed_chunk_plan_blocks_its_component_as_one_task() -> None:
    state = play(REQ, {}, World(fails=frozenset({"voice"})))
    assert [t.state for t in state.of("speech")] == [TaskState.BLOCKED]
    assert state.closable


def test_all_chunks_failed_blocks_the_merge() -> None:
    state = play(REQ, {}, World(probe_chunks=2, fails=frozenset({"objects.0", "objects.1"})))
    assert state.tasks["objects"].state is TaskState.BLOCKED
    assert state.component_state("objects") == "failed"


def test_an_empty_plan_readies_the_merge_at_once() -> None:
    """No audio: voice makes an empty plan, and speech's merge an empty result; nothing failed."""
    objects: Objects = {}
    state = play(REQ, objects, World(voice_chunks=0, absent=True))
    assert state.tasks["speech"].state is TaskState.SUCCEEDED
    assert state.component_state("speech") == "absent"
    assert shut(objects, state).status is RunStatus.COMPLETE


def test_a_late_chunk_plan_holds_the_run_open() -> None:
    objects: Objects = {}
    play(REQ, objects, World())
    plan = next(n for n in objects if "/voice." in n)
    record = objects.pop(plan)
    speech = {n: objects.pop(n) for n in list(objects) if "/speech." in n}
    waiting = evaluate(REQ, objects)
    assert "speech" in waiting.unplanned
    assert not waiting.closable
    objects[plan] = record
    assert not evaluate(REQ, objects).closable
    objects.update(speech)
    assert evaluate(REQ, objects).closable


@given(worlds, st.integers(0, 15))
def test_cancelled_midway_closes_and_can_be_retried(world: World, steps: int) -> None:
    objects: Objects = {}
    play(REQ, objects, world, steps)
    cancel(objects, 1)
    state = evaluate(REQ, objects)
    assert state.closable
    assert shut(objects, state).status is RunStatus.CANCELLED
    assert evaluate(REQ, objects).status is RunStatus.CANCELLED
    retry(objects, 2, graph())
    world.fails = frozenset()
    again = play(REQ, objects, world)
    assert again.epoch == 2
    assert shut(objects, again).status is RunStatus.COMPLETE


@given(fails)
def test_a_retry_keeps_successes_and_tries_failures_again(failing: frozenset[str]) -> None:
    objects: Objects = {}
    first = play(REQ, objects, World(fails=failing))
    shut(objects, first)
    retry(objects, 2, graph())
    opened = evaluate(REQ, objects)
    assert opened.epoch == 2
    for name, task in first.tasks.items():
        if task.state is TaskState.SUCCEEDED and name in opened.tasks and opened.tasks[name].key == task.key:
            assert opened.tasks[name].state is TaskState.SUCCEEDED
        if task.state is TaskState.FAILED and name in opened.tasks:
            assert opened.tasks[name].state in (TaskState.READY, TaskState.WAITING)
    second = play(REQ, objects, World())
    assert shut(objects, second).status is RunStatus.COMPLETE
    assert not any(n.startswith("2/probe") for n in objects if first.tasks["probe"].record)


def test_a_retry_does_not_open_before_the_epoch_is_closed() -> None:
    objects: Objects = {}
    play(REQ, objects, World(), 3)
    retry(objects, 2, graph())
    assert evaluate(REQ, objects).epoch == 1


@given(worlds, st.integers(0, 30))
def test_late_records_of_a_closed_epoch_never_count(world: World, steps: int) -> None:
    late: Objects = {}
    play(REQ, late, World(variant=lambda task: 7), steps)
    objects: Objects = {}
    done = shut(objects, play(REQ, objects, world))
    before = Facts.of(evaluate(REQ, objects))
    objects.update(late)
    assert Facts.of(evaluate(REQ, objects)) == before
    retry(objects, 2, graph())
    reopened = evaluate(REQ, objects)
    names = {t.record_name for t in reopened.tasks.values() if t.record_name}
    assert names <= set(done.records)


def test_a_success_beats_a_failure_of_the_same_task() -> None:
    objects: Objects = {}
    state = play(REQ, objects, World(), 1)
    task = next(t for t in state.tasks.values() if t.state is TaskState.READY)
    put_failure(objects, 1, task)
    assert evaluate(REQ, objects).tasks[task.name].state is TaskState.FAILED
    put_record(objects, 1, World().record(task))
    assert evaluate(REQ, objects).tasks[task.name].state is TaskState.SUCCEEDED


def test_two_done_marks_the_smallest_counts() -> None:
    objects: Objects = {}
    state = play(REQ, objects, World())
    shut(objects, state)
    put_record(objects, 1, World().record(state.tasks["passages"], 3))
    other = evaluate(REQ, {n: o for n, o in objects.items() if not n.startswith("done")})
    shut(objects, other)
    marks = sorted(n for n in objects if n.startswith("done"))
    counted_mark = objects[marks[0]]
    assert evaluate(REQ, objects).closed == counted_mark


@settings(max_examples=50)
@given(worlds)
def test_objects_survive_their_bytes(world: World) -> None:
    objects: Objects = {}
    shut(objects, play(REQ, objects, world))
    again = {n: parse(n, jcs(o.model_dump(mode="json"))) for n, o in objects.items()}
    assert again == objects


@given(
    st.binary(max_size=300),
    st.sampled_from(["done.1." + "0" * 64 + ".json", "retry.2.json", "1/a." + "0" * 16 + ".failed.json"]),
)
def test_damaged_bodies_are_refused_not_raised_through(body: bytes, name: str) -> None:
    with pytest.raises(InvalidObject):
        parse(name, body)


def test_a_record_under_another_tasks_name_is_refused() -> None:
    objects: Objects = {}
    play(REQ, objects, World(), 2)
    name, record = next((n, o) for n, o in objects.items() if "/probe." in n)
    moved = name.replace("probe", "other")
    with pytest.raises(InvalidObject, match="another task's record"):
        parse(moved, json.dumps(record.model_dump(mode="json")).encode())
