"""What an export is made from, and what it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kadr.contracts.artifact import Artifact


@dataclass(frozen=True)
class Source:
    """A closed run: ``found`` is its insights.json (docs/insights.md).

    ``artifact(component)`` is the component's result for the whole video, None where there is none; ``file(name)`` one of the
    report's files as it is. ``stem`` names the video in file names and inside formats.
    """

    found: Mapping[str, Any]
    artifact: Callable[[str], Artifact | None]
    file: Callable[[str], bytes]
    stem: str

    @property
    def maker(self) -> str:
        """Where the export is from, in words that no format forbids."""
        return f"Kadr {self.found['run']['kadr_version']}, run {self.found['run']['run_id']}"

    @property
    def end_ms(self) -> int:
        """Where the part of the video ends that the run was asked about."""
        asked = self.found.get("asked") or {}  # early insights have none
        return int(asked.get("end_ms") or self.found["video"]["duration_ms"])

    def why_empty(self, *components: str) -> str:
        """Why there is nothing of what ``components`` find, in words; "" if they looked and found nothing."""
        reasons = [m["reason"] for m in self.found["missing"] if {*components} & {*m["components"]}]
        if reasons:
            return f": {reasons[0]}"
        ran = {c["name"] for c in self.found["run"]["components"]}
        return "" if ran & {*components} else f": the run was not asked for {' or '.join(components)}"


@dataclass(frozen=True)
class Options:
    """``what``: names of tracks; () for the format's own choice. ``speakers``: None for the format's own choice."""

    what: tuple[str, ...] = ()
    speakers: bool | None = None
    width: int = 160


@dataclass(frozen=True)
class Exported:
    """``files`` {end of the name: bytes}; ``notes``: what a person should know of them.

    ``alone``: the end of the name of the file that says it all by itself, None where the files belong together.
    """

    files: Mapping[str, bytes]
    notes: tuple[str, ...] = field(default=())
    alone: str | None = None

    @classmethod
    def texts(cls, files: Mapping[str, str], notes: Iterable[str]) -> Exported:
        """Texts of which each stands alone."""
        bodies = {end: text.encode() for end, text in files.items()}
        return cls(bodies, tuple(notes), next(iter(files)) if len(files) == 1 else None)

    @classmethod
    def one(cls, end: str, body: str | bytes, *notes: str) -> Exported:
        return cls({end: body.encode() if isinstance(body, str) else body}, notes, end)
