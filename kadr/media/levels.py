"""Levels: K-weighted mean squares and true peaks every 100 ms, from which all loudness measures follow.

Method: ITU-R BS.1770-4, annex 1 (K-weighting, channel weights) and annex 2 (true peak by oversampling). The standard
tabulates its filters for 48 kHz; here they are derived anew for any rate from their analogue parameters by the bilinear
transform, as in B. De Man, "Evaluation of Implementations of the EBU R128 Loudness Measurement", AES 145 (2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.signal import firwin, sosfilt, upfirdn

BLOCKS_PER_SECOND = 10
MIN_RATE = 4_000
"""The shelving filter at 1.7 kHz needs a Nyquist frequency above it."""

SURROUND = 1.41
CHANNEL_WEIGHTS: dict[int, tuple[float, ...]] = {
    1: (1.0,),
    2: (1.0, 1.0),
    3: (1.0, 1.0, 1.0),
    4: (1.0, 1.0, SURROUND, SURROUND),
    5: (1.0, 1.0, 1.0, SURROUND, SURROUND),
    6: (1.0, 1.0, 1.0, 0.0, SURROUND, SURROUND),
    7: (1.0, 1.0, 1.0, 0.0, 1.0, SURROUND, SURROUND),
    8: (1.0, 1.0, 1.0, 0.0, 1.0, 1.0, SURROUND, SURROUND),
}
"""BS.1770-4 table 4 in FFmpeg's channel order (8: FL FR FC LFE BL BR SL SR); LFE does not count."""

SHELF_HZ, SHELF_Q, SHELF_DB = 1681.974450955533, 0.7071752369554196, 3.999843853973347
SHELF_BAND_EXPONENT = 0.4996667741545416
HIGHPASS_HZ, HIGHPASS_Q = 38.13547087602444, 0.5003270373238773
HIGHPASS_GAIN = 1.004995
"""The standard's table at 48 kHz has the numerator 1, -2, 1, so 0.043 dB of gain; it is kept at every rate."""
TAPS_PER_PHASE = 12
DENORMAL_FLOOR = 1e-30


@dataclass(frozen=True)
class Levels:
    """``power``: float64 [W], mean squares summed over channels by their weights. ``peak``: float32 [W], true peak, 1.0 = 0 dBTP.

    Block i holds the samples of [100 i, 100 (i + 1)) ms from the first sample pushed.
    """

    power: np.ndarray
    peak: np.ndarray


def k_weighting(rate: int) -> np.ndarray:
    """The two biquads of the K-weighting at ``rate`` Hz: float64 [2, 6], for ``scipy.signal.sosfilt``."""
    shelf_gain = 10 ** (SHELF_DB / 20)
    band_gain = shelf_gain**SHELF_BAND_EXPONENT
    k = np.tan(np.pi * SHELF_HZ / rate)
    numerator = _biquad(shelf_gain + band_gain * k / SHELF_Q + k * k, shelf_gain, band_gain * k / SHELF_Q, k)
    shelf = np.concatenate([numerator, _biquad(1 + k / SHELF_Q + k * k, 1.0, k / SHELF_Q, k)])
    k = np.tan(np.pi * HIGHPASS_HZ / rate)
    poles = _biquad(1 + k / HIGHPASS_Q + k * k, 1.0, k / HIGHPASS_Q, k)
    highpass = np.concatenate([np.array([1.0, -2.0, 1.0]) * HIGHPASS_GAIN / poles[0], poles / poles[0]])
    return np.stack([shelf / shelf[3], highpass])


def channel_weights(channels: int) -> tuple[float, ...]:
    """BS.1770's weights for a usual layout of so many channels; 1.0 each for counts that have none."""
    return CHANNEL_WEIGHTS.get(channels, (1.0,) * channels)


class LevelMeter:
    """Measures audio of any length piece by piece; memory grows with two numbers a block only.

    Raises ValueError for a rate below MIN_RATE or ``weights`` of another count than ``channels``.
    """

    def __init__(self, rate: int, channels: int, weights: Sequence[float] | None = None) -> None:
        self._weights = np.array(channel_weights(channels) if weights is None else weights, dtype=np.float64)
        if rate < MIN_RATE:
            raise ValueError(
                f"rate is {rate} Hz: resample to at least {MIN_RATE} Hz before measuring loudness"
            )
        if self._weights.shape != (channels,):
            raise ValueError(f"{channels} channels need as many weights, not {len(self._weights)}")
        self._rate = rate
        self._filter = k_weighting(rate)
        self._state = np.zeros((2, channels, 2))
        self._oversampling = 4 if rate < 96_000 else 2 if rate < 192_000 else 1
        self._interpolator = _interpolator(self._oversampling)
        self._history = np.zeros((channels, TAPS_PER_PHASE), dtype=np.float32)
        self._samples = 0
        self._energy: list[float] = []
        self._peaks: list[float] = []

    def push(self, samples: np.ndarray) -> None:
        """The next samples: float32 [N, C]. Raises ValueError for another count of channels."""
        if samples.ndim != 2 or samples.shape[1] != len(self._weights):
            raise ValueError(f"samples have shape {samples.shape}, expected [N, {len(self._weights)}]")
        if len(samples) == 0:
            return
        # One NaN of a damaged packet would stay in the recursive filter for ever.
        clean = np.nan_to_num(np.ascontiguousarray(samples.T, dtype=np.float32), posinf=0.0, neginf=0.0)
        weighted, self._state = sosfilt(self._filter, clean, axis=1, zi=self._state)
        # In digital silence the filter would decay into denormal numbers, which are many times slower.
        self._state[np.abs(self._state) < DENORMAL_FLOOR] = 0.0
        energy = self._weights @ np.square(weighted)
        first, last = self._block(self._samples), self._block(self._samples + len(energy) - 1)
        starts = np.maximum(self._start(np.arange(first, last + 1)) - self._samples, 0)
        self._samples += len(energy)
        self._add(first, np.add.reduceat(energy, starts), self._true_peaks(clean, starts))

    def finish(self) -> Levels:
        """All blocks. A last one of less than 100 ms counts with its peak only, as BS.1770 gates complete blocks."""
        tail = self._true_peaks(np.zeros_like(self._history), np.zeros(1, dtype=np.int64))
        if self._peaks:
            self._peaks[-1] = max(self._peaks[-1], float(tail[0]))
        sizes = np.diff(self._start(np.arange(len(self._energy) + 1)))
        power, peak = np.array(self._energy), np.array(self._peaks, dtype=np.float32)
        rest = self._samples - int(self._start(np.array(len(power) - 1))) if len(power) else 0
        if len(power) > 1 and rest < sizes[-1]:
            peak[-2] = max(peak[-2], peak[-1])
            return Levels(power[:-1] / sizes[:-1], peak[:-1])
        if len(power) == 1:
            sizes = np.array([rest])
        return Levels(power / sizes, peak)

    def _start(self, block: np.ndarray) -> np.ndarray:
        return np.asarray(block * self._rate // BLOCKS_PER_SECOND)

    def _add(self, first: int, energy: np.ndarray, peaks: np.ndarray) -> None:
        """Sums of energy and maxima of the blocks from ``first`` on, which may be open already."""
        if first < len(self._energy):
            self._energy[first] += float(energy[0])
            self._peaks[first] = max(self._peaks[first], float(peaks[0]))
            energy, peaks = energy[1:], peaks[1:]
        self._energy += energy.tolist()
        self._peaks += peaks.tolist()

    def _block(self, sample: int) -> int:
        return (BLOCKS_PER_SECOND * (sample + 1) - 1) // self._rate

    def _true_peaks(self, samples: np.ndarray, starts: np.ndarray) -> np.ndarray:
        """Largest magnitude over channels, samples and interpolated positions from each of ``starts`` to the next."""
        joined = np.concatenate([self._history, samples], axis=1)
        self._history = joined[:, -TAPS_PER_PHASE:].copy()
        up = self._oversampling
        between = upfirdn(self._interpolator, joined, up=up, axis=1)
        heard = between[:, TAPS_PER_PHASE * up : joined.shape[1] * up]
        # The interpolator gives each sample six samples late; what a block holds itself counts at once.
        found = [
            np.maximum.reduceat(heard, starts * up, axis=1),
            -np.minimum.reduceat(heard, starts * up, axis=1),
            np.maximum.reduceat(np.abs(samples), starts, axis=1),
        ]
        return np.asarray(np.concatenate(found).max(axis=0))


def _biquad(first: float, edge: float, damping: float, k: float) -> np.ndarray:
    return np.array([first, 2 * (k * k - edge), edge - damping + k * k])


def _interpolator(up: int) -> np.ndarray:
    """Windowed-sinc interpolator of unit gain with TAPS_PER_PHASE taps a phase: float32 [up * TAPS_PER_PHASE + 1]."""
    if up == 1:
        return np.ones(1, dtype=np.float32)
    taps = firwin(up * TAPS_PER_PHASE + 1, 1 / up, window=("kaiser", 5.0))
    return np.asarray(taps / taps.sum() * up, dtype=np.float32)
