"""What the first sentences name: how often it is right, on the cards and the still pictures of the other measures."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from functions.report.clear import OBJECT_SCORE, TEXT_SCORE
from tests.bench.truth import letters, things
from tests.bench.truth.kadr_runs import Runs
from tests.bench.truth.line import Line
from tests.bench.truth.scorers import iou

PACKAGES = (*letters.PACKAGES, *things.PACKAGES)
PUBLISHED = "the limits are Kadr's own: nothing to compare with"
SEEN = "the limit was taken from it: no proof of it"
LEAST_IOU = 0.5
Judged = tuple[float, int, int]
"""A score, how much was named with it, and how much of that is right."""


def clear(places: dict[str, Path], kadr: Runs, folder: Path) -> list[Line]:
    """Shares right of what scores as much as the first sentences ask for, and of the rest."""
    path, cards = letters.film(places, folder)
    (found,) = kadr([path], "--only", "ocr")
    words: list[Judged] = []
    for i, card in enumerate(cards):
        if not card.group.startswith("scan"):
            words += judged_texts(card, letters.on_display(found, (2 * i + 1) * letters.CARD_MS // 2))
    tracks: list[Judged] = []
    for path, shown in things.stills(places, folder).values():
        (found,) = kadr([path], "--only", "objects")
        tracks += [judged_track(track, [boxes for _, boxes in shown]) for track in found["objects"]]
    return [
        _line(f"words right, of texts that score {TEXT_SCORE} and more", words, TEXT_SCORE, "words",
              "the cards of the measure ocr, the scan left out"),
        _line(f"tracks of a thing that is there, of those that score {OBJECT_SCORE} and more", tracks, OBJECT_SCORE, "tracks",
              "the photographs and composites of the measure detection"),
    ]  # fmt: skip


def judged_texts(card: letters.Card, texts: Sequence[Mapping[str, Any]]) -> list[Judged]:
    """Words of each text, and those of them that stand in the line whose middle is nearest to its own."""
    judged = []
    for text in texts:
        y = sum(y for _, y in text["quad"]) / 4
        line = min(card.lines, key=lambda one: abs(one.y - y))
        read, there = _words(text["text"]), _words(line.text)
        judged.append((text["score"], read.total(), (read & there).total()))
    return judged


def judged_track(track: Mapping[str, Any], shown: Sequence[things.Boxes]) -> Judged:
    """Whether a thing of that name is where the track's most certain detection is."""
    there = shown[min(track["best_ms"] // things.CARD_MS, len(shown) - 1)]
    right = any(
        thing["label"] == track["label"] and iou(thing["box"], track["best_box"]) >= LEAST_IOU
        for thing in there
    )
    return track["score"], 1, int(right)


def _words(text: str) -> Counter[str]:
    return Counter(word.casefold() for word in re.findall(r"\w+", text))


def _line(measure: str, judged: Sequence[Judged], limit: float, what: str, data: str) -> Line:
    (many, right), (others, others_right) = (
        (sum(n for _, n, _ in some), sum(r for _, _, r in some))
        for some in ([j for j in judged if j[0] >= limit], [j for j in judged if j[0] < limit])
    )
    return Line(
        measure=measure,
        value=right / max(1, many),
        parts={"of the others": others_right / max(1, others)},
        n=f"{right} of {many} {what}; of the others {others_right} of {others}",
        data=data,
        published=PUBLISHED,
        seen=SEEN,
    )
