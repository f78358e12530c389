"""WebVTT (W3C, https://www.w3.org/TR/webvtt1/): a file for each track."""

from __future__ import annotations

from collections.abc import Iterable

from exports.source import Exported, Options, Source
from exports.timed_text import track
from kadr.craft.webvtt import payload, stamp


def export(source: Source, options: Options) -> Exported:
    """A track a file; who speaks is the cue's voice unless ``options.speakers`` is False."""
    tracks = [track(source, name) for name in options.what]
    voices = options.speakers is not False
    files = {
        f".{t.name}.vtt": document(source.maker, [(c.start_ms, c.end_ms, payload(c, voices)) for c in t.cues])
        for t in tracks
    }
    return Exported.texts(files, [f"webvtt {t.name}: {t.note}" for t in tracks if t.note])


def document(maker: str, cues: Iterable[tuple[int, int, str]]) -> str:
    """The whole file. Payloads have no empty lines and no ``-->``."""
    blocks = (f"{stamp(start)} --> {stamp(end)}\n{text}" for start, end, text in cues)
    return "\n\n".join(["WEBVTT", f"NOTE {maker}", *blocks]) + "\n"
