"""What is missing and why: honest about failures, gaps, streams that the file lacks, and cancelled runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any

from functions.report.about import Asked, Missing, Video
from functions.report.damage import COMPARE, advice
from functions.report.words import border

AGAIN = "Run the same command again: what succeeded is kept, and only what failed is computed."
ITS_FAULT = (
    "Run the same command again, or leave this out with `--only`: if it fails alike, the fault is the component's, "
    "and its reason says where to look."
)
REMEDIES = {
    "WorkerDied": "Close what else needs memory, or run fewer tasks together (`--jobs 1`), then run the same command again.",
    "ModelFailure": AGAIN,
    "StoreFailure": AGAIN,
    "ModelUnavailable": "Run `kadr models pull`, then the same command again.",
    "ModelDigestMismatch": "Run `kadr models check` to see which file differs, `kadr models pull` to get it anew, "
    "then the same command again.",
    "NoSpaceLeft": "Free some space or choose another store, then run the same command again.",
    "ResourceExhausted": "Give it more memory or time, or run fewer tasks together (`--jobs 1`), then run the same "
    "command again.",
    "InvalidProfile": "Change what was asked for: the same question will fail again.",
    "VideoUnreadable": "Check that the file plays from beginning to end; a copy made anew may help.",
}
ABOUT_THE_FILE = ("VideoUnreadable", "VideoChanged", "VideoUnavailable", "InvalidProfile")
"""Errors whose messages speak to people already: what is wrong and, after a colon, what to do."""
STREAMS = {
    "no_audio": "The file has no sound, so there is nothing to hear.",
    "no_video": "The file has no pictures, so there is nothing to see.",
}


def missing(
    manifest: Mapping[str, Any], absent: Mapping[str, str], asked: Asked, video: Video
) -> tuple[Missing, ...]:
    """Entries in the order: failed, blocked, gaps, cancelled, damage, streams that the file lacks, what the run was not asked about.

    ``absent``: {component: ``no_audio`` or ``no_video``} of those whose results say so.
    """
    components = manifest["components"]
    cancelled = manifest["status"] == "cancelled"
    return (
        *_troubled(components, cancelled, absent),
        *_damaged(components, video),
        *_streamless(absent),
        *_outside(asked, video.duration_ms),
    )


def _troubled(
    components: Mapping[str, Mapping[str, Any]], cancelled: bool, absent: Mapping[str, str]
) -> Iterator[Missing]:
    by_state: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for name, facts in components.items():
        by_state.setdefault(facts["state"], []).append((name, facts))
    for name, facts in by_state.get("failed", []):
        yield _failed(name, facts)
    yield from _blocked(by_state.get("blocked", []), bool(by_state.get("failed") or by_state.get("partial")))
    for name, facts in by_state.get("partial", []):
        yield _with_gaps(name, facts)
    left = [name for name, _ in by_state.get("absent", []) if name not in absent]
    if cancelled and left:
        yield Missing(
            components=tuple(left),
            why="cancelled",
            reason="The run was cancelled before these were done.",
            what_to_do=AGAIN,
        )


def _failed(name: str, facts: Mapping[str, Any]) -> Missing:
    error = facts.get("error") or {}
    code = error.get("code")
    return Missing(
        components=(name,),
        why="failed",
        reason=error.get("message") or facts.get("reason") or "It failed without saying why.",
        what_to_do=_remedy(error),
        error_code=code,
        gaps=_gaps(facts),
    )


def _remedy(error: Mapping[str, Any]) -> str:
    code = error.get("code") or ""
    advice = parted(error.get("message") or "")[1] if code in ABOUT_THE_FILE else ""
    return advice or REMEDIES.get(code, ITS_FAULT)


def parted(message: str) -> tuple[str, str]:
    """What is wrong, and the advice after it as sentences (or ""); what stands in parentheses is left out.

    A component's or parameter's name before it is no part of what is wrong: "speech: the model …".
    """
    plain = re.sub(r"^[a-z]\w*(?:[.\[]\S*)?: ", "", re.sub(r" \([^)]*\)", "", message))
    what, _, advice = plain.partition(": ")
    return _capital(what.rstrip(".")), f"{_capital(advice).rstrip('.')}." if advice else ""


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _blocked(blocked: Iterable[tuple[str, Mapping[str, Any]]], failed: bool) -> Iterator[Missing]:
    """What could not begin. ``failed``: the reason stands above, and mending it mends this."""
    after = "Nothing by itself: it follows from what failed." if failed else AGAIN

    def reason(item: tuple[str, Mapping[str, Any]]) -> str:
        return item[1].get("reason") or "What it reads could not be made."

    for why, group in groupby(sorted(blocked, key=lambda b: (reason(b), b[0])), key=reason):
        yield Missing(
            components=tuple(name for name, _ in group),
            why="blocked",
            reason=why,
            what_to_do=after,
        )


def _with_gaps(name: str, facts: Mapping[str, Any]) -> Missing:
    error = facts.get("error") or {}
    reason = error.get("message") or facts.get("reason") or "Parts of the video could not be analysed."
    return Missing(
        components=(name,),
        why="gaps",
        reason=reason,
        what_to_do=_remedy(error),
        gaps=_gaps(facts),
        error_code=error.get("code"),
    )


def _gaps(facts: Mapping[str, Any]) -> tuple[tuple[int, int], ...]:
    return tuple((int(s), int(e)) for s, e in facts.get("gaps") or ())


def _damaged(components: Mapping[str, Mapping[str, Any]], video: Video) -> Iterator[Missing]:
    """What could be read of the file, and what not: the rest was analysed all the same."""
    known, to_do = set(video.warnings), advice(video)
    for name, facts in components.items():
        for warning in facts.get("warnings") or ():
            yield Missing(
                components=(name,),
                why="damaged",
                reason=warning,
                what_to_do=to_do if warning in known else COMPARE,
            )


def _streamless(absent: Mapping[str, str]) -> Iterator[Missing]:
    for reason, text in STREAMS.items():
        names = tuple(sorted(name for name, why in absent.items() if why == reason))
        if names:
            yield Missing(components=names, why="no_stream", reason=text, what_to_do="Nothing to do.")


def _outside(asked: Asked, duration_ms: int) -> Iterator[Missing]:
    """What ``--from`` and ``--to`` leave out."""
    gaps = tuple((s, e) for s, e in ((0, asked.start_ms), (asked.end_ms, duration_ms)) if s < e)
    if gaps:
        yield Missing(
            components=(),
            why="range",
            reason=f"Only {border(asked.start_ms)}–{border(asked.end_ms)} was asked for.",
            what_to_do="Run it without `--from` and `--to` for all of the video.",
            gaps=gaps,
        )
