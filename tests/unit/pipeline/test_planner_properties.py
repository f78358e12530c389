"""The planner over the real catalogue: a change recomputes the component and what truly depends on it, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kadr.contracts.run import Graph, TaskState
from kadr.pipeline import catalogue
from kadr.pipeline.graph import build
from kadr.pipeline.profiles import load_profile, normalise, with_settings
from tests.unit.pipeline.toy import Objects, World, play, request

CATALOGUE = catalogue.load()
CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("speech", {"beam": 3}),
    ("voice", {"threshold": 0.6}),
    ("objects", {"min_peak": 0.5}),
    ("ocr", {"min_score": 0.7}),
    ("shots", {"detector": "content"}),
    ("quality", {"blur_threshold": 55}),
    ("loudness", {"silence_lufs": -50}),
    ("pcm", {"audio_stream": 1}),
    ("ocr", {"fps": 8}),
    ("tags", {"long_side": 1920}),
    ("probe", {"chunk_ms": 30_000}),
]
worlds = st.builds(World, probe_chunks=st.integers(1, 4), voice_chunks=st.integers(1, 3))


def graph_with(settings_of: Mapping[str, Mapping[str, Any]]) -> Graph:
    profile = with_settings(load_profile("full"), settings_of)
    return build(normalise(profile, CATALOGUE, lambda name: f"signature of {name}"), CATALOGUE)


def keys_of(graph: Graph, world: World) -> dict[str, set[str]]:
    """Component → keys of all results that a run makes."""
    objects: Objects = {}
    state = play(request(graph), objects, world)
    assert all(t.state is TaskState.SUCCEEDED for t in state.tasks.values())
    found: dict[str, set[str]] = {}
    for task in state.tasks.values():
        found.setdefault(task.component, set()).update(w.key for w in task.wanted)
    return found


def readers_of(graph: Graph, component: str) -> set[str]:
    """Everything that depends on a component, at any distance."""
    found = {component}
    for node in graph.nodes:
        if found & {e.component for e in node.edges if e.component} or node.plan in found:
            found.add(node.component)
    return found


@settings(max_examples=40)
@given(st.sampled_from(CHANGES), worlds)
def test_a_change_moves_keys_of_the_component_and_its_readers_only(
    change: tuple[str, dict[str, Any]], world: World
) -> None:
    component, params = change
    before, after = graph_with({}), graph_with({component: params})
    old, new = keys_of(before, world), keys_of(after, world)
    moved = {c for c in new if new[c] != old[c]}
    if {"fps", "long_side"} & set(params):  # sampling: a pack more, and who reads it
        assert moved == {"decode"} | readers_of(after, component)
        assert len(new["decode"] - old["decode"]) == world.probe_chunks
    elif component == "probe":
        assert "probe" in moved
        assert len(new["probe"] & old["probe"]) == 2  # facts and index do not depend on how chunks are cut
    else:
        assert moved == readers_of(after, component)


@pytest.mark.parametrize(
    ("component", "before", "after"),
    [
        ("objects", {"fps": 2, "long_side": 640}, {"fps": 1, "long_side": 640}),
        ("objects", {"fps": 1, "long_side": 640}, {"fps": 1, "long_side": 960}),
        ("ocr", {"fps": 1, "long_side": 1280}, {"fps": 0.5, "long_side": 1280}),
        ("tags", {"fps": 1, "long_side": 320}, {"fps": 2, "long_side": 320}),
    ],
)
def test_what_is_read_of_a_shared_pack_moves_its_reader_and_not_the_pack(
    component: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    graphs = [graph_with({component: read}) for read in (before, after)]
    packs = [{e.output for e in g.node(component).edges} for g in graphs]
    assert packs[0] == packs[1]
    old, new = (keys_of(g, World()) for g in graphs)
    assert {c for c in new if new[c] != old[c]} == readers_of(graphs[1], component)
    assert "decode" not in readers_of(graphs[1], component)


@settings(max_examples=25)
@given(st.lists(st.sampled_from(CHANGES), max_size=4), worlds)
def test_the_same_question_has_the_same_keys_however_it_was_put(
    changes: list[tuple[str, dict[str, Any]]], world: World
) -> None:
    asked: dict[str, dict[str, Any]] = {}
    for component, params in changes:
        asked.setdefault(component, {}).update(params)
    spelt = {c: {**_defaults(c), **p} for c, p in reversed(asked.items())}
    assert keys_of(graph_with(asked), world) == keys_of(graph_with(spelt), world)


def _defaults(component: str) -> dict[str, Any]:
    properties = CATALOGUE.components[component].params.get("properties", {})
    return {name: p["default"] for name, p in properties.items() if "default" in p}


@settings(max_examples=20)
@given(st.integers(1, 5), st.integers(1, 5))
def test_chunk_keys_do_not_know_their_index_or_plan(before: int, after: int) -> None:
    """A video cut into more chunks keeps the results of the chunks that are the same slices of time."""

    def chunk_keys(chunks: int) -> list[set[str]]:
        graph = graph_with({})
        state = play(request(graph), {}, World(probe_chunks=chunks))
        tasks = sorted((t for t in state.tasks.values() if t.component == "decode"), key=lambda t: t.name)
        return [{w.key for w in t.wanted} for t in tasks]

    for one, other in zip(chunk_keys(before), chunk_keys(after), strict=False):
        assert one == other
