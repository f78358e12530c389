"""Mel power spectra as the speaker encoder was trained on: librosa's ``melspectrogram`` with its defaults, by numpy alone.

16 kHz, 25 ms periodic Hann windows every 10 ms, frames centred on their times, power spectrum, 40 triangular bands on
Slaney's mel scale (Auditory Toolbox, 1998) from 0 to 8 kHz, each of unit area; no logarithm.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy.signal.windows import hann

from kadr.contracts.media import AUDIO_RATE

BANDS = 40
WINDOW = 400
HOP = 160
LINEAR_HZ_PER_MEL = 200 / 3
LOG_FROM_HZ = 1000.0
LOG_FROM_MEL = LOG_FROM_HZ / LINEAR_HZ_PER_MEL
LOG_STEP = np.log(6.4) / 27


def mel_frames(samples: np.ndarray) -> np.ndarray:
    """Float32 [N] at AUDIO_RATE as float32 [1 + N // 160, 40]."""
    padded = np.pad(samples.astype(np.float32), WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    spectrum = np.fft.rfft(frames * hann(WINDOW, sym=False).astype(np.float32), axis=1)
    power = spectrum.real**2 + spectrum.imag**2
    return np.asarray(power @ filters().T, dtype=np.float32)


@cache
def filters() -> np.ndarray:
    """The bank: float64 [40, 201], bands by bins of the spectrum."""
    edges = _hz(np.linspace(0.0, _mel(AUDIO_RATE / 2), BANDS + 2))
    bins = np.fft.rfftfreq(WINDOW, 1 / AUDIO_RATE)
    rising = (bins[None, :] - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins[None, :]) / (edges[2:] - edges[1:-1])[:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    return np.asarray(triangles * (2 / (edges[2:] - edges[:-2]))[:, None])


def _mel(hz: float) -> float:
    if hz < LOG_FROM_HZ:
        return hz / LINEAR_HZ_PER_MEL
    return float(LOG_FROM_MEL + np.log(hz / LOG_FROM_HZ) / LOG_STEP)


def _hz(mel: np.ndarray) -> np.ndarray:
    curved = LOG_FROM_HZ * np.exp(LOG_STEP * (mel - LOG_FROM_MEL))
    return np.where(mel < LOG_FROM_MEL, mel * LINEAR_HZ_PER_MEL, curved)
