"""Speech, music, noise and silence are told apart, and spans fill the time without gaps."""

from __future__ import annotations

import numpy as np
import pytest

from functions.sounds.classifier import LABELS, spans
from functions.sounds.component import CLASSIFIER, SOUNDS, SoundsParams, sounds
from functions.sounds.features import BANDS, filters, log_mel
from kadr.contracts.artifact import Artifact
from tests.unit.functions.audio import MemoryAudio, chords, clip, noise, silence, sine
from tests.unit.functions.models import models


def heard(samples: np.ndarray, start_ms: int = 0, **params: float) -> Artifact:
    audio = MemoryAudio(samples, start_ms)
    return SOUNDS.checked(sounds(audio, SoundsParams.model_validate(params), models(CLASSIFIER)))


def share(result: Artifact, label: str) -> float:
    """The part of all time that has ``label``."""
    lasted = result["end_ms"] - result["start_ms"]
    return float(lasted[result["label"] == LABELS.index(label)].sum() / lasted.sum())


@pytest.mark.parametrize(
    ("samples", "label"),
    [
        (clip("two_cities.flac")[16_000:], "speech"),
        (clip("wizard.flac"), "speech"),
        (clip("persuasion.opus"), "speech"),
        (noise(8000), "noise"),
        (silence(8000), "silence"),
    ],
)
def test_plain_sounds_are_what_they_are(samples: np.ndarray, label: str) -> None:
    assert share(heard(samples), label) > 0.85


def test_chords_are_never_speech_and_mostly_music() -> None:
    result = heard(chords(16_000))
    assert share(result, "speech") == 0
    assert share(result, "music") > 0.5


def test_changes_are_found_where_they_are_on_the_timeline() -> None:
    samples = np.concatenate([noise(4000), silence(3000), clip("wizard.flac"), silence(2000)])
    result = heard(samples, start_ms=10_000)
    labels = [LABELS[i] for i in result["label"]]
    assert labels == ["noise", "silence", "speech", "silence"]
    assert result["start_ms"].tolist() == pytest.approx([10_000, 14_000, 17_000, 21_905], abs=400)
    assert result["end_ms"][-1] == 10_000 + len(samples) // 16
    assert np.array_equal(result["start_ms"][1:], result["end_ms"][:-1])


@pytest.mark.parametrize("ms", [0, 10, 190, 450, 700, 13_000])
def test_sounds_of_any_length(ms: int) -> None:
    result = heard(noise(ms))
    assert (result["end_ms"] - result["start_ms"]).sum() == ms


def test_silence_is_what_the_profile_says() -> None:
    quiet = noise(4000, rms=10 ** (-50 / 20))
    assert share(heard(quiet), "silence") == 0
    assert share(heard(quiet, silence_dbfs=-45), "silence") == 1


def test_a_moment_of_doubt_does_not_part_a_span() -> None:
    sure = np.tile([[0.96, 0.02, 0.02, 0.0]], (20, 1))
    sure[7:9] = [[0.0, 1.0, 0.0, 0.0]]
    [span] = spans(sure, 0, 3950)
    assert (span.start_ms, span.end_ms, span.label) == (0, 3950, 0)
    assert span.score == pytest.approx(0.864)


def test_a_tone_lies_in_the_band_of_its_frequency() -> None:
    bank = filters()[:BANDS]
    centres = np.array([np.average(np.fft.rfftfreq(512, 1 / 16_000), weights=band) for band in bank])
    for hz in (300.0, 1000.0, 3000.0):
        loudest = int(log_mel(sine(200, hz))[5].argmax())
        assert centres[loudest] == pytest.approx(hz, rel=0.15)
