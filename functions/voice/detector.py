"""Running the detector over a stream: one probability of speech, and one power, for each 32 ms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from kadr.contracts.media import AUDIO_RATE, AudioStream
from kadr.contracts.model import Model

BLOCK = 512
CONTEXT = 64
BLOCK_MS = BLOCK * 1000 // AUDIO_RATE
READ_MS = BLOCK_MS * 312
"""How much is read at once (about 10 s): whole blocks, little memory."""


@dataclass(frozen=True)
class Track:
    """``speech``: float32 [N], probabilities; ``power``: float32 [N], mean squares. Block i starts at ``start_ms`` + 32 i."""

    start_ms: int
    end_ms: int
    speech: np.ndarray
    power: np.ndarray

    def time_ms(self, block: int) -> int:
        """Where block ``block`` begins; never after the end of the sound."""
        return min(self.start_ms + block * BLOCK_MS, self.end_ms)


def track(audio: AudioStream, model: Model) -> Track:
    """Hear ``audio`` from end to end with the Silero VAD (512 new samples after 64 of context, LSTM state carried on).

    The state remembers long enough that lanes started in the middle, even after 4 s of warm-up, disagree: so one lane.
    """
    state = np.zeros((2, 1, 128), dtype=np.float32)
    rate = np.array(AUDIO_RATE, dtype=np.int64)
    heard = np.zeros((1, CONTEXT + BLOCK), dtype=np.float32)
    count = -(-(audio.end_ms - audio.start_ms) * AUDIO_RATE // 1000 // BLOCK) + 1
    speech, power = np.empty(count, dtype=np.float32), np.empty(count, dtype=np.float32)
    number = 0
    for number, block in enumerate(_blocks(audio), start=1):
        heard[0, :CONTEXT] = heard[0, BLOCK:]
        heard[0, CONTEXT:] = block
        made = model.run({"input": heard, "state": state, "sr": rate})
        state = made["stateN"]
        speech[number - 1] = made["output"][0, 0]
        power[number - 1] = np.mean(np.square(block))
    return Track(audio.start_ms, audio.end_ms, speech[:number], power[:number])


def _blocks(audio: AudioStream) -> Iterator[np.ndarray]:
    """float32 [BLOCK] each; the last one is filled up with silence."""
    for at in range(audio.start_ms, audio.end_ms, READ_MS):
        samples = audio.read(at, min(at + READ_MS, audio.end_ms))
        whole = np.pad(samples, (0, -len(samples) % BLOCK)).astype(np.float32, copy=False)
        yield from whole.reshape(-1, BLOCK)
