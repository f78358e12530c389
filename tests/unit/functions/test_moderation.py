from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.moderation.component import (
    MODERATION,
    MODERATION_SCORES,
    ModerationParams,
    merge_moderation,
    moderation,
)
from kadr.contracts.artifact import Artifact
from kadr.contracts.component import Part
from kadr.contracts.media import ChunkSpan
from kadr.contracts.model import Models
from tests.unit.functions.frames import MemoryFrames
from tests.unit.functions.models import models as real_models
from tests.unit.functions.reel import reel_frames

LABELS = ["Drawing", "Hentai", "Neutral", "Porn", "Sexy"]
DRAWING, NEUTRAL, PORN, SEXY = 0, 2, 3, 4


@pytest.fixture(scope="module")
def models() -> Models:
    return real_models("nsfw_mobilenet_v2")


def part(frames: MemoryFrames, models: Models, start_ms: int, end_ms: int) -> Part:
    made = moderation(frames.between(start_ms, end_ms), ModerationParams(), models)
    return Part(ChunkSpan(start_ms, end_ms), MODERATION_SCORES.checked(made))


def merged(*parts: Part, params: ModerationParams | None = None) -> Artifact:
    return MODERATION.checked(merge_moderation(parts, params or ModerationParams()))


def test_a_person_dressed_is_neutral_and_makes_no_span(models: Models) -> None:
    found = merged(part(reel_frames(27_000, 31_000), models, 27_000, 31_000))
    assert found.payload["labels"] == LABELS
    assert found["score"][:, NEUTRAL].min() > 0.9
    assert found["score"].sum(axis=1) == pytest.approx(np.ones(4), abs=1e-3)
    assert not len(found["span_start_ms"])
    assert "blocked" in found.payload["note"]


def test_the_cartoon_that_the_model_misjudges_makes_no_span_until_the_threshold_falls(models: Models) -> None:
    one = part(reel_frames(4_000, 9_000), models, 4_000, 9_000)
    assert one.artifact["score"][:, PORN].max() > 0.7, "the weakness that smoothing is there for"
    assert not len(merged(one)["span_start_ms"])
    low = merged(one, params=ModerationParams(threshold=0.4))
    assert {LABELS[i] for i in low["span_label"]} == {"Porn"}


def test_chunks_score_as_the_whole_does(models: Models) -> None:
    frames = reel_frames(4_000, 9_000)
    whole = merged(part(frames, models, 4_000, 9_000))
    halves = merged(part(frames, models, 4_000, 6_000), part(frames, models, 6_000, 9_000))
    assert halves["t_ms"].tolist() == whole["t_ms"].tolist()
    assert np.abs(halves["score"] - whole["score"]).max() <= 1e-3


def test_a_repeated_picture_has_its_predecessors_scores(models: Models) -> None:
    one, two = reel_frames(4_000, 9_000).images[:2]
    score = moderation(MemoryFrames([one, one, two, two]), ModerationParams(), models)["score"]
    assert np.array_equal(score[0], score[1])
    assert np.array_equal(score[2], score[3])
    assert not np.array_equal(score[1], score[2])


def test_no_frames_are_no_scores(models: Models) -> None:
    found = merged(part(MemoryFrames([], size=(320, 180)), models, 0, 1000))
    assert found["score"].shape == (0, 5)


# --- spans, without a model ---


def scored(label: int, values: list[float], start_ms: int = 0, end_ms: int | None = None) -> Part:
    """One frame a second; what ``label`` leaves belongs to Neutral."""
    score = np.zeros((len(values), 5), dtype=np.float32)
    score[:, label] = values
    score[:, NEUTRAL] += 1 - np.array(values, dtype=np.float32)
    t_ms = start_ms + 1000 * np.arange(len(values), dtype=np.int64)
    span = ChunkSpan(start_ms, start_ms + 1000 * len(values) if end_ms is None else end_ms)
    return Part(span, Artifact({"t_ms": t_ms, "score": score}, {"labels": LABELS, "step_ms": 1000}))


def spans(found: Artifact) -> list[tuple[int, int, str]]:
    names = [LABELS[i] for i in found["span_label"]]
    return list(zip(found["span_start_ms"].tolist(), found["span_end_ms"].tolist(), names, strict=True))


def test_a_span_lasts_while_the_score_is_high() -> None:
    found = merged(scored(SEXY, [0.1, 0.1, 0.9, 0.9, 0.9, 0.9, 0.1, 0.1]))
    assert spans(found) == [(3000, 5000, "Sexy")]
    assert found["span_score"].tolist() == pytest.approx([0.9])
    exact = merged(
        scored(SEXY, [0.1, 0.1, 0.9, 0.9, 0.9, 0.9, 0.1, 0.1]), params=ModerationParams(smooth_ms=0)
    )
    assert spans(exact) == [(2000, 6000, "Sexy")]


def test_a_span_begins_and_ends_with_frames_that_show_it() -> None:
    found = merged(scored(SEXY, [0, 0, 0.9, 0.9, 0.9, 0, 0]), params=ModerationParams(threshold=0.5))
    assert spans(found) == [(2000, 5000, "Sexy")]


def test_one_frame_alone_makes_no_span() -> None:
    assert spans(merged(scored(PORN, [0.1, 0.1, 0.99, 0.1, 0.1]))) == []


def test_drawings_and_neutral_pictures_are_never_spans() -> None:
    assert spans(merged(scored(DRAWING, [0.99] * 6))) == []


def test_a_span_ends_with_the_video() -> None:
    assert spans(merged(scored(PORN, [0.9] * 4, end_ms=3300))) == [(0, 3300, "Porn")]


def test_a_lost_chunk_parts_a_span() -> None:
    lost = (scored(PORN, [0.9] * 3), scored(PORN, [0.9] * 3, start_ms=6000))
    assert spans(merged(*lost)) == [(0, 3000, "Porn"), (6000, 9000, "Porn")]


@settings(max_examples=60)
@given(st.lists(st.floats(0, 1, width=32), min_size=2, max_size=20), st.data())
def test_spans_do_not_see_seams(values: list[float], data: st.DataObject) -> None:
    cuts = data.draw(st.sets(st.integers(1, len(values) - 1), max_size=3))
    bounds = pairwise([0, *sorted(cuts), len(values)])
    parts = [scored(PORN, values[a:b], 1000 * a) for a, b in bounds]
    whole, split = merged(scored(PORN, values)), merged(*parts)
    assert all(np.array_equal(whole[name], split[name]) for name in MODERATION.arrays)
