"""The tracks of timed text that a run has, as cues for WebVTT and SubRip alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from exports.source import Source
from kadr.craft.captions import Cue, Said, cues, filled, plain


@dataclass(frozen=True)
class Track:
    """``note``: what a person should know, "" for nothing."""

    name: str
    cues: tuple[Cue, ...]
    note: str = ""


def track(source: Source, name: str, labels: bool = False) -> Track:
    """The track called ``name``: speech, text, captions or chapters; ``labels`` says who speaks, in the speech's text."""
    return _TRACKS[name](source, labels)


def _speech(source: Source, labels: bool) -> Track:
    words = _labelled(_words(source)) if labels else _words(source)
    found = cues(words, source.found["video"]["duration_ms"])
    own = len(source.found["captions"])
    more = f"; the file has {own} captions of its own (--what captions)" if own else ""
    note = "" if found else f"no speech was found{source.why_empty('speech')}{more}"
    return Track("speech", found, note)


def _words(source: Source) -> Iterator[list[Said]]:
    for segment in source.found["transcript"]:
        yield [
            Said(max(0, w["start_ms"]), w["end_ms"], w["text"], w["space"], w["speaker"])
            for w in segment["words"]
        ]


def _labelled(segments: Iterable[list[Said]]) -> Iterator[list[Said]]:
    """With the speaker's name before the first word of each who begins to speak."""
    last = None
    for words in segments:
        made = []
        for word in words:
            name = plain(word.speaker or "")
            made.append(replace(word, text=f"{name}: {word.text}") if name and name != last else word)
            last = name or last
        yield made


def _text(source: Source, _: bool) -> Track:
    found = _spans((t, filled(t["text"])) for t in source.found["texts"])
    return Track("text", found, _none(source, found, "no text was read on screen", "ocr"))


def _captions(source: Source, _: bool) -> Track:
    """The file's own lines, broken as they were."""
    lines = ((c, (plain(line) for line in c["text"].splitlines())) for c in source.found["captions"])
    found = _spans((c, tuple(line for line in own if line)) for c, own in lines)
    why = source.why_empty("captions")
    none = f"the file's own captions were not read{why}" if why else "the file has no captions of its own"
    return Track("captions", found, "" if found else none)


def _chapters(source: Source, _: bool) -> Track:
    """The file's own chapters; where it has none, the scenes."""
    if own := source.found["video"]["chapters"]:
        titled = ((c, (plain(c["title"]) or f"Chapter {i + 1}",)) for i, c in enumerate(own))
        return Track("chapters", _spans(titled), "chapters are the file's own")
    found = _spans((s, (f"Scene {s['index'] + 1}",)) for s in source.found["scenes"])
    return Track("chapters", found, _none(source, found, "no scenes were found", "shots"))


def _spans(items: Iterable[tuple[Mapping[str, Any], tuple[str, ...]]]) -> tuple[Cue, ...]:
    """Cues of what has text and lasts, in order of time."""
    made = (Cue(max(0, item["start_ms"]), item["end_ms"], lines) for item, lines in items if lines)
    return tuple(sorted((c for c in made if c.end_ms > c.start_ms), key=lambda c: (c.start_ms, c.end_ms)))


def _none(source: Source, found: tuple[Cue, ...], text: str, component: str) -> str:
    return "" if found else text + source.why_empty(component)


_TRACKS: dict[str, Callable[[Source, bool], Track]] = {
    "speech": _speech,
    "text": _text,
    "captions": _captions,
    "chapters": _chapters,
}
