"""The formats there are. Each is a module with ``export(source, options)``, imported when it is asked for."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

from exports.source import Exported, Options, Source
from kadr.contracts.errors import KadrError


class LibraryMissing(KadrError):
    """The format needs a library that is not installed."""

    status = 501


@dataclass(frozen=True)
class Format:
    """``tracks``: what the format can be asked for, in order; ``usual``: what it holds when nothing is asked for."""

    module: str
    about: str
    tracks: tuple[str, ...] = ()
    usual: tuple[str, ...] = ()
    library: str = ""
    """That not every installation has."""

    def export(self, source: Source, options: Options) -> Exported:
        """Raises LibraryMissing."""
        chosen = tuple(t for t in self.tracks if t in (options.what or self.usual))
        return self._function()(source, replace(options, what=chosen))

    def _function(self) -> Callable[[Source, Options], Exported]:
        try:
            module = importlib.import_module(f"exports.{self.module}")
        except ModuleNotFoundError as error:
            if error.name != self.library:
                raise
            raise LibraryMissing(
                f"{self.module} needs {error.name}, which is not installed: "
                f"`{sys.executable} -m pip install {error.name}` brings it"
            ) from error
        return cast("Callable[[Source, Options], Exported]", module.export)


TIMED_TEXT = ("speech", "text", "captions", "chapters")
DETECTED = ("objects", "faces")
FORMATS = {
    "webvtt": Format("webvtt", "captions, on-screen text or chapters for players", TIMED_TEXT, ("speech",)),
    "srt": Format("srt", "the same as SubRip", TIMED_TEXT, ("speech",)),
    "rttm": Format("rttm", "who speaks when, for diarisation tools"),
    "json": Format("insights", "insights.json as it is, in a folder with its schema"),
    "html": Format("html", "the report page, one file"),
    "coco": Format("coco", "detections and tracks for computer vision tools", DETECTED, DETECTED),
    "parquet": Format("parquet", "a table for each kind of thing that was found", library="pyarrow"),
    "otio": Format(
        "otio",
        "a timeline for video editors",
        ("scenes", "speech", "text", "words"),
        ("scenes", "speech", "text"),
    ),
    "storyboard": Format(
        "storyboard", "thumbnails in a grid, with their WebVTT track", ("regular", "shots"), ("regular",)
    ),
}
