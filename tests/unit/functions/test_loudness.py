"""Loudness against the reference values of EBU Tech 3341 and 3342, and against another implementation."""

from __future__ import annotations

import numpy as np
import pyloudnorm
import pytest
from scipy.signal import lfilter

from functions.loudness.component import LOUDNESS, LoudnessParams, loudness
from kadr.contracts.artifact import Artifact
from tests.unit.functions.audio import clip

RATE = 48_000
STANDARD_48K = (
    ([1.53512485958697, -2.69169618940638, 1.19839281085285], [1.0, -1.69065929318241, 0.73248077421585]),
    ([1.0, -2.0, 1.0], [1.0, -1.99004745483398, 0.99007225036621]),
)
"""The filters as BS.1770-4 tabulates them."""


def levels(samples: np.ndarray, rate: int = RATE) -> Artifact:
    """Samples [N, C] at 48 kHz as levels, by the standard's own coefficients."""
    weighted = samples.astype(np.float64)
    for b, a in STANDARD_48K:
        weighted = lfilter(b, a, weighted, axis=0)
    hop = rate // 10
    whole = len(samples) // hop * hop
    power = np.square(weighted[:whole]).reshape(-1, hop, samples.shape[1]).mean(axis=1).sum(axis=1)
    peak = np.abs(samples[:whole]).reshape(-1, hop * samples.shape[1]).max(axis=1)
    return Artifact({"power": power, "peak": peak.astype(np.float32)}, {"rate": rate})


def measured(samples: np.ndarray) -> Artifact:
    return LOUDNESS.checked(loudness(levels(samples), LoudnessParams.model_validate({})))


def tone(*parts: tuple[float, float]) -> np.ndarray:
    """A stereo sine of 1 kHz whose peaks reach given dBFS for given seconds."""
    waves = [
        10 ** (db / 20) * np.sin(2 * np.pi * 1000 * np.arange(round(RATE * s)) / RATE) for s, db in parts
    ]
    return np.repeat(np.concatenate(waves)[:, None], 2, axis=1)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (((20, -23.0),), -23.0),
        (((20, -33.0),), -33.0),
        (((10, -36.0), (60, -23.0), (10, -36.0)), -23.0),
        (((10, -72.0), (10, -36.0), (60, -23.0), (10, -36.0), (10, -72.0)), -23.0),
    ],
)
def test_tones_of_tech_3341_read_as_they_should(
    parts: tuple[tuple[float, float], ...], expected: float
) -> None:
    assert measured(tone(*parts)).payload["integrated_lufs"] == pytest.approx(expected, abs=0.1)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (((20, -20.0), (20, -30.0)), 10.0),
        (((20, -20.0), (20, -15.0)), 5.0),
        (((20, -40.0), (20, -20.0)), 20.0),
        (((20, -50.0), (20, -35.0), (20, -20.0), (20, -35.0), (20, -50.0)), 15.0),
    ],
)
def test_ranges_of_tech_3342(parts: tuple[tuple[float, float], ...], expected: float) -> None:
    assert measured(tone(*parts)).payload["range_lu"] == pytest.approx(expected, abs=1.0)


def test_agrees_with_another_implementation_on_speech_and_noise() -> None:
    speech = np.repeat(clip("two_cities.flac"), 3)  # held samples: as good as any sound at 48 kHz
    hiss = np.random.default_rng(1).standard_normal(len(speech)) * np.linspace(0.001, 0.3, len(speech))
    for mono in (speech, hiss):
        stereo = np.stack([mono, 0.5 * mono], axis=1)
        expected = pyloudnorm.Meter(RATE).integrated_loudness(stereo)
        assert measured(stereo).payload["integrated_lufs"] == pytest.approx(expected, abs=0.2)


def test_momentary_and_short_term_follow_the_sound() -> None:
    result = measured(tone((4, -40.0), (4, -20.0)))
    at = dict(zip(result["t_ms"].tolist(), range(len(result["t_ms"])), strict=True))
    assert result["momentary_lufs"][[at[4000], at[4400]]] == pytest.approx([-40, -20], abs=0.1)
    assert result["short_term_lufs"][[at[400], at[7000]]] == pytest.approx([-40, -20], abs=0.1)
    assert result["short_term_lufs"][at[4400]] < -25


def test_finds_the_silence_and_the_peak() -> None:
    result = measured(tone((2, -20.0), (1, -90.0), (2, -20.0), (0.3, -90.0), (1, -6.0)))
    [[start_ms, end_ms]] = result.payload["silence"]
    assert (start_ms, end_ms) == (pytest.approx(2000, abs=100), 3000)
    assert result.payload["true_peak_dbtp"] == pytest.approx(-6.0, abs=0.1)


def test_silence_and_nothing_have_no_loudness() -> None:
    silent = measured(np.zeros((RATE * 5, 2)))
    nothing = measured(np.zeros((0, 2)))
    for result in (silent, nothing):
        facts = [result.payload[name] for name in ("integrated_lufs", "range_lu", "true_peak_dbtp")]
        assert facts == [None, None, None]
    assert silent.payload["silence"] == [[0, 5000]]
    assert len(silent["t_ms"]) == 47
    assert len(nothing["t_ms"]) == 0
