"""Which language a text is in, and, for English, whether it sounds glad or sad."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from py3langid.langid import MODEL_FILE, LanguageIdentifier
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

SURE = 0.9


class Languages:
    """Language identification by byte n-grams (Lui & Baldwin 2012, py3langid). The model is loaded when first needed."""

    def __init__(self, min_letters: int) -> None:
        self._min_letters = min_letters

    @cached_property
    def _identifier(self) -> Any:
        return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

    def of(self, text: str, otherwise: str | None) -> str | None:
        """ISO 639-1 code; ``otherwise`` when the text is too short or the answer unsure."""
        if sum(map(str.isalpha, text)) < self._min_letters:
            return otherwise
        language, score = self._identifier.classify(text)
        return str(language) if score >= SURE else otherwise


class Sentiment:
    """VADER's compound score (Hutto & Gilbert 2014): English only."""

    def __init__(self) -> None:
        self._analyzer = SentimentIntensityAnalyzer()

    def of(self, text: str, language: str | None) -> float | None:
        """-1 (sad, angry) to 1 (glad); None for other languages."""
        return float(self._analyzer.polarity_scores(text)["compound"]) if language == "en" else None
