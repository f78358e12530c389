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
from ctranslate2 import StorageView
from faster_whisper.audio import pad_or_trim
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import TranscriptionOptions, get_suppressed_tokens

LOOP_COMPRESSION = 2.4
"""Text that zlib shrinks more than this repeats itself (Whisper's own mark of a decoding loop)."""
FRAME_MS = 20
"""Of the encoder: 1500 frames for 30 s."""
DECISIVE = 20.0
"""So many times likelier must another language be than the one in which most is said: Whisper takes Spanish for Italian."""


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
    return Heard(features, encoded, _languages(native, encoded))


def likeliest_of_parts(
    native: Any, heard: Heard, parts: Sequence[tuple[int, int]]
) -> list[tuple[str, float]]:
    """The likeliest language of each part [start_ms, end_ms) of a window and its probability, as far as it was encoded.

    Only the part's frames of the window's encoding are shown to the decoder: this costs a hundredth of encoding the part alone.
    It errs more often (their neighbours' sound is in the frames), so it says where to listen again and not what is there.
    """
    frames = np.array(heard.encoded)
    told = []
    for start_ms, end_ms in parts:
        part = frames[:, start_ms // FRAME_MS : -(-end_ms // FRAME_MS)]
        if part.shape[1]:
            view = StorageView.from_array(np.ascontiguousarray(part))
            told.append(max(_languages(native, view).items(), key=lambda item: (item[1], item[0])))
    return told


def _languages(native: Any, encoded: Any) -> dict[str, float]:
    return {token[2:-2]: float(share) for token, share in native.model.detect_language(encoded)[0]}


def most_said(heard: Sequence[Heard], weights: Sequence[float]) -> str:
    """The language of most of all windows together, each of its weight."""
    together: dict[str, float] = {}
    for one, weight in zip(heard, weights, strict=True):
        for language, share in one.languages.items():
            together[language] = together.get(language, 0.0) + weight * share
    return max(together.items(), key=lambda item: (item[1], item[0]), default=("en", 0.0))[0]


def told(one: Heard, most: str) -> tuple[str, float]:
    """A window's language and the odds for it, where ``most`` is expected unless another is decisively likelier."""
    odds = {
        language: share * (DECISIVE if language == most else 1.0) for language, share in one.languages.items()
    }
    language, score = max(odds.items(), key=lambda item: (item[1], item[0]))
    return language, score / (sum(odds.values()) or 1.0)


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
