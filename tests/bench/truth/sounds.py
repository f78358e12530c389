"""Speech, music, noise: share of time told right, on recordings of each that follow each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tests.bench.truth.kadr_runs import Runs
from tests.bench.truth.line import Line
from tests.bench.truth.packages import listed
from tests.bench.truth.sound import RATE, Span, joined, read
from tests.bench.truth.words import PROMPT_PACKAGES, PROMPTS, prompts

PACKAGES = (*PROMPT_PACKAGES, "music", "noises")
NOISES = ("ambi_sauna", "loop_3d_printer", "vinyl_hiss")
EXCERPT_S, GAP_MS, STEP_MS, EDGE_MS = 8, 1000, 100, 300
PUBLISHED = "speech/music/noise network of inaSpeechSegmenter: a figure by class was not found"


def clips(places: Mapping[str, Path]) -> list[tuple[str, np.ndarray]]:
    """(class, recording): two prompts of each voice, two excerpts of each piece of music, each noise twice."""
    root = places["noises"] / "usr/share/sonic-pi/samples"
    music = [read(path) for path in sorted(places["music"].rglob("*.g722"))]
    length = EXCERPT_S * RATE
    speech = [read(s.path)[:length] for lang in PROMPTS for s in _long(prompts(places, lang))[:2]]
    pieces = [piece[at * RATE :][:length] for piece in music for at in (10, 40)]
    noises = [read(root / f"{name}.flac")[:length] for name in NOISES for _ in range(2)]
    named = [("speech", c) for c in speech] + [("music", c) for c in pieces] + [("noise", c) for c in noises]
    order = np.random.default_rng(7).permutation(len(named))
    return [named[i] for i in order]


def _long(said: Sequence[Any]) -> list[Any]:
    return [s for s in said if s.path.stat().st_size > 5 * RATE // 2]


def sounds(places: dict[str, Path], kadr: Runs, folder: Path) -> list[Line]:
    """Share of time right, edges left out, and precision and recall of each class."""
    named = clips(places)
    path = folder / "made/sounds.wav"
    spans = joined([clip for _, clip in named], GAP_MS, path)
    (found,) = kadr([path], "--only", "sounds")
    truth = [(label, span) for (label, _), span in zip(named, spans, strict=True)]
    pairs = compared(truth, found["sounds"])
    right = sum(n for (a, b), n in pairs.items() if a == b)
    parts = {}
    for label in ("speech", "music", "noise"):
        hits = pairs.get((label, label), 0)
        parts[f"{label} recall"] = hits / sum(n for (a, _), n in pairs.items() if a == label)
        parts[f"{label} precision"] = hits / max(1, sum(n for (_, b), n in pairs.items() if b == label))
    return [
        Line(
            measure="sounds, share of time right",
            value=right / sum(pairs.values()),
            parts=parts,
            n=f"{len(named)} recordings, {found.duration_ms / 60000:.1f} min",
            data=f"telephone prompts in five languages; {listed()['music'].title} ({listed()['music'].licence}); "
            f"{listed()['noises'].title} ({listed()['noises'].licence})",
            published=PUBLISHED,
            seen="no parameter of sounds was chosen on it",
        )
    ]


def compared(
    truth: Sequence[tuple[str, Span]], found: Sequence[Mapping[str, Any]]
) -> dict[tuple[str, str], int]:
    """Steps of STEP_MS inside the truth's spans, EDGE_MS from their ends, by (class that is there, class told)."""
    pairs: dict[tuple[str, str], int] = {}
    for label, (start, end) in truth:
        for t in range(start + EDGE_MS, end - EDGE_MS, STEP_MS):
            told = next((s["label"] for s in found if s["start_ms"] <= t < s["end_ms"]), "")
            pairs[label, told] = pairs.get((label, told), 0) + 1
    return pairs
