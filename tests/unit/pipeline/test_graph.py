"""Profiles made normal, and the graph of a run: what enters keys, what does not, and errors that say what was wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kadr.contracts.errors import InvalidProfile
from kadr.contracts.packs import FPS_LADDER
from kadr.contracts.profile import NormalProfile, Profile, whole_name
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
        ({"ocr": {"fps": "abc"}}, "ocr.fps: 'abc' is not a number above 0"),
        ({"ocr": {"fps": -1}}, "ocr.fps: -1 is not"),
        ({"ocr": {"fps": True}}, "ocr.fps: true is not"),
        ({"ocr": {"fps": float("nan")}}, "ocr.fps: NaN is not a number that can be used"),
        ({"ocr": {"long_side": 640.5}}, "ocr.long_side: 640.5 is not a whole number above 0"),
        ({"probe": {"chunk_ms": 10**20}}, f"probe.chunk_ms: {10**20} cannot be used"),
        ({"voice": {"threshold": float("nan")}}, "voice.threshold: NaN is not a number that can be used"),
        ({"speech": {"language": "\udcff"}}, "speech.language: '\\\\udcff' cannot be used"),
        ({"report": {"picture_bytes": 1}}, "report has no parameters to set"),
        ({"decode": {"packs": []}}, "decode has no parameters to set: set fps or long_side of"),
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


def test_passages_of_nothing_are_refused() -> None:
    with pytest.raises(InvalidProfile, match=r"passages is made of speech, ocr.* none of them is in the run"):
        normal(only(load_profile("standard"), ["passages"]))


def test_a_profile_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('components = ["ocr"]\nrequired = ["ocr"]\n[set.ocr]\nfps = 0.5\n')
    profile = load_profile(str(path))
    assert profile.name == "mine"
    assert build(normal(profile), CATALOGUE).required == ("ocr",)
    with pytest.raises(InvalidProfile, match="name one of fast, full, standard"):
        load_profile("huge")
    with pytest.raises(InvalidProfile, match=r"there is no profile 'Ful' \(did you mean 'full'\?\)"):
        load_profile("Ful")


def test_a_profile_file_that_is_not_there_is_not_taken_for_a_name(tmp_path: Path) -> None:
    for named in ("nofile.toml", str(tmp_path / "mine")):
        with pytest.raises(InvalidProfile, match=f"profile {named}: there is no such file; name one that is"):
            load_profile(named)
    with pytest.raises(InvalidProfile, match="is a folder: name a "):
        load_profile(str(tmp_path))


def test_a_narrowed_profile_is_called_by_what_it_was_narrowed_to() -> None:
    narrowed = only(load_profile("standard"), ["shots"])
    assert narrowed.name == "standard (only shots)"
    many = only(load_profile("fast"), ["shots", "speech", "ocr", "faces", "faces", "tags"])
    assert many.name == "fast (only shots, speech, ocr and 2 more)"
    names = [narrowed.name, many.name, "standard (part)", "mine", "mine (2)"]
    assert [whole_name(n) for n in names] == ["standard", "fast", "standard", "mine", "mine (2)"]


MISSING = 'components is missing: list what to compute, such as components = ["speech", "ocr"]'
KEYS = "a profile may have name, description, components, required, set, cache_ttl_days"


@pytest.mark.parametrize(
    ("name", "text", "faults"),
    [
        ("p.toml", "", [MISSING]),
        ("p.toml", "components = 3", ["components: 3 is not a list of one or more texts, such as [\"a\", \"b\"]"]),
        ("p.toml", "components = []", ["components: [] is not a list of one or more texts, such as [\"a\", \"b\"]"]),
        (
            "p.toml",
            'componets = ["ocr"]\ncache_ttl_days = "three"',
            [
                f"there is no key 'componets' (did you mean 'components'?): {KEYS}",
                MISSING,
                "cache_ttl_days: 'three' is not a whole number of at least 0, or null",
            ],
        ),
        (
            "p.toml",
            'titel = "a"\ncomponents = ["ocr"]\nlanguage = "en"\n[set.ocr]\nfsp = 1\n[set.speach]\nlanguage = "en"',
            [
                f"there is no key 'titel': {KEYS}",
                f"there is no key 'language': {KEYS}",
                "there is no component 'speach' (did you mean 'speech'?): known are",
                "ocr has no parameter 'fsp' (did you mean 'fps'?): it has change_threshold, detect_side, fps,",
            ],
        ),
        ("p.toml", 'components = ["ocr"]\n[set]\nocr = 5', ["set.ocr: 5 is not a table of names and values"]),
        ("p.toml", 'components = ["ocr"', ["is not valid TOML: "]),
        ("p.json", '{"components": ["ocr"],', ["is not valid JSON: "]),
        ("p.json", "[1]", ['is not a table of names and values, such as {"components": ["ocr"]}']),
        ("p.json", "[" * 100_000, ["is not valid JSON: "]),
        ("p.toml", 'components = ["shotz"]', ["there is no component 'shotz' (did you mean 'shots'?): known are"]),
        (
            "p.toml",
            'components = ["ocr"]\nrequired = ["speech"]\n[set.ocr]\nfsp = 1\nmin_score = 2\n[set.voice]\nthreshold = 0.4',
            [
                "ocr has no parameter 'fsp' (did you mean 'fps'?): it has change_threshold, detect_side, fps,",
                "ocr.min_score: 2 is not a number from 0 to 1",
                "set.voice: voice is not in this run, which has decode, ocr, probe",
                "required: speech is not in this run, which has decode, ocr, probe",
            ],
        ),
    ],
)  # fmt: skip
def test_a_profile_file_is_refused_by_file_place_value_and_what_would_do(
    tmp_path: Path, name: str, text: str, faults: list[str]
) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InvalidProfile) as raised:
        load_profile(str(path))
    lines = str(raised.value).splitlines()
    assert len(lines) == len(faults)
    for line, fault in zip(lines, faults, strict=True):
        assert line.startswith(f"profile {path}: {fault}")


def test_a_profile_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidProfile, match=r"p\.toml: is not UTF-8 text"):
        load_profile(str(tmp_path / "p.toml"))
