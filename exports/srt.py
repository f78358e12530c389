"""SubRip (.srt), UTF-8: a file for each track.

The format has no escapes: players take ``<…>``, ``{…}`` and ``\\N`` for markup, ``-->`` or two times for the line of times. An
invisible word joiner (U+2060) in those makes them plain text.
"""

from __future__ import annotations

import re

from exports.source import Exported, Options, Source
from exports.timed_text import track
from kadr.craft.captions import Cue
from kadr.craft.webvtt import stamp

MARKUP = re.compile(r"[<{\\]|--(?=>)|\d:(?=\d\d?:\d\d?[.,])")
JOINER = "\u2060"


def export(source: Source, options: Options) -> Exported:
    """A track a file; with ``options.speakers`` each who begins to speak is named before the words."""
    tracks = [track(source, name, labels=options.speakers is True) for name in options.what]
    files = {f".{t.name}.srt": "".join(map(_block, range(1, len(t.cues) + 1), t.cues)) for t in tracks}
    return Exported.texts(files, [f"srt {t.name}: {t.note}" for t in tracks if t.note])


def _block(number: int, cue: Cue) -> str:
    text = "\n".join(MARKUP.sub(lambda m: m[0] + JOINER, line) for line in cue.lines)
    return f"{number}\n{stamp(cue.start_ms, ',')} --> {stamp(cue.end_ms, ',')}\n{text}\n\n"
