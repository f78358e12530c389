"""Reading PCM: pieces of the mono audio by time on the timeline."""

from __future__ import annotations

from typing import Any

import numpy as np

from kadr.contracts.artifact import Artifact
from kadr.contracts.media import AUDIO_RATE
from kadr.contracts.stretches import let_go

_FULL_SCALE = np.float32(32768.0)
_PER_MS = AUDIO_RATE // 1000


class PcmStream:
    """[start_ms, end_ms) of a ``pcm`` artifact (samples int16 [N], payload start_ms) as an AudioStream."""

    def __init__(self, artifact: Artifact, start_ms: int | None = None, end_ms: int | None = None) -> None:
        self._samples = artifact["samples"]
        self._first_ms = int(artifact.payload.get("start_ms", 0))
        last_ms = self._first_ms + -(-len(self._samples) // _PER_MS)
        self._start_ms = self._first_ms if start_ms is None else max(start_ms, self._first_ms)
        self._end_ms = max(self._start_ms, last_ms if end_ms is None else min(end_ms, last_ms))

    @property
    def start_ms(self) -> int:
        return self._start_ms

    @property
    def end_ms(self) -> int:
        return self._end_ms

    def read(self, start_ms: int, end_ms: int) -> np.ndarray[Any, Any]:
        """float32 [N] in [-1, 1]; times outside the stream give nothing."""
        first = (max(start_ms, self._start_ms) - self._first_ms) * _PER_MS
        last = (min(end_ms, self._end_ms) - self._first_ms) * _PER_MS
        piece = self._samples[first : max(first, last)]
        heard = np.asarray(piece, dtype=np.float32) / _FULL_SCALE
        let_go(piece)
        return heard
