"""Which language a text is in, and, for English, whether it sounds glad or sad."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import stopwordsiso
from py3langid.langid import MODEL_FILE, LanguageIdentifier
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

MARGIN = 1.5
"""How much likelier the likeliest language must be than the next."""


class Languages:
    """Language identification by byte n-grams (Lui & Baldwin 2012, py3langid), among the 58 languages that have stop words here.

    The model is loaded when first needed.
    """

    def __init__(self, min_letters: int) -> None:
        self._min_letters = min_letters

    @cached_property
    def _identifier(self) -> Any:
        identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
        identifier.set_languages(set(identifier.labels) & stopwordsiso.langs())
        return identifier

    def of(self, text: str, otherwise: str | None) -> str | None:
        """ISO 639-1 code; ``otherwise`` when the text is too short or the answer unsure."""
        letters = "".join(filter(str.isalpha, text))
        if len(letters.encode()) < self._min_letters:
            return otherwise
        (language, score), (_, next_score), *_ = self._identifier.rank(text)
        return str(language) if score >= MARGIN * next_score else otherwise


class Sentiment:
    """VADER's compound score (Hutto & Gilbert 2014): English only."""

    def __init__(self) -> None:
        self._analyzer = SentimentIntensityAnalyzer()

    def of(self, text: str, language: str | None) -> float | None:
        """-1 (sad, angry) to 1 (glad); None for other languages."""
        return float(self._analyzer.polarity_scores(text)["compound"]) if language == "en" else None
