"""The formats there are. Each is a module with ``export(source, options)``, imported when it is asked for."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from exports.source import Exported, Options, Source


@dataclass(frozen=True)
class Format:
    """``tracks``: what the format can be asked for, in order; ``usual``: what it holds when nothing is asked for."""

    module: str
    about: str
    tracks: tuple[str, ...] = ()
    usual: tuple[str, ...] = ()

    def export(self, source: Source, options: Options) -> Exported:
        chosen = tuple(t for t in self.tracks if t in (options.what or self.usual))
        made = cast(
            "Callable[[Source, Options], Exported]", importlib.import_module(f"exports.{self.module}").export
        )
        return made(source, Options(chosen, options.speakers, options.width))


TIMED_TEXT = ("speech", "text", "captions", "chapters")
FORMATS = {
    "webvtt": Format("webvtt", "captions, on-screen text or chapters for players", TIMED_TEXT, ("speech",)),
    "srt": Format("srt", "the same as SubRip", TIMED_TEXT, ("speech",)),
    "rttm": Format("rttm", "who speaks when, for diarisation tools"),
}
