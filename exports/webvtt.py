"""WebVTT (W3C, https://www.w3.org/TR/webvtt1/): a file for each track."""

from __future__ import annotations

from collections.abc import Iterable

from exports.source import Exported, Options, Source
from exports.timed_text import track
from kadr.craft.captions import Cue, plain

ESCAPES = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}


def export(source: Source, options: Options) -> Exported:
    """A track a file; who speaks is the cue's voice unless ``options.speakers`` is False."""
    tracks = [track(source, name) for name in options.what]
    voices = options.speakers is not False
    files = {f".{t.name}.vtt": document(source.maker, map_cues(t.cues, voices)) for t in tracks}
    notes = tuple(f"webvtt {t.name}: {t.note}" for t in tracks if t.note)
    return Exported(
        {n: b.encode() for n, b in files.items()}, notes, next(iter(files)) if len(files) == 1 else None
    )


def map_cues(cues: Iterable[Cue], voices: bool) -> Iterable[tuple[int, int, str]]:
    """(start_ms, end_ms, payload as WebVTT has it) of each cue."""
    for cue in cues:
        text = "\n".join(escaped(line) for line in cue.lines)
        name = plain(cue.speaker or "") if voices else ""
        yield cue.start_ms, cue.end_ms, f"<v {escaped(name)}>{text}" if name else text


def document(maker: str, cues: Iterable[tuple[int, int, str]]) -> str:
    """The whole file. Payloads have no empty lines and no ``-->``."""
    blocks = (f"{stamp(start)} --> {stamp(end)}\n{payload}" for start, end, payload in cues)
    return "\n\n".join(["WEBVTT", f"NOTE {maker}", *blocks]) + "\n"


def escaped(text: str) -> str:
    return text.translate(ESCAPES)


def stamp(ms: int, point: str = ".") -> str:
    """``ms`` as HH:MM:SS.mmm; hours have two digits or more."""
    minutes, rest = divmod(ms, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{point}{rest % 1000:03}"
