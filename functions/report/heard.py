"""What was heard: transcript, speakers, captions, sounds, loudness."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from functions.report.about import CaptionsFrom
from functions.report.items import CaptionLine, Language, Loudness, Segment, Sound, Speaker, Turn, Word
from functions.report.sources import Found, Sources, at, covered_ms
from functions.report.words import count


def transcript(sources: Sources) -> tuple[Segment, ...]:
    speech, speakers = sources["speech"], sources["speakers"]
    names, owners = speakers.strings("speakers"), speakers.ints("word_speaker")
    words = _words(speech, [at(names, i) for i in owners])
    first = speech.ints("segment_first_word")
    texts, languages = speech.strings("segments"), speech.strings("languages")
    scores, silent = speech.scores("segment_score"), speech.scores("segment_no_speech")
    made = []
    for i, ((start, end), (a, b)) in enumerate(zip(speech.spans("segment_"), pairwise(first), strict=True)):
        said = _spaced(words[a:b], texts[i])
        made.append(
            Segment(
                start_ms=start,
                end_ms=end,
                text=texts[i].strip(),
                score=scores[i],
                no_speech=silent[i],
                language=at(languages, i),
                speaker=_mostly(said),
                words=tuple(said),
                evidence=speech.evidence(i),
            )
        )
    return tuple(made)


def _words(speech: Found, speakers: list[str | None]) -> list[Word]:
    texts, scores = speech.strings("words"), speech.scores("word_score")
    known = len(speakers) == len(texts)
    return [
        Word(
            start_ms=start,
            end_ms=end,
            text=texts[i].strip(),
            space=True,
            score=scores[i],
            speaker=speakers[i] if known else None,
            index=i,
        )
        for i, (start, end) in enumerate(speech.spans("word_"))
    ]


def _spaced(words: list[Word], text: str) -> list[Word]:
    """``words`` with ``space`` as the segment's own text has it: Chinese, Japanese and Thai join their words."""
    made, place = [], 0
    for word in words:
        found = text.find(word.text, place)
        between = text[place:found] if found >= 0 else " "
        place = found + len(word.text) if found >= 0 else place
        made.append(word if between.strip(" ") != between else word.model_copy(update={"space": False}))
    return made


def _mostly(words: list[Word]) -> str | None:
    held: Counter[str] = Counter()
    for word in words:
        if word.speaker:
            held[word.speaker] += word.end_ms - word.start_ms
    return held.most_common(1)[0][0] if held else None


def turns(sources: Sources) -> tuple[Turn, ...]:
    found = sources["speakers"]
    names, scores, who = found.strings("speakers"), found.scores("score"), found.ints("speaker")
    return tuple(
        Turn(
            start_ms=s,
            end_ms=e,
            speaker=at(names, who[i]) or "?",
            score=scores[i],
            evidence=found.evidence(i),
        )
        for i, (s, e) in enumerate(found.spans())
    )


def speakers(all_turns: tuple[Turn, ...]) -> tuple[Speaker, ...]:
    by_name: dict[str, list[tuple[int, int]]] = {}
    for turn in all_turns:
        by_name.setdefault(turn.speaker, []).append((turn.start_ms, turn.end_ms))
    made = [Speaker(name=n, speech_ms=covered_ms(s), turns=len(s)) for n, s in by_name.items()]
    return tuple(sorted(made, key=lambda s: (-s.speech_ms, s.name)))


def captions(sources: Sources) -> tuple[CaptionLine, ...]:
    found = sources["captions"]
    texts, source = found.strings("text"), str(found.value("source", ""))
    return tuple(
        CaptionLine(start_ms=s, end_ms=e, text=texts[i], source=source, evidence=found.evidence(i))
        for i, (s, e) in enumerate(found.spans())
    )


def captions_from(sources: Sources) -> CaptionsFrom | None:
    """None where there were neither captions nor a file that might have had some."""
    found, file = sources["captions"], sources.run.manifest.get("captions_file") or {}
    source, late = found.value("source"), int(found.value("late", 0))
    if source is None and not file:
        return None
    return CaptionsFrom(
        source=source,
        file=file.get("name"),
        late=late,
        left_out=_left_out(file, late),
        evidence=found.evidence() if found.exists else None,
    )


def _left_out(file: Mapping[str, Any], late: int) -> str | None:
    unread = [str(file["unread"])] if file.get("unread") else []
    one = late == 1
    beyond = (
        [f"{count(late, 'caption')} that begin{'s' if one else ''} after the video's end"] if late else []
    )
    return "; ".join([*unread, *beyond]) or None


def sounds(sources: Sources) -> tuple[Sound, ...]:
    found = sources["sounds"]
    labels, which, scores = found.strings("labels"), found.ints("label"), found.scores("score")
    return tuple(
        Sound(
            start_ms=s,
            end_ms=e,
            label=at(labels, which[i]) or "?",
            score=scores[i],
            evidence=found.evidence(i),
        )
        for i, (s, e) in enumerate(found.spans())
    )


def loudness(sources: Sources) -> Loudness | None:
    found = sources["loudness"]
    if not found.exists:
        return None
    return Loudness(
        integrated_lufs=found.value("integrated_lufs"),
        range_lu=found.value("range_lu"),
        true_peak_dbtp=found.value("true_peak_dbtp"),
        silence=tuple((int(s), int(e)) for s, e in found.value("silence", [])),
        evidence=found.evidence(),
    )


def language(sources: Sources) -> Language | None:
    """What is spoken; where nothing is, the language of the text on screen."""
    speech, passages = sources["speech"], sources["passages"]
    if speech.value("language") and len(speech.array("word_start_ms")):
        score = speech.value("language_score")
        return Language(language=speech.value("language"), score=score, evidence=speech.evidence())
    if passages.value("language"):
        return Language(language=passages.value("language"), evidence=passages.evidence())
    return None
