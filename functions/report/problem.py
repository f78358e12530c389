"""What is wrong, told of the video before anything else. The components' own words stay in ``missing``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from functions.report.about import Asked, Missing, Video
from functions.report.damage import told
from functions.report.kinds import KINDS, kinds, spoken
from functions.report.missing import ABOUT_THE_FILE, parted
from functions.report.words import clock, listed

CAUSES = {
    "ModelUnavailable": "the weights of a model are not on this machine",
    "ModelDigestMismatch": "a file of a model is not the one that it should be",
    "ModelFailure": "a model failed while it ran",
    "ResourceExhausted": "the memory or the time did not suffice",
    "WorkerDied": "a process of the analysis ended before it was done",
    "StoreFailure": "a result could not be stored",
    "NoSpaceLeft": "there was no space left to store results",
}
STEP = "a step of the analysis failed"
NAMED_SPANS = 3
MADE_OF_THE_REST = KINDS["passages"]
"""Where there is nothing else, there is none of it either, and its component has done its work."""


class Problem(NamedTuple):
    """``what`` is wrong and what is therefore missing, in one sentence; ``to_do``: sentences, commands between backticks."""

    what: str
    to_do: str


def problem(missing: Sequence[Missing], asked: Asked, video: Video) -> Problem | None:
    """The one thing to read first; None when all that was asked for is there."""
    failed = [m for m in missing if m.why == "failed" or (m.why == "gaps" and m.error_code)]
    of_file = next((m for m in failed if m.error_code in ABOUT_THE_FILE), None)
    lost = _lost(missing, asked)
    if of_file is not None:
        return Problem(f"{parted(of_file.reason)[0]}, so {lost}.", of_file.what_to_do)
    if failed:
        causes = dict.fromkeys(CAUSES.get(m.error_code or "", STEP) for m in failed)
        remedies = dict.fromkeys(m.what_to_do for m in failed)
        return Problem(f"The file could be read, but {listed(list(causes))}, so {lost}.", " ".join(remedies))
    if stopped := [m for m in missing if m.why in ("cancelled", "blocked")]:
        return Problem(f"The run was stopped before it was done, so {lost}.", stopped[0].what_to_do)
    if damaged := [m for m in missing if m.why == "damaged"]:
        return _damage(damaged, video)
    gaps = [m for m in missing if m.why == "gaps"]
    return (
        Problem(f"Parts of the video could not be analysed, so {lost}.", gaps[0].what_to_do) if gaps else None
    )


def _lost(missing: Iterable[Missing], asked: Asked) -> str:
    """What the report lacks, as the rest of a sentence."""
    whole = kinds(n for m in missing if m.why in ("failed", "blocked", "cancelled") for n in m.components)
    if whole and {*whole, MADE_OF_THE_REST} >= {*asked.looked_for}:
        return "nothing could be analysed"
    parts = [(kinds(m.components), m.gaps) for m in missing if m.why == "gaps"]
    partly = [f"{listed(spoken(names))} {_when(gaps)}" for names, gaps in parts if names]
    lacks = [*spoken(whole), *partly]
    return f"the report lacks {listed(lacks)}" if lacks else "the report may lack something"


def _when(gaps: Sequence[tuple[int, int]]) -> str:
    if not gaps or len(gaps) > NAMED_SPANS:
        return "in parts of the video"
    return "at " + listed([f"{clock(s)}–{clock(e)}" for s, e in gaps])


def _damage(missing: Sequence[Missing], video: Video) -> Problem:
    if words := told(video):
        return Problem(*words)
    what = "The file is damaged, so what belongs to the damaged part is missing or may be wrong."
    return Problem(what, missing[0].what_to_do)
