"""Keywords: phrases of the video's own words that lie closest to it in meaning, and apart from each other.

KeyBERT's idea (Grootendorst 2020): embed candidate n-grams and the document, choose by maximal marginal relevance (Carbonell &
Goldstein 1998).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import stopwordsiso

LONGEST = 3
CANDIDATES = 120
"""Only the most frequent candidates are embedded; their number bounds the cost, whatever the video's length."""
DIVERSITY = 0.3

Phrase = tuple[str, ...]


def tokens(text: str) -> list[str]:
    return [word.strip("'’_").casefold() for word in re.findall(r"[\w'’]+", text)]


def candidates(texts: Sequence[str], languages: set[str]) -> list[Phrase]:
    """Phrases of one to three words, none a stop word or a number, the most frequent and longest first."""
    known = [language for language in sorted(languages) if stopwordsiso.has_lang(language)]
    stop = set().union(*(stopwordsiso.stopwords(language) for language in known))
    plain = {word.replace("'", "").replace("’", "") for word in stop} | stop
    counts: Counter[Phrase] = Counter()
    for text in dict.fromkeys(texts):
        words = tokens(text)
        content = [len(word) > 2 and word.isalpha() and word not in plain for word in words]
        for size in range(1, LONGEST + 1):
            for at in range(len(words) - size + 1):
                if all(content[at : at + size]):
                    counts[tuple(words[at : at + size])] += 1
    ranked = sorted(counts, key=lambda phrase: (-counts[phrase] * len(phrase) ** 0.5, phrase))
    return ranked[:CANDIDATES]


def choose(
    phrases: Sequence[Phrase], document: np.ndarray, embed: Callable[[Sequence[str]], np.ndarray], count: int
) -> list[tuple[Phrase, float]]:
    """Up to ``count`` phrases with their cosine to ``document`` (float [384], unit length), the closest first."""
    if not phrases:
        return []
    vectors = embed([" ".join(phrase) for phrase in phrases])
    relevance, likeness = vectors @ document, vectors @ vectors.T
    chosen: list[int] = []
    left = list(range(len(phrases)))
    while left and len(chosen) < count:
        known = likeness[:, chosen].max(axis=1, initial=0.0)
        margin = (1 - DIVERSITY) * relevance - DIVERSITY * known
        best = max(left, key=lambda i: (margin[i], phrases[i]))
        chosen.append(best)
        left = [i for i in left if not _nested(phrases[i], phrases[best])]
    return [
        (phrases[i], round(float(relevance[i]), 4))
        for i in sorted(chosen, key=lambda i: (-relevance[i], phrases[i]))
    ]


def _nested(a: Phrase, b: Phrase) -> bool:
    return contains(a, b) or contains(b, a)


def contains(words: Sequence[str], phrase: Phrase) -> bool:
    size = len(phrase)
    return any(tuple(words[at : at + size]) == phrase for at in range(len(words) - size + 1))
