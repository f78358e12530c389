"""Speech is found where people speak and nowhere else, and no chunk begins or ends inside a word."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from functions.voice.chunks import MAX_CHUNKS, Extent, plan
from functions.voice.component import DETECTOR, PLAN, VOICE, VoiceParams, voice
from functions.voice.detector import BLOCK_MS, Track
from functions.voice.segments import Rules, Segment, find_segments
from kadr.contracts.artifact import Artifact
from tests.unit.functions.audio import MemoryAudio, chords, clip, noise, silence
from tests.unit.functions.models import models

RULES = Rules(threshold=0.5, release=0.35, min_speech_ms=250, min_silence_ms=300, pad_ms=100)
EXTENT = Extent(min_ms=30_000, max_ms=60_000, gap_ms=30_000)


def heard(samples: np.ndarray, start_ms: int = 0, **params: float) -> dict[str, Artifact]:
    made = voice(MemoryAudio(samples, start_ms), VoiceParams.model_validate(params), models(DETECTOR))
    return {"voice": VOICE.checked(made["voice"]), "plan": PLAN.checked(made["plan"])}


def spans(artifact: Artifact) -> list[tuple[int, int]]:
    return list(zip(artifact["start_ms"].tolist(), artifact["end_ms"].tolist(), strict=True))


def track(speech: list[float], power: list[float] | None = None, start_ms: int = 0) -> Track:
    made = np.array(speech, dtype=np.float32)
    loud = made if power is None else np.array(power, dtype=np.float32)
    return Track(start_ms, start_ms + len(made) * BLOCK_MS, made, loud)


def test_finds_reading_between_silences_and_keeps_to_the_timeline() -> None:
    samples = np.concatenate([silence(3000), clip("wizard.flac"), silence(3000), clip("persuasion.opus")])
    for offset_ms in (0, 5000):
        found = spans(heard(samples, offset_ms)["voice"])
        assert all(end > start for start, end in found)
        assert found[0][0] == pytest.approx(3000 + offset_ms + 400, abs=400)
        assert not [s for s in found if s[0] < 10_500 + offset_ms and s[1] > 8_300 + offset_ms]
        assert found[-1][1] == pytest.approx(samples.size / 16 + offset_ms, abs=500)


@pytest.mark.parametrize("samples", [silence(3000), noise(6000), chords(8000), silence(0), noise(10)])
def test_no_speech_means_no_segments_and_an_empty_plan(samples: np.ndarray) -> None:
    found = heard(samples)
    assert spans(found["voice"]) == []
    assert spans(found["plan"]) == []


def test_chunks_hold_all_speech_and_cut_in_its_silences() -> None:
    reading = np.concatenate([clip("two_cities.flac")] * 3)
    found = heard(reading, chunk_ms=10_000)
    speech, chunks = spans(found["voice"]), spans(found["plan"])
    assert len(chunks) >= 3
    assert all(any(c[0] <= s[0] and s[1] <= c[1] for c in chunks) for s in speech)


def test_hysteresis_bridges_dips_and_drops_clicks() -> None:
    speech = [0.1] * 20 + [0.9] * 20 + [0.4] * 20 + [0.9] * 20 + [0.1] * 20 + [0.9] * 3 + [0.1] * 20
    [segment] = find_segments(track(speech), RULES)
    assert (segment.start_ms, segment.end_ms) == (20 * 32 - 100, 80 * 32 + 100)
    assert segment.score == pytest.approx(0.733, abs=0.01)


def test_padding_never_overlaps_a_neighbour() -> None:
    speech = [0.9] * 20 + [0.0] * 10 + [0.9] * 20
    wide = Rules(threshold=0.5, release=0.35, min_speech_ms=250, min_silence_ms=300, pad_ms=1000)
    first, second = find_segments(track(speech), wide)
    assert first.start_ms == 0
    assert first.end_ms == second.start_ms == 25 * 32
    assert second.end_ms == 50 * 32


def test_unbroken_speech_is_cut_where_it_is_quietest() -> None:
    power = np.ones(4000)
    power[1500:1510] = 0.01
    whole = track([0.9] * 4000, power.tolist())
    chunks = plan(whole, [Segment(0, whole.end_ms, 0.9)], EXTENT)
    assert chunks[0][1] == chunks[1][0] == pytest.approx(1505 * 32, abs=160)
    assert max(end - start for start, end in chunks) <= 60_000


def test_longest_silence_is_chosen() -> None:
    segments = [Segment(0, 25_000, 1), Segment(25_500, 35_000, 1), Segment(37_000, 50_000, 1)]
    segments += [Segment(50_400, 55_000, 1), Segment(55_700, 80_000, 1)]
    [first, second] = plan(track([0.0] * 2500), segments, EXTENT)
    assert first == (0, 35_200)
    assert second == (36_800, 80_000)


pieces = st.lists(st.tuples(st.integers(1, 300_000), st.integers(300, 200_000)), min_size=1, max_size=120)


@settings(max_examples=60)
@given(pieces)
def test_any_speech_is_planned_whole_in_order_and_in_at_most_64_chunks(
    durations: list[tuple[int, int]],
) -> None:
    segments, at = [], 0
    for speech_ms, gap_ms in durations:
        segments.append(Segment(at + gap_ms, at + gap_ms + speech_ms, 1.0))
        at += gap_ms + speech_ms
    chunks = plan(track([0.9] * (at // BLOCK_MS + 1)), segments, EXTENT)
    assert 1 <= len(chunks) <= MAX_CHUNKS
    assert all(start < end for start, end in chunks)
    assert all(a[1] <= b[0] for a, b in pairwise(chunks))
    covered = sum(
        min(s.end_ms, c[1]) - max(s.start_ms, c[0])
        for s in segments
        for c in chunks
        if s.start_ms < c[1] and c[0] < s.end_ms
    )
    assert covered == sum(s.end_ms - s.start_ms for s in segments)


def test_release_above_threshold_is_refused() -> None:
    with pytest.raises(ValidationError, match="at most threshold"):
        VoiceParams.model_validate({"threshold": 0.3})
