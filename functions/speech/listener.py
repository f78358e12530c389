"""Whisper by its parts: sound is encoded once, both to tell its language and to write down what is said.

``transcribe`` of faster-whisper encodes once more for the language, a third of the cost of a window. Method: A. Radford
et al., "Robust Speech Recognition via Large-Scale Weak Supervision" (2022); greedy or beam search at temperature 0, so
that the same sound always gives the same words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from faster_whisper.audio import pad_or_trim
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import TranscriptionOptions, get_suppressed_tokens

LOOP_COMPRESSION = 2.4
"""Text that zlib shrinks more than this repeats itself (Whisper's own mark of a decoding loop)."""
SURE = 0.5
"""A window that is surer than this of its language keeps it."""


@dataclass(frozen=True)
class Heard:
    """A window's mel features, the encoder's view of its first 30 s, and its languages with their probabilities."""

    features: np.ndarray
    encoded: Any
    languages: dict[str, float]

    @property
    def likeliest(self) -> tuple[str, float]:
        return max(self.languages.items(), key=lambda item: (item[1], item[0]))


def hear(native: Any, samples: np.ndarray, language: str | None) -> Heard:
    """Encode float32 [N]; ``language`` is taken as certain when given. ``native`` is a faster_whisper.WhisperModel."""
    features = native.feature_extractor(samples)
    encoded = native.encode(pad_or_trim(features[..., :-1]))
    if not native.model.is_multilingual:
        return Heard(features, encoded, {"en": 1.0})
    if language is not None:
        return Heard(features, encoded, {language: 1.0})
    likely = native.model.detect_language(encoded)[0]
    return Heard(features, encoded, {token[2:-2]: float(share) for token, share in likely})


def agreed(heard: Sequence[Heard], weights: Sequence[float]) -> list[str]:
    """The language of each window: its own where it is sure, else the likeliest of all windows together."""
    together: dict[str, float] = {}
    for one, weight in zip(heard, weights, strict=True):
        for language, share in one.languages.items():
            together[language] = together.get(language, 0.0) + weight * share
    most = max(together.items(), key=lambda item: (item[1], item[0]), default=("en", 0.0))[0]
    return [one.likeliest[0] if one.likeliest[1] >= SURE else most for one in heard]


def write(
    native: Any, heard: Heard, language: str, *, hotwords: str | None, beam: int, no_speech: float
) -> list[Any]:
    """What is said, as faster_whisper segments with words; times in seconds from the window's start."""
    tokenizer = Tokenizer(
        native.hf_tokenizer, native.model.is_multilingual, task="transcribe", language=language
    )
    options = TranscriptionOptions(
        beam_size=beam,
        best_of=1,
        patience=1,
        length_penalty=1,
        repetition_penalty=1,
        no_repeat_ngram_size=0,
        log_prob_threshold=-1.0,
        no_speech_threshold=no_speech,
        compression_ratio_threshold=LOOP_COMPRESSION,
        condition_on_previous_text=False,
        prompt_reset_on_temperature=0.5,
        temperatures=[0.0],
        initial_prompt=None,
        prefix=None,
        suppress_blank=True,
        suppress_tokens=get_suppressed_tokens(tokenizer, [-1]),
        without_timestamps=False,
        max_initial_timestamp=1.0,
        word_timestamps=True,
        prepend_punctuations="\"'“¿([{-",
        append_punctuations="\"'.。,，!！?？:：”)]}、",
        multilingual=False,
        max_new_tokens=None,
        clip_timestamps=[0.0],
        hallucination_silence_threshold=None,
        hotwords=hotwords,
    )
    return list(native.generate_segments(heard.features, tokenizer, options, False, heard.encoded))
