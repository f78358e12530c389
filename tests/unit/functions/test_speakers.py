"""Different voices are different speakers, one voice is one, and doubt means one."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from functions.speakers.clustering import BLOCK, Evidence, Voices, condensed, joined
from functions.speakers.clustering import speakers as find_speakers
from functions.speakers.component import ENCODER, SPEAKERS, SpeakersParams, speakers
from functions.speakers.embedding import Windows
from functions.speakers.mel import filters, mel_frames
from functions.speakers.spectral import groups
from functions.speakers.turns import Turn, assign, word_speakers
from kadr.contracts.artifact import Artifact
from tests.unit.functions.audio import MemoryAudio, clip, silence, sine
from tests.unit.functions.models import models

READING = [(1116, 4740), (4924, 6404), (6588, 8356)]
PERSUASION = [(0, 4600), (4800, 10_300)]


def told_apart(
    samples: np.ndarray,
    spans: list[tuple[int, int]],
    speech: Artifact | None = None,
    start_ms: int = 0,
    **params: object,
) -> Artifact:
    edges = np.array(spans, dtype=np.int64).reshape(-1, 2) + start_ms
    voice = Artifact({"start_ms": edges[:, 0], "end_ms": edges[:, 1]})
    audio = MemoryAudio(samples, start_ms)
    return SPEAKERS.checked(
        speakers(audio, voice, speech, SpeakersParams.model_validate(params), models(ENCODER))
    )


def dialogue() -> tuple[np.ndarray, list[tuple[int, int]], int]:
    """Two readers in turn: sound, voice, and where the second begins."""
    first = np.concatenate([clip("two_cities.flac"), silence(600)])
    second_ms = len(first) // 16
    samples = np.concatenate([first, clip("persuasion.opus")])
    return samples, READING + [(a + second_ms, b + second_ms) for a, b in PERSUASION], second_ms


def test_two_readers_are_two_speakers_with_their_words() -> None:
    samples, spans, second_ms = dialogue()
    starts = np.array([1200, 7000, second_ms - 300, second_ms + 900, second_ms + 9000])
    speech = Artifact({"word_start_ms": starts, "word_end_ms": starts + 200})
    result = told_apart(samples, spans, speech)
    assert result.payload["speakers"] == ["S1", "S2"]
    assert result["speaker"].tolist() == [0, 1]
    assert result["start_ms"].tolist() == [1116, second_ms]
    assert result["word_speaker"].tolist() == [0, 0, -1, 1, 1]
    assert result["embedding"].shape == (2, 256)
    assert np.all(result["score"] > 0.7)


def test_times_are_on_the_timeline() -> None:
    samples, spans, second_ms = dialogue()
    later = told_apart(samples, spans, start_ms=90_000)
    assert later["start_ms"].tolist() == [91_116, 90_000 + second_ms]


@pytest.mark.parametrize(
    ("name", "spans"),
    [("two_cities.flac", READING), ("persuasion.opus", PERSUASION), ("wizard.flac", [(200, 4800)])],
)
def test_one_reader_is_one_speaker_however_loud(name: str, spans: list[tuple[int, int]]) -> None:
    samples = clip(name) * np.linspace(0.05, 1, len(clip(name)), dtype=np.float32)
    result = told_apart(samples, spans)
    assert result.payload["speakers"] == ["S1"]
    assert np.all(result["speaker"] == 0)


def test_a_known_count_is_heeded_as_far_as_it_goes() -> None:
    samples, spans, _ = dialogue()
    assert told_apart(samples, spans, max_speakers=1).payload["speakers"] == ["S1"]
    assert told_apart(samples, spans, min_speakers=2, max_speakers=2).payload["speakers"] == ["S1", "S2"]
    assert len(told_apart(samples, spans, min_speakers=3).payload["speakers"]) == 3


def test_more_speakers_at_least_than_at_most_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"min_speakers is 11: set it to at most max_speakers \(10\)"):
        SpeakersParams.model_validate({"min_speakers": 11})


@pytest.mark.parametrize("spans", [[], [(1200, 1500)]])
def test_no_voice_or_too_little_has_no_speaker(spans: list[tuple[int, int]]) -> None:
    result = told_apart(clip("two_cities.flac"), spans)
    assert result.payload["speakers"] == []
    assert len(result["start_ms"]) == 0


def test_mel_bands_are_where_slaney_put_them() -> None:
    """Values of the Auditory Toolbox' scale: 1 kHz is mel 15, every 27 mels above it multiply by 6.4."""
    bank = filters()
    assert bank.shape == (40, 201)
    assert np.all(bank.sum(axis=1) * 40 == pytest.approx(1, abs=0.35))
    loudest = [int(np.argmax(mel_frames(sine(300, hz))[15])) for hz in (200.0, 1000.0, 4000.0)]
    centres = np.array([np.average(np.arange(201) * 40, weights=band) for band in bank])
    assert centres[loudest] == pytest.approx([200, 1000, 4000], rel=0.12)


def made_windows(vectors: np.ndarray) -> Windows:
    at = np.arange(len(vectors), dtype=np.int64) * 250
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return Windows(unit.astype(np.float32), at, at + 1000, at // 5000)


def voices(count: int, each: int, noise: float = 0.05) -> np.ndarray:
    """[count * each, 256]: ``each`` windows of one voice after the other; two voices' cosine is about 0.6."""
    random = np.random.default_rng(11)
    means = np.eye(count, 256) + 1.2 / np.sqrt(256)
    return np.repeat(means, each, axis=0) + noise * random.standard_normal((count * each, 256))


ANY = Evidence(1, 10, 0.9, 4000)


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_as_many_speakers_are_found_as_there_are(count: int) -> None:
    vectors = np.tile(voices(count, 20), (6, 1))
    means = find_speakers(made_windows(vectors), ANY)
    assert len(means) == count
    nearest = np.argmax(vectors[: count * 20] @ means.T, axis=1).reshape(count, 20)
    assert np.all(nearest == nearest[:, :1])
    assert len(np.unique(nearest[:, 0])) == count


def test_a_speaker_of_few_words_is_one_of_their_own_if_they_are_enough() -> None:
    two = voices(2, 120)
    for each, found in ((24, 2), (8, 1)):
        windows = made_windows(np.concatenate([two[:100], two[120 : 120 + each], two[:100]]))
        assert len(find_speakers(windows, ANY)) == found


def test_long_recordings_are_clustered_in_blocks_to_the_same_speakers() -> None:
    windows = made_windows(np.tile(voices(5, 40), (BLOCK // 40, 1)))
    assert len(condensed(windows)) <= BLOCK < len(windows)
    assert condensed(windows).sizes.sum() == pytest.approx(len(windows) * 287.5, rel=0.01)
    assert len(find_speakers(windows, ANY)) == 5


def test_the_same_voices_fall_into_the_same_groups_every_time() -> None:
    vectors = made_windows(voices(4, 30, noise=0.08)).embedding.astype(np.float64)
    first = groups(vectors, 1, 10)
    assert all(np.array_equal(first, groups(vectors, 1, 10)) for _ in range(3))


@pytest.mark.parametrize("size", [0, 1, 2, 3, 13])
def test_too_few_windows_are_one_group_unless_more_are_known_of(size: int) -> None:
    vectors = made_windows(voices(1, size)).embedding.astype(np.float64).reshape(size, 256)
    assert groups(vectors, 1, 10).tolist() == [0] * size
    assert len(set(groups(vectors, 3, 3).tolist())) == min(size, 3)


def test_the_most_alike_join_first() -> None:
    vectors = np.array([[1, 0, 0], [0.9, 0.1, 0], [0, 1, 0], [0, 0.1, 1]], dtype=float)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    heard = Voices(unit, np.array([1.0, 2, 3, 4]))
    assert joined(heard, 0.5, 1).sizes.tolist() == [3, 3, 4]
    assert joined(heard, -1, 2).sizes.tolist() == [3, 7]


def test_a_single_odd_window_changes_nobody() -> None:
    vectors = voices(2, 10, noise=0.01)
    vectors[4] = vectors[5] * 0.6 + vectors[15] * 0.75
    windows = made_windows(vectors)
    speaker, _ = assign(windows, np.eye(2, 256))
    assert speaker.tolist() == [0] * 10 + [1] * 10


def test_words_go_to_the_turn_they_overlap_most() -> None:
    found = [Turn(0, 1000, 0, 1.0), Turn(1000, 2000, 1, 1.0), Turn(5000, 6000, 0, 1.0)]
    start, end = np.array([900, 950, 2500, 4900]), np.array([1050, 1200, 2600, 5050])
    assert word_speakers(start, end, found).tolist() == [0, 1, -1, 0]
