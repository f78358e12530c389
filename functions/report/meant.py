"""What it means: passages and keywords."""

from __future__ import annotations

from functions.report.items import Keyword, Passage
from functions.report.sources import Sources, at, score


def passages(sources: Sources) -> tuple[Passage, ...]:
    found = sources["passages"]
    names = sources["speakers"].strings("speakers")
    kinds, kind, who = found.strings("kinds"), found.ints("kind"), found.ints("speaker")
    texts, languages = found.strings("texts"), found.strings("languages")
    feeling, known = found.scores("sentiment"), found.value("sentiment_known", [])
    return tuple(
        Passage(
            start_ms=s,
            end_ms=e,
            kind=at(kinds, kind[i]) or "?",
            text=texts[i],
            language=at(languages, i) or None,
            speaker=at(names, who[i]),
            sentiment=feeling[i] if i < len(known) and known[i] else None,
            evidence=found.evidence(i),
        )
        for i, (s, e) in enumerate(found.spans())
    )


def keywords(sources: Sources) -> tuple[Keyword, ...]:
    found = sources["passages"]
    return tuple(
        Keyword(
            text=str(k["text"]),
            score=score(k["score"]),
            spans=tuple((int(s), int(e)) for s, e in k.get("spans", ())),
            evidence=found.evidence(i),
        )
        for i, k in enumerate(found.value("keywords", []))
    )
