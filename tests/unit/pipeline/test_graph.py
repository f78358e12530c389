"""Profiles made normal, and the graph of a run: what enters keys, what does not, and errors that say what was wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kadr.contracts.errors import InvalidProfile
from kadr.contracts.packs import FPS_LADDER
from kadr.contracts.profile import NormalProfile, Profile
from kadr.contracts.run import Graph
from kadr.pipeline import catalogue
from kadr.pipeline.graph import build
from kadr.pipeline.profiles import config_hash, load_profile, normalise, only, with_settings

CATALOGUE = catalogue.load()


def signature(name: str) -> str:
    return f"signature of {name}"


def normal(profile: Profile) -> NormalProfile:
    return normalise(profile, CATALOGUE, signature)


def graph_of(name: str = "standard", **settings: dict[str, Any]) -> Graph:
    return build(normal(with_settings(load_profile(name), settings)), CATALOGUE)


@pytest.mark.parametrize("name", ["fast", "standard", "full"])
def test_every_built_in_profile_makes_a_graph_in_reading_order(name: str) -> None:
    seen: set[str] = set()
    for node in graph_of(name).nodes:
        reads = {e.component for e in node.edges if e.component} | ({node.plan} if node.plan else set())
        assert reads <= seen, f"{node.component} stands before what it reads"
        seen.add(node.component)


def test_the_catalogue_says_what_the_declarations_say() -> None:
    assert catalogue.generate().text() == catalogue.PATH.read_text()


def test_what_is_read_is_added_by_itself() -> None:
    names = {n.component for n in build(normal(only(load_profile("standard"), ["ocr"])), CATALOGUE).nodes}
    assert names == {"probe", "decode", "ocr"}


def test_optional_reads_are_used_when_present_and_null_when_not() -> None:
    alone = build(normal(only(load_profile("standard"), ["passages", "ocr"])), CATALOGUE).node("passages")
    edges = {e.name: e for e in alone.edges}
    assert edges["ocr"].component == "ocr"
    assert edges["speech"].component is None
    assert edges["speech"].optional


def test_components_share_packs_and_one_changed_rate_changes_one_pack() -> None:
    before = {o.name for o in graph_of().node("decode").outputs}
    after = {o.name for o in graph_of(ocr={"fps": 4}).node("decode").outputs}
    readers = [e.output for n in graph_of().nodes for e in n.edges if e.component == "decode"]
    assert len(before) < len(readers)
    assert len(after - before) == 1


@given(st.floats(0.01, 20, allow_nan=False))
def test_sampling_snaps_to_the_ladder(fps: float) -> None:
    chosen = normal(with_settings(load_profile("standard"), {"ocr": {"fps": fps}})).components["ocr"].frames
    assert chosen is not None
    assert chosen["fps"] in FPS_LADDER
    assert chosen["fps"] >= min(fps, FPS_LADDER[-1])


def test_config_hash_is_of_what_shapes_results_only() -> None:
    base = load_profile("standard")
    hashed = config_hash(normal(base))
    same = base.model_copy(update={"name": "x", "cache_ttl_days": 9, "required": ("probe", "speech")})
    assert config_hash(normal(same)) == hashed
    assert config_hash(normal(with_settings(base, {"ocr": {"fps": 4}}))) != hashed
    spelt = with_settings(base, {"speech": {"model": "whisper_base"}})
    assert config_hash(normal(spelt)) == hashed
    other = normalise(base, CATALOGUE, lambda name: f"other {name}")
    assert config_hash(other) != hashed


def test_merge_parameters_are_in_the_merge_only() -> None:
    plain, changed = graph_of().node("shots"), graph_of(shots={"min_shot_ms": 1234}).node("shots")
    assert plain.params == changed.params
    assert plain.merge != changed.merge


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"nothing": {"x": 1}}, "there is no component 'nothing'"),
        ({"ocr": {"fsp": 1}}, "ocr has no parameter 'fsp'"),
        ({"speech": {"beam": "many"}}, "speech.beam: 'many'"),
        ({"speech": {"model": "whisper_huge"}}, "speech.model"),
        ({"ocr": {"fps": "abc"}}, "ocr.fps: 'abc' is not a number of frames a second above 0"),
        ({"ocr": {"fps": -1}}, "ocr.fps: -1 is not"),
        ({"ocr": {"fps": True}}, "ocr.fps: True is not"),
        ({"ocr": {"fps": float("nan")}}, "ocr.fps: nan is not"),
        ({"ocr": {"long_side": 640.5}}, "ocr.long_side: 640.5 is not a whole number of pixels above 0"),
        ({"probe": {"chunk_ms": 10**20}}, f"probe.chunk_ms: {10**20} cannot be used"),
        ({"voice": {"threshold": float("nan")}}, "voice.threshold: nan cannot be used"),
        ({"speech": {"language": "\udcff"}}, "speech.language: '\\\\udcff' cannot be used"),
        ({"report": {"picture_bytes": 1}}, "report has no parameters to set"),
    ],
)
def test_a_wrong_setting_is_refused_by_name_and_value(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidProfile, match=says):
        normal(with_settings(load_profile("standard"), settings))


def test_a_required_component_must_exist_but_need_not_be_in_the_run() -> None:
    base = only(load_profile("standard"), ["ocr"])
    with pytest.raises(InvalidProfile, match="there is no component 'ocrr'"):
        normal(base.model_copy(update={"required": ("ocrr",)}))
    assert normal(base.model_copy(update={"required": ("ocr", "speech")})).required == ("ocr",)


def test_a_report_alone_is_a_report_of_nothing() -> None:
    with pytest.raises(InvalidProfile, match="nothing is left to compute"):
        normal(only(load_profile("standard"), ["report"]))


def test_a_profile_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('components = ["ocr"]\nrequired = ["ocr"]\n[set.ocr]\nfps = 0.5\n')
    profile = load_profile(str(path))
    assert profile.name == "mine"
    assert build(normal(profile), CATALOGUE).required == ("ocr",)
    path.write_text("components = 3")
    with pytest.raises(InvalidProfile, match=r"mine\.toml"):
        load_profile(str(path))
    with pytest.raises(InvalidProfile, match="name one of fast, full, standard"):
        load_profile("huge")
