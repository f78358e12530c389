"""A short account of the video in sentences; every one points at its evidence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, islice

from functions.report import clear
from functions.report.insights import Insights, Phrase, Sentence
from functions.report.items import Segment
from functions.report.kinds import spoken
from functions.report.problem import problem
from functions.report.sources import covered_ms
from functions.report.values import Evidence, Item
from functions.report.words import border, clock, count, language_name, listed, shortened, span_length

SAID_CHARS = 60
SENTENCE_END = (".", "!", "?", "…")
SEEN_LABELS = 4
TOPICS = 5
WORD_LETTERS = 3
"""A text with fewer letters, as a clock's digits, is named only where there is no other."""


def summary(found: Insights) -> tuple[Sentence, ...]:
    """What is wrong comes first, then what was not asked about, then what was found."""
    first = (
        Sentence(kind="problem", phrases=tuple(_problem(found))),
        Sentence(kind="part", phrases=tuple(_part(found))),
    )
    makers = (_video, _shots, _speech, _topics, _texts, _objects, _faces, _sound, _marks)
    rest = (Sentence(phrases=tuple(make(found))) for make in makers)
    return tuple(sentence for sentence in (*first, *rest) if sentence.phrases)


def _plain(text: str, evidence: Evidence | None = None) -> Phrase:
    return Phrase(text=text, evidence=evidence)


def _at(text: str, item: Item) -> Phrase:
    return Phrase(text=text, start_ms=item.start_ms, end_ms=item.end_ms, evidence=item.evidence)


def _problem(found: Insights) -> Iterator[Phrase]:
    wrong = problem(found.missing, found.asked, found.video)
    if wrong is not None:
        yield Phrase(text=wrong.what, target="missing")
        yield _plain(f" {wrong.to_do}")


def _part(found: Insights) -> Iterator[Phrase]:
    """What a reader would take for the whole: a stretch of the video, or some of what could be looked for in it."""
    asked, length_ms = found.asked, found.video.duration_ms
    if not length_ms:
        return
    stretch = f"{border(asked.start_ms)}–{border(asked.end_ms)} of {clock(length_ms)}"
    kinds = listed(spoken(asked.looked_for)) or "the file's own facts"
    if not asked.whole:
        yield Phrase(text=f"This report covers only {stretch}", target="missing")
        yield _plain(
            f", and only {kinds}: nothing else was asked for."
            if asked.narrowed
            else "; the rest was not asked for."
        )
    elif asked.narrowed:
        yield Phrase(text=f"This report covers only {kinds}", target="missing")
        yield _plain("; nothing else was asked for.")


def _video(found: Insights) -> Iterator[Phrase]:
    video, asked = found.video, found.asked
    if video.evidence is None:
        return
    length = span_length(asked.end_ms - asked.start_ms)
    yield Phrase(text=length, target="made", evidence=video.evidence)
    picture = video.picture
    of = "" if asked.whole else f" out of {span_length(video.duration_ms)}"
    if picture is None:
        yield _plain(f"{of} of sound; the file has no pictures, so there was nothing to see.")
        return
    yield _plain(f"{of} of video at {picture.width} × {picture.height}")
    yield _plain(" with sound." if video.sound else "; the file has no sound, so there was nothing to hear.")


def _shots(found: Insights) -> Iterator[Phrase]:
    if not found.shots:
        return
    evidence = found.shots[0].evidence.model_copy(update={"index": None})
    yield Phrase(text=count(len(found.shots), "shot"), target="frames", evidence=evidence)
    longest = max(found.shots, key=lambda s: s.end_ms - s.start_ms)
    if len(found.scenes) > 1:
        yield _plain(f" in {count(len(found.scenes), 'scene')}")
    if len(found.shots) > 1:
        yield _plain("; the longest ")
        yield _at(f"begins at {clock(longest.start_ms)}", longest)
        yield _plain(f" and lasts {span_length(longest.end_ms - longest.start_ms)}")
    yield _plain(".")


def _speech(found: Insights) -> Iterator[Phrase]:
    said = [s for s in found.transcript if s.text]
    if not said:
        return
    spoken = covered_ms((s.start_ms, s.end_ms) for s in said)
    names = {t.speaker for t in found.turns}
    who = f"{count(len(names), 'speaker')} " if names else "Speech "
    verb = "talk" if len(names) > 1 else "talks" if names else "is heard"
    tongues = _languages(said)
    tongue = f" in {listed([language_name(code) for code in tongues])}" if tongues else ""
    evidence = said[0].evidence.model_copy(update={"index": None})
    yield Phrase(text=f"{who}{verb}{tongue}", target="transcript", evidence=evidence)
    yield _plain(f" for {span_length(spoken)} without pauses, beginning at {clock(said[0].start_ms)}: ")
    quote = shortened(said[0].text, SAID_CHARS)
    yield _at(f"“{quote}”", said[0])
    if not quote.endswith(SENTENCE_END):
        yield _plain(".")


def _languages(said: Sequence[Segment]) -> list[str]:
    """The languages in which at least a tenth is said, the most spoken first."""
    lengths: dict[str, int] = {}
    for segment in said:
        if segment.language:
            length = segment.end_ms - segment.start_ms
            lengths[segment.language] = lengths.get(segment.language, 0) + length
    enough = sum(lengths.values()) / 10
    return sorted((code for code, ms in lengths.items() if ms >= enough), key=lambda code: -lengths[code])


def _topics(found: Insights) -> Iterator[Phrase]:
    words = list(islice(clear.phrases(found), TOPICS))
    if not words:
        return
    yield _plain("Key phrases are ")
    for i, word in enumerate(words):
        yield _plain("" if i == 0 else " and " if i == len(words) - 1 else ", ")
        start, end = word.span
        yield Phrase(text=word.text, start_ms=start, end_ms=end, evidence=word.evidence)
    yield _plain(".")


def _texts(found: Insights) -> Iterator[Phrase]:
    if not found.texts:
        return
    evidence = found.texts[0].evidence.model_copy(update={"index": None})
    yield Phrase(text=f"{count(len(found.texts), 'text')} on screen", target="texts", evidence=evidence)
    read = clear.texts(found)
    if not read:
        yield _plain(", none of them read clearly.")
        return
    words = [t for t in read if sum(map(str.isalpha, t.text)) >= WORD_LETTERS]
    largest = max(words or read, key=lambda t: (_area(t.quad), -t.start_ms))
    yield _plain(", the largest ")
    yield _at(f"“{shortened(largest.text, SAID_CHARS)}” at {clock(largest.start_ms)}", largest)
    yield _plain(".")


def _area(quad: Sequence[tuple[float, float]]) -> float:
    xs, ys = zip(*quad, strict=True)
    return float((max(xs) - min(xs)) * (max(ys) - min(ys)))


def _objects(found: Insights) -> Iterator[Phrase]:
    if not found.objects:
        return
    tracks = sorted(clear.objects(found), key=lambda t: t.label)
    unsure = len({t.label for t in found.objects} - {t.label for t in tracks})
    if not tracks:
        yield Phrase(text="No object is recognised clearly", target="objects")
        yield _plain(f", {count(unsure, 'kind')} perhaps.")
        return
    by_label = [(label, list(group)) for label, group in groupby(tracks, key=lambda t: t.label)]
    by_label.sort(key=lambda pair: -covered_ms((t.start_ms, t.end_ms) for t in pair[1]))
    yield _plain("Surely seen longest: ")
    for i, (label, group) in enumerate(by_label[:SEEN_LABELS]):
        yield _plain("" if i == 0 else ", ")
        best = max(group, key=lambda t: (t.score, -t.start_ms))
        yield _at(f"{label} ({span_length(covered_ms((t.start_ms, t.end_ms) for t in group))})", best)
    rest = len(by_label) - SEEN_LABELS
    yield _plain(f" and {count(rest, 'other kind')} of object" if rest > 0 else "")
    yield _plain(f"; {count(unsure, 'more kind')} perhaps." if unsure else ".")


def _faces(found: Insights) -> Iterator[Phrase]:
    if not found.faces:
        return
    first = found.faces[0]
    yield _at(f"{count(len(found.faces), 'face track')}", first)
    read = [f for f in found.faces if f.emotion]
    if read:
        longest = max(read, key=lambda f: f.end_ms - f.start_ms)
        yield _plain("; the longest looks mostly ")
        yield _at(f"{longest.emotion}", longest)
    yield _plain(".")


def _sound(found: Insights) -> Iterator[Phrase]:
    if found.loudness is None or found.loudness.integrated_lufs is None:
        return
    value = f"{found.loudness.integrated_lufs:.1f} LUFS".replace("-", "−")
    yield Phrase(text=f"The sound averages {value}", target="sound", evidence=found.loudness.evidence)
    music = [s for s in found.sounds if s.label == "music"]
    if music:
        length = span_length(covered_ms((s.start_ms, s.end_ms) for s in music))
        yield _plain(", with ")
        yield _at(f"{length} of music", music[0])
    yield _plain(".")


def _marks(found: Insights) -> Iterator[Phrase]:
    marks = found.moderation.spans if found.moderation else ()
    if not marks:
        return
    yield Phrase(
        text=f"Moderation marks {count(len(marks), 'span')}", target="marks", evidence=marks[0].evidence
    )
    worst = max(marks, key=lambda m: m.score)
    yield _plain(", most certainly ")
    yield _at(f"“{worst.label}” at {clock(worst.start_ms)}", worst)
    yield _plain("; scores err on sport and skin.")
