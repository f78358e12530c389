"""Levels at any rate, in pieces of any size, with peaks between the samples."""

from __future__ import annotations

import numpy as np
import pyloudnorm
import pytest
from scipy.signal import sosfreqz

from kadr.media.levels import LevelMeter, k_weighting


def meter(samples: np.ndarray, rate: int, piece: int = 4096) -> tuple[np.ndarray, np.ndarray]:
    made = LevelMeter(rate, samples.shape[1])
    for at in range(0, len(samples), piece):
        made.push(samples[at : at + piece].astype(np.float32))
    levels = made.finish()
    return levels.power, levels.peak


def test_filters_at_48_khz_are_those_of_the_standard() -> None:
    shelf, highpass = k_weighting(48_000)
    assert shelf == pytest.approx(
        [1.53512485958697, -2.69169618940638, 1.19839281085285, 1, -1.69065929318241, 0.73248077421585],
        abs=1e-7,
    )
    assert highpass == pytest.approx([1, -2, 1, 1, -1.99004745483398, 0.99007225036621], abs=1e-6)


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100, 96_000])
def test_filters_at_other_rates_weigh_frequencies_alike(rate: int) -> None:
    hz = np.array([40.0, 100, 500, 1000, 2000, 4000])
    here, there = (20 * np.log10(np.abs(sosfreqz(k_weighting(r), worN=hz, fs=r)[1])) for r in (rate, 48_000))
    assert here == pytest.approx(there, abs=0.4)


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_mean_of_noise_agrees_with_another_implementation(rate: int) -> None:
    samples = np.random.default_rng(3).standard_normal((rate * 5, 2)) * 0.1
    power, _ = meter(samples, rate)
    expected = pyloudnorm.Meter(rate).integrated_loudness(samples)
    assert -0.691 + 10 * np.log10(power.mean()) == pytest.approx(expected, abs=0.2)


@pytest.mark.parametrize("rate", [11_025, 44_100])
def test_pieces_do_not_change_the_result(rate: int) -> None:
    samples = np.random.default_rng(4).standard_normal((rate + 777, 2))
    whole = meter(samples, rate, piece=len(samples))
    for piece in (17, 997):
        cut = meter(samples, rate, piece)
        assert cut[0] == pytest.approx(whole[0], rel=1e-9)
        assert cut[1] == pytest.approx(whole[1], rel=1e-6)
    assert len(whole[0]) == len(samples) * 10 // rate


@pytest.mark.parametrize(("division", "phase"), [(4, 0.25), (6, 1 / 3), (8, 0.125)])
def test_true_peak_lies_between_the_samples(division: int, phase: float) -> None:
    """As in Tech 3341: sines whose samples miss their crests."""
    t = np.arange(48_000)
    fade = np.minimum(1, np.minimum(t, t[::-1]) / 4000)
    wave = 0.5 * np.sin(2 * np.pi * t / division + phase * np.pi) * fade
    _, peak = meter(wave[:, None], 48_000)
    assert 20 * np.log10(peak.max() / 0.5) == pytest.approx(0, abs=0.2)
    assert peak[4] >= np.abs(wave[19_200:24_000]).max() - 1e-6


def test_a_damaged_sample_spoils_its_own_block_only() -> None:
    samples = np.full((16_000, 1), 0.1) * np.sin(np.arange(16_000))[:, None]
    damaged = samples.copy()
    damaged[2000] = np.nan
    assert meter(damaged, 16_000)[0][3:] == pytest.approx(meter(samples, 16_000)[0][3:], rel=1e-3)


def test_lfe_does_not_count_and_surround_counts_more() -> None:
    def loud(channel: int) -> float:
        samples = np.zeros((48_000, 6))
        samples[:, channel] = np.sin(np.arange(48_000) / 7)
        return float(meter(samples, 48_000)[0].mean())

    assert loud(3) == 0
    assert loud(4) == pytest.approx(1.41 * loud(0))


def test_short_and_empty_sounds() -> None:
    assert [len(part) for part in meter(np.zeros((0, 2)), 48_000)] == [0, 0]
    power, peak = meter(np.full((100, 1), 0.25), 48_000)
    assert len(power) == len(peak) == 1
    assert peak[0] >= 0.25


def test_says_what_it_cannot_measure() -> None:
    with pytest.raises(ValueError, match="resample"):
        LevelMeter(3000, 1)
    with pytest.raises(ValueError, match="weights"):
        LevelMeter(48_000, 2, weights=[1.0])
    with pytest.raises(ValueError, match=r"\[N, 2\]"):
        LevelMeter(48_000, 2).push(np.zeros((10, 1), dtype=np.float32))
