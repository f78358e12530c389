"""The truth about the reel, written from what the storyboard places, never from what a model finds."""

from collections.abc import Iterable
from itertools import pairwise

from reel_kit.storyboard import Span
from reel_kit.timeline import FRAME_MS, Placed
from reel_kit.voices import Synth, Voice

JOIN_SPEECH_MS = 1_000
Entry = dict[str, int | str]
Truth = dict[str, int | list[Entry]]


def reel_truth(placed: tuple[Placed, ...], voices: Iterable[Voice], synths: Iterable[Synth]) -> Truth:
    """All fields of truth.json; README.md beside it says what each means."""
    transcript = [_spoken(voice, number) for voice in voices for number in range(len(voice.utterances))]
    seen = list(zip(placed, _visible(placed), strict=True))
    return {
        "duration_ms": placed[-1].last * FRAME_MS,
        "cuts": [_cut(before, now) for before, now in pairwise(placed)],
        "transcript": transcript,
        "texts": [_timed(span, p, on) | {"text": span.label} for p, on in seen for span in p.shot.texts],
        "faces": [_timed(span, p, on) | {"count": span.count} for p, on in seen for span in p.shot.faces],
        "objects": [
            _timed(span, p, on) | {"label": span.label, "count": span.count}
            for p, on in seen
            for span in p.shot.objects
        ],
        "sounds": _sounds(transcript, synths),
        "blocks": _blocks(placed),
    }


def _cut(before: Placed, now: Placed) -> Entry:
    around = {"hard": (now.first, now.first), "dissolve": (now.first, before.last)}
    half = now.shot.mix_frames
    first, last = around.get(now.shot.begins, (now.first - half, now.first + half))
    middle = (first + last) // 2
    return {
        "t_ms": middle * FRAME_MS,
        "kind": now.shot.begins,
        "from_ms": first * FRAME_MS,
        "to_ms": last * FRAME_MS,
    }


def _visible(placed: tuple[Placed, ...]) -> list[tuple[int, int]]:
    """The frames in which a shot is the one mostly seen: half of each gradual change belongs to it."""
    starts = [p.first + (p.shot.mix_frames // 2 if p.shot.begins != "hard" else 0) for p in placed]
    ends = []
    for now, after in zip(placed, [*placed[1:], None], strict=True):
        gradual = after is not None and after.shot.begins != "hard"
        ends.append(now.last - (after.shot.mix_frames // 2 if after and gradual else 0))
    return list(zip(starts, ends, strict=True))


def _timed(span: Span, placed: Placed, visible: tuple[int, int]) -> Entry:
    first = max(placed.first + span.first, visible[0])
    last = visible[1] if span.last is None else min(placed.first + span.last, visible[1])
    return {"start_ms": first * FRAME_MS, "end_ms": last * FRAME_MS}


def _spoken(voice: Voice, number: int) -> Entry:
    said = voice.utterances[number]
    shift = voice.at_ms - voice.from_ms
    return {
        "start_ms": said.start_ms + shift,
        "end_ms": said.end_ms + shift,
        "text": said.text,
        "language": voice.language,
        "speaker": voice.source,
    }


def _sounds(transcript: list[Entry], synths: Iterable[Synth]) -> list[Entry]:
    sounds: list[Entry] = [{"class": s.kind, "start_ms": s.start_ms, "end_ms": s.end_ms} for s in synths]
    speech: list[Entry] = []
    for said in transcript:
        if speech and int(said["start_ms"]) - int(speech[-1]["end_ms"]) < JOIN_SPEECH_MS:
            speech[-1]["end_ms"] = said["end_ms"]
        else:
            speech.append({"class": "speech", "start_ms": said["start_ms"], "end_ms": said["end_ms"]})
    return sorted(sounds + speech, key=lambda entry: int(entry["start_ms"]))


def _blocks(placed: tuple[Placed, ...]) -> list[Entry]:
    starts = [p.first * FRAME_MS for p in placed if p.shot.opens_block]
    ends = [*starts[1:], placed[-1].last * FRAME_MS]
    return [{"start_ms": start, "end_ms": end} for start, end in zip(starts, ends, strict=True)]
