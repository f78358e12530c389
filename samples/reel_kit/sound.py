"""The sound of the reel: placed recordings, a synthesised tune and synthesised noise.

Sound is float32 [samples, 2] at 48 kHz, full scale ±1.
"""

from itertools import product
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

RATE = 48_000
Sound = NDArray[np.float32]

BEAT_S = 0.6
# MIDI note numbers of four chords, each held for four beats: C, A minor, F, G.
CHORDS = ((48, 60, 64, 67, 71), (45, 57, 60, 64, 67), (41, 57, 60, 65, 69), (43, 59, 62, 67, 69))
PATTERN = (0, 2, 1, 3, 2, 1, 3, 2)


def read_sound(path: Path, start_ms: int, end_ms: int) -> Sound:
    """A stretch of a recording at a common level: −20 dBFS RMS, or less where its peaks would pass −2 dBFS."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    with av.open(str(path)) as container:
        parts = [r.to_ndarray()[0] for f in container.decode(audio=0) for r in resampler.resample(f)]
    parts += [r.to_ndarray()[0] for r in resampler.resample(None)]
    cut = np.concatenate(parts)[start_ms * RATE // 1000 : end_ms * RATE // 1000]
    gain = min(0.1 / float(np.sqrt((cut**2).mean())), 0.79 / float(np.abs(cut).max()))
    return fade(_stereo(cut * np.float32(gain)), 20, 20)


def tune(length_ms: int) -> Sound:
    """A small arpeggio over four chords with a pad and a bass, as long as asked, faded at both ends."""
    count = length_ms * RATE // 1000
    mono = np.zeros((count + 4 * RATE, 2), np.float64)
    for bar in range(1 + int(length_ms / 1000 / (4 * BEAT_S))):
        bass, *tones = CHORDS[bar % len(CHORDS)]
        start_s = bar * 4 * BEAT_S
        _add(mono, _pluck(bass, 2.4) * 0.30, start_s, 0.5)
        for tone in tones:
            _add(mono, _pad(tone, 4 * BEAT_S) * 0.045, start_s, 0.5)
        for step, pick in enumerate(PATTERN):
            _add(
                mono,
                _pluck(tones[pick] + 12, 1.2) * 0.16,
                start_s + step * BEAT_S / 2,
                0.3 + 0.4 * (step % 2),
            )
    return fade((mono[:count] * 0.55).astype(np.float32), 30, 1_200)


def rushing_noise(length_ms: int, seed: int) -> Sound:
    """Noise that swells and falls like surf: white noise through a low-pass, different in each channel."""
    count = length_ms * RATE // 1000
    white = np.random.default_rng(seed).standard_normal((count, 2))
    soft = sosfilt(butter(1, 1_800, "lowpass", fs=RATE, output="sos"), white, axis=0)
    swell = 0.7 + 0.3 * np.sin(np.arange(count) / RATE * 2 * np.pi * 0.45)[:, None]
    return fade((soft / np.abs(soft).max() * swell * 0.55).astype(np.float32), 60, 60)


def place(track: Sound, piece: Sound, start_ms: int) -> None:
    """Add a piece to a track in place; what would stand over the end is cut off."""
    first = start_ms * RATE // 1000
    room = track[first : first + len(piece)]
    room += piece[: len(room)]


def fade(sound: Sound, in_ms: int, out_ms: int) -> Sound:
    """Ramp a sound up at its start and down at its end."""
    shaped = sound.copy()
    rising, falling = in_ms * RATE // 1000, out_ms * RATE // 1000
    shaped[:rising] *= np.linspace(0, 1, rising, dtype=np.float32)[:, None]
    shaped[len(shaped) - falling :] *= np.linspace(1, 0, falling, dtype=np.float32)[:, None]
    return shaped


def _stereo(mono: NDArray[np.float32]) -> Sound:
    return np.repeat(mono[:, None], 2, axis=1)


def _add(track: NDArray[np.float64], tone: NDArray[np.float64], start_s: float, pan: float) -> None:
    first = int(start_s * RATE)
    room = track[first : first + tone.size]
    room += tone[: len(room), None] * np.sqrt([1 - pan, pan])


def _pluck(note: int, length_s: float) -> NDArray[np.float64]:
    t = np.arange(int(length_s * RATE)) / RATE
    pitch = 440 * 2 ** ((note - 69) / 12)
    tone = sum(np.sin(2 * np.pi * pitch * k * t) * np.exp(-t * (2.2 + 1.4 * k)) / k**1.4 for k in range(1, 7))
    return np.asarray(tone * np.minimum(1, t / 0.004) * np.minimum(1, (length_s - t) / 0.02))


def _pad(note: int, length_s: float) -> NDArray[np.float64]:
    t = np.arange(int(length_s * RATE)) / RATE
    pitch = 440 * 2 ** ((note - 69) / 12)
    tone = sum(np.sin(2 * np.pi * pitch * k * d * t) / k for k, d in product((1, 2, 3), (0.997, 1.003)))
    return np.asarray(tone * np.sin(np.pi * t / length_s) ** 0.7)
