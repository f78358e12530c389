"""Why a result is missing: the exact fields in which its key differs from what is stored."""

from __future__ import annotations

from kadr.contracts.keys import key_ingredients, sha256_json
from kadr.pipeline.explaining import _named, explain
from kadr.pipeline.state import Wanted

BASE = key_ingredients("ocr", 1, {"a": 1, "b": {"c": 2}}, {"m": "s" * 64}, {"x": "d" * 64}, (0, 1000, 0), 1)


def wanted(**changes: object) -> Wanted:
    made = {**BASE, **changes}
    return Wanted("ocr", sha256_json(made), made)


def test_each_changed_field_is_named_with_both_values() -> None:
    assert explain(wanted(version=2), [BASE]) == ["version: 1 → 2"]
    assert explain(wanted(params={"a": 1, "b": {"c": 3}}), [BASE]) == ["params.b.c: 2 → 3"]
    assert explain(wanted(params={"a": 1}), [BASE]) == ["params.b.c: 2 → absent"]
    assert explain(wanted(inputs={"x": "e" * 64}), [BASE]) == [f"inputs.x: {'d' * 12}… → {'e' * 12}…"]
    assert explain(wanted(chunk={"start_ms": 0, "end_ms": 2000, "overlap_ms": 0}), [BASE]) == [
        "chunk.end_ms: 1000 → 2000"
    ]


def test_the_nearest_stored_result_explains() -> None:
    far = {**BASE, "version": 7, "params": {"a": 5, "b": {"c": 9}}}
    near = {**BASE, "params": {"a": 2, "b": {"c": 2}}}
    assert explain(wanted(), [far, near]) == ["params.a: 2 → 1"]


def test_the_same_chunk_explains_before_a_nearer_other_one() -> None:
    chunk = {"start_ms": 1000, "end_ms": 2000, "overlap_ms": 0}
    same = {**BASE, "chunk": chunk, "version": 7, "params": {"a": 5, "b": {"c": 9}}, "models": {}}
    said = explain(wanted(chunk=chunk), [BASE, same])
    assert "version: 7 → 1" in said
    assert not any(s.startswith("chunk") for s in said)


def test_without_anything_stored_it_was_never_computed() -> None:
    assert explain(wanted(), []) == ["ocr: never computed for this video"]


def test_changes_are_named_as_people_know_them() -> None:
    named = {
        "params.fps: 1 → 2": "ocr.fps, objects.fps: 1 → 2",
        "inputs.captions: aaa… → bbb…": "captions: another result than before",
        "inputs.decode.frames-2fps-1280: absent → bbb…": "decode.frames-2fps-1280: now read",
        "inputs.decode.frames-1fps-1280: bbb… → absent": "decode.frames-1fps-1280: no longer read",
        "models.transnetv2: absent → ddd…": "model transnetv2: now used",
        "models.transnetv2: ddd… → absent": "model transnetv2: no longer used",
        "models.transnetv2: ddd… → eee…": "model transnetv2: is another",
        "version: 1 → 2": "version: 1 → 2",
        "ocr: never computed for this video": "ocr: never computed for this video",
    }
    assert {change: _named(change, ["ocr", "objects"]) for change in named} == named


def test_a_first_model_is_one_change() -> None:
    without = {**BASE, "models": {}}
    assert explain(wanted(), [without]) == [f"models.m: absent → {'s' * 12}…"]
