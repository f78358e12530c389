"""Where the language changes inside a window: told from the pass that was made anyway, heard again only where that disagrees."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import Any

from functions.speech.listener import Heard, hear, likeliest_of_parts, told
from functions.speech.windows import Span, Window
from kadr.contracts.media import AudioStream

SURE = 0.5
"""Who is less sure than this of a language does not say it."""
PART_MS = 1_500
"""Less sound than this says too little of its language."""
TOGETHER_MS = 3_000
"""Neighbouring pieces shorter than this are told together."""


def in_one_language(
    native: Any, audio: AudioStream, window: Window, heard: Heard, most: str
) -> list[tuple[Window, Heard]]:
    """``window``, or where parts of it are surely of other languages, windows that end where the language changes.

    ``most``: the language in which most is said around it.
    """
    if not _disagrees(native, window, heard):
        return [(window, heard)]
    units = _units(window.pieces)
    alone = [hear(native, unit.samples(audio), None) for unit in units]
    languages = _carried([told(one, most) for one in alone])
    runs = [list(run) for _, run in groupby(range(len(units)), key=lambda i: languages[i])]
    if len(runs) == 1:
        return [(window, heard)]
    return [_joined(native, audio, [units[i] for i in run], [alone[i] for i in run]) for run in runs]


def _disagrees(native: Any, window: Window, heard: Heard) -> bool:
    if len(window.pieces) == 1 or len(heard.languages) == 1:
        return False
    parts = [(a, b) for a, b in pairwise(window.begins_ms) if b - a >= PART_MS]
    likeliest = likeliest_of_parts(native, heard, parts)
    return any(sure >= SURE and language != heard.likeliest[0] for language, sure in likeliest)


def _units(pieces: Sequence[Span]) -> list[Window]:
    """Neighbouring pieces together until they last TOGETHER_MS; what is left at the end goes with the last."""
    units: list[Window] = []
    for piece in pieces:
        if units and units[-1].duration_ms < TOGETHER_MS:
            units[-1] = Window((*units[-1].pieces, piece))
        else:
            units.append(Window((piece,)))
    if len(units) > 1 and units[-1].duration_ms < PART_MS:
        units[-2:] = [Window((*units[-2].pieces, *units[-1].pieces))]
    return units


def _carried(units: Sequence[tuple[str, float]]) -> list[str | None]:
    """Of each unit: its own language where it is sure, else that of the one before; at the beginning, of the first that is sure."""
    sure = [language if score >= SURE else None for language, score in units]
    last = next((language for language in sure if language), None)
    carried = []
    for language in sure:
        last = language or last
        carried.append(last)
    return carried


def _joined(
    native: Any, audio: AudioStream, units: Sequence[Window], alone: Sequence[Heard]
) -> tuple[Window, Heard]:
    if len(units) == 1:
        return units[0], alone[0]
    window = Window(tuple(piece for unit in units for piece in unit.pieces))
    return window, hear(native, window.samples(audio), None)
