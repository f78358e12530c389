"""CTranslate2 through faster-whisper: speech models, used by their own object (``native``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
from faster_whisper import WhisperModel

from inference.weights import ModelFiles
from kadr.contracts.errors import ModelFailure, ModelUnavailable


def load(files: ModelFiles, threads: int, device: str = "cpu") -> WhisperModel:
    """A faster_whisper.WhisperModel, computing in the card's precision, that never looks for files elsewhere.

    Raises ModelUnavailable when CTranslate2 cannot open the files, ModelFailure when memory is short.
    """
    folder = files.main.parent
    try:
        return WhisperModel(
            str(folder),
            device=device,
            compute_type=files.card.precision,
            cpu_threads=threads,
            num_workers=1,
            local_files_only=True,
        )
    except MemoryError as error:
        raise ModelFailure(f"{files.card.name}: out of memory while loading {folder}") from error
    except (RuntimeError, ValueError) as error:
        raise ModelUnavailable(f"{files.card.name}: CTranslate2 cannot open {folder}: {error}") from error


def run(native: Any, files: ModelFiles, inputs: Mapping[str, np.ndarray]) -> NoReturn:
    """Speech models have no tensor interface: raises TypeError."""
    raise TypeError(
        f"{files.card.name} is not run on tensors: use its native object, a faster_whisper.WhisperModel"
    )
