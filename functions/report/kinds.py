"""What components find, in words of the video: people ask for on-screen text, not for ``ocr``."""

from __future__ import annotations

from collections.abc import Iterable

KINDS = {
    "shots": "shots", "speech": "speech", "speakers": "speakers", "captions": "the file's own captions",
    "sounds": "sounds", "loudness": "loudness", "ocr": "on-screen text", "objects": "objects",
    "faces": "faces", "tags": "picture labels", "moderation": "moderation scores", "quality": "picture faults",
    "passages": "key phrases",
}  # fmt: skip
SEEN = frozenset({"shots", "ocr", "objects", "faces", "tags", "moderation", "quality"})
HEARD = frozenset({"speech", "speakers", "sounds", "loudness"})
"""What needs pictures, and what needs sound."""
WORKING = frozenset({"probe", "decode", "pcm", "voice", "report"})
"""What the others stand on: nobody asks for it by itself."""


def kinds(components: Iterable[str]) -> tuple[str, ...]:
    """What ``components`` find, in KINDS' order; what somebody added is called by its own name."""
    names = set(components) - WORKING
    return (*(kind for name, kind in KINDS.items() if name in names), *sorted(own(names)))


def spoken(found: Iterable[str]) -> list[str]:
    """Kinds as they stand in a sentence: names that somebody gave are quoted."""
    return [kind if kind in KINDS.values() else f"“{kind}”" for kind in found]


def own(components: Iterable[str]) -> list[str]:
    """Those of ``components`` that somebody added: the report knows nothing about them beforehand."""
    return [name for name in components if name not in KINDS and name not in WORKING]
