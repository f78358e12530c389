from __future__ import annotations

import numpy as np
import pytest

from functions.tags.component import TAGS, TagsParams, merge_tags, tags
from functions.tags.network import letterboxed
from functions.tags.summary import Rule, smoothed, summarise
from kadr.contracts.artifact import Artifact
from kadr.contracts.component import Part
from kadr.contracts.keys import array_digest
from kadr.contracts.media import ChunkSpan
from kadr.contracts.model import Models
from tests.unit.functions.frames import MemoryFrames
from tests.unit.functions.models import models as real_models
from tests.unit.functions.reel import reel_frames

CAT_AND_CUP = (18_000, 27_000)
"""A cat until 22280, a cup of espresso until 26280, then the portrait of an astronaut."""


@pytest.fixture(scope="module")
def models() -> Models:
    return real_models("efficientnet_lite0")


def part(frames: MemoryFrames, models: Models, start_ms: int, end_ms: int) -> Part:
    made = tags(frames.between(start_ms, end_ms), TagsParams(), models)
    return Part(ChunkSpan(start_ms, end_ms), TAGS.checked(made))


def merged(*parts: Part, params: TagsParams | None = None) -> Artifact:
    return TAGS.checked(merge_tags(parts, params or TagsParams()))


def test_the_reels_cat_and_coffee_are_named_when_they_are_seen(models: Models) -> None:
    found = merged(part(reel_frames(*CAT_AND_CUP), models, *CAT_AND_CUP))
    named = {row["label"]: row for row in found.payload["summary"]}
    assert named["Egyptian Mau"]["first_ms"] == 18_000
    assert named["Egyptian Mau"]["ms"] == 5_000
    assert named["espresso"]["first_ms"] == 23_000
    assert named["espresso"]["score"] > 0.6
    assert list(named)[:2] == ["Egyptian Mau", "espresso"], "those of most evidence come first"


def test_scores_fall_from_best_to_fifth_and_name_existing_labels(models: Models) -> None:
    found = merged(part(reel_frames(*CAT_AND_CUP), models, *CAT_AND_CUP))
    assert found["t_ms"].tolist() == list(range(18_000, 27_000, 1000))
    assert len(found.payload["labels"]) == 1000
    assert (np.diff(found["top_score"], axis=1) <= 0).all()
    assert ((found["top"] >= 0) & (found["top"] < 1000)).all()


def test_embeddings_of_one_shot_are_nearer_than_those_of_two(models: Models) -> None:
    frames = reel_frames(*CAT_AND_CUP)
    vectors = tags(frames, TagsParams(), models)["embedding"].astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    likeness = vectors @ vectors.T
    cat, cup = slice(0, 4), slice(5, 8)
    assert likeness[cat, cat].min() > 0.8
    assert likeness[cat, cat].min() > likeness[cat, cup].max() + 0.2


def test_chunks_merge_to_what_one_chunk_gives(models: Models) -> None:
    frames = reel_frames(*CAT_AND_CUP)
    start, end = CAT_AND_CUP
    whole = merged(part(frames, models, start, end))
    for seam in (19_000, 22_500, 26_000):
        halves = merged(part(frames, models, start, seam), part(frames, models, seam, end))
        assert halves["t_ms"].tolist() == whole["t_ms"].tolist()
        assert np.abs(halves["top_score"] - whole["top_score"]).max() <= 1e-3
        assert [r["label"] for r in halves.payload["summary"]] == [
            r["label"] for r in whole.payload["summary"]
        ]


def test_a_repeated_picture_has_its_predecessors_results(models: Models) -> None:
    one, two = reel_frames(*CAT_AND_CUP).images[0], reel_frames(*CAT_AND_CUP).images[6]
    repeated = tags(MemoryFrames([one, one, one, two, two]), TagsParams(), models)
    again = tags(MemoryFrames([one, one.copy(), one.copy(), two, two.copy()]), TagsParams(), models)
    for name in ("top", "t_ms"):
        assert np.array_equal(repeated[name], again[name])
    assert np.allclose(repeated["top_score"], again["top_score"], atol=1e-4)
    assert np.array_equal(repeated["embedding"][0], repeated["embedding"][2])


def test_the_same_frames_give_the_same_bytes(models: Models) -> None:
    one, two = (merged(part(reel_frames(*CAT_AND_CUP), models, *CAT_AND_CUP)) for _ in range(2))
    assert one.payload == two.payload
    assert all(array_digest(one[name]) == array_digest(two[name]) for name in TAGS.arrays)


def test_no_frames_are_no_tags(models: Models) -> None:
    found = merged(part(MemoryFrames([], size=(320, 180)), models, 0, 1000))
    assert found["embedding"].shape == (0, 1280)
    assert found.payload["summary"] == []


def test_a_letterboxed_picture_keeps_its_shape() -> None:
    picture = np.full((90, 320, 3), 200, dtype=np.uint8)
    square = letterboxed(picture)
    rows = np.flatnonzero((square == 200).all(axis=(1, 2)))
    assert square.shape == (224, 224, 3)
    assert (rows[0], rows[-1]) == (80, 142)
    assert (square[:80] == 127).all()


def test_the_last_frame_lasts_until_the_video_ends(models: Models) -> None:
    frames, start = reel_frames(*CAT_AND_CUP), CAT_AND_CUP[0]
    found = merged(part(frames, models, start, 20_500))
    assert {row["label"]: row["ms"] for row in found.payload["summary"]}["Egyptian Mau"] == 2500


# --- the summary, without a model ---

LABELS = ["cat", "cup", "crane", "crane"]


def summary(top: list[int], scores: list[float], **rule: float) -> list[dict[str, object]]:
    chosen = Rule(rule.get("min_score", 0.2), int(rule.get("smooth_ms", 3000)), int(rule.get("limit", 20)))
    t_ms = np.arange(len(top), dtype=np.int64) * 1000
    best, score = np.array(top).reshape(-1, 1), np.array(scores).reshape(-1, 1)
    return summarise(t_ms, best, score, LABELS, np.full(len(top), 1000), chosen)


def test_one_uncertain_frame_is_no_tag_but_a_lasting_one_is() -> None:
    assert summary([0, 1, 0], [0.1, 0.5, 0.1]) == []
    lasting = summary([0, 1, 1, 1, 0], [0.1, 0.5, 0.5, 0.5, 0.1])
    assert lasting == [{"label": "cup", "score": 0.5, "first_ms": 1000, "ms": 3000}]


def test_labels_of_one_name_are_one_tag() -> None:
    assert [(r["label"], r["ms"]) for r in summary([2, 3, 2], [0.5, 0.5, 0.5])] == [("crane", 3000)]


def test_no_more_labels_are_named_than_asked_for() -> None:
    top, scores = [0, 0, 0, 1, 1], [0.9] * 5
    assert [r["label"] for r in summary(top, scores)] == ["cat", "cup"]
    assert [r["label"] for r in summary(top, scores, limit=1)] == ["cat"]


def test_smoothing_does_not_reach_over_a_gap() -> None:
    t_ms = np.array([0, 1000, 9000], dtype=np.int64)
    assert smoothed(t_ms, np.array([0.2, 0.4, 0.9]), 3000) == pytest.approx([0.3, 0.3, 0.9])
