"""What both of two runs looked for, and where: that a run found none says nothing where it could not look."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Any

from exports.pairing import KINDS, NEAR_MS, Thing

Insights = Mapping[str, Any]
Span = tuple[int, int]
PARTS = {
    "words": "speech",
    **{k.name: k.of for k in KINDS},
    "loudness": "loudness",
    "moderation": "moderation",
}
"""What is compared, and the component that finds it."""
WHOLE = ("loudness", "moderation")
"""Kinds that are values of the whole: a part that failed may have had the highest."""
GAVE_UP = ("failed", "blocked", "cancelled")
"""States of a component that found nothing because it could not look."""
PARTIAL = "partial"
TOUCHING_MS = NEAR_MS
"""What lies no farther from a gap touches it: it may be cut off there, at the sample before."""


@dataclass(frozen=True)
class NotAsked:
    """A kind that one run, ``before`` or ``after``, was never asked for; ``found``: how many the other has."""

    kind: str
    run: str
    found: int


@dataclass(frozen=True)
class NotCompared:
    """A kind whose ``component`` could not look (``state``) in a ``run``: ``before``, ``after`` or ``both``.

    ``found``: how many things are left out for that. ``gaps``: where it could not, in ms, if it is ``partial``; the rest is compared.
    """

    kind: str
    component: str
    run: str
    state: str
    found: int
    gaps: tuple[Span, ...] = ()

    @property
    def why(self) -> str:
        """In words; without a subject, as the kinds are told beside it."""
        where = {"both": "in both", "before": "before", "after": "after"}[self.run]
        if self.state != PARTIAL:
            return f"because it {self.state if self.state == 'failed' else f'was {self.state}'} {where}"
        of_both = "in one or the other" if self.run == "both" else where
        return f"because {seconds(self.gaps) if self.gaps else 'parts'} of it failed {of_both}"

    @property
    def left_out(self) -> str:
        """How many, and of which run."""
        if not self.found:
            return ""
        alone = {"before": "after", "after": "before"}.get(self.run)
        return f"{self.found} {'left out' if self.gaps or alone is None else alone}"


def seconds(spans: Iterable[Span]) -> str:
    return f"{round(sum(end - start for start, end in spans) / 1000, 1):g} s"


def not_asked(before: Insights, after: Insights) -> Iterator[NotAsked]:
    """What only one of them was asked for; nothing where one does not say what it was asked."""
    asked = [_states(insights) for insights in (before, after)]
    if not all(asked):
        return
    for kind, component in PARTS.items():
        there = [component in names for names in asked]
        if there[0] != there[1]:
            run, other = ("before", after) if there[1] else ("after", before)
            yield NotAsked(kind, run, _count(other, kind))


def asked_of_both(before: Insights, after: Insights) -> list[str]:
    """Kinds; all where one does not say what it was asked."""
    asked = [_states(insights) for insights in (before, after)]
    return [k for k, component in PARTS.items() if not all(asked) or all(component in a for a in asked)]


def not_compared(before: Insights, after: Insights, kinds: Set[str]) -> Iterator[NotCompared]:
    """Of ``kinds``, what a run could not look for; where it could in parts only, with the gaps."""
    runs = (before, after)
    states = [_states(insights) for insights in runs]
    for kind, component in PARTS.items():
        told = [s.get(component, "") for s in states]
        for could_not in (GAVE_UP, (PARTIAL,)):
            which = [state in could_not for state in told]
            if kind in kinds and any(which):
                run = "both" if all(which) else "before" if which[0] else "after"
                gaps = [g for i, w in zip(runs, which, strict=True) if w for g in _gaps(i, component)]
                partial = could_not == (PARTIAL,)
                found = 0 if run == "both" else _count(after if run == "before" else before, kind)
                yield NotCompared(
                    kind,
                    component,
                    run,
                    told[which.index(True)],
                    0 if partial and gaps else found,
                    tuple(joined(gaps)) if partial else (),
                )
                break


def _states(insights: Insights) -> dict[str, str]:
    """What became of each component; empty where that is not told."""
    run = insights.get("run") or {}
    states = {c["name"]: c.get("state", "") for c in run.get("components", ())}
    left = {name for m in _missing(insights, "cancelled") for name in m["components"]}
    return {name: "cancelled" if name in left else state for name, state in states.items()}


def _gaps(insights: Insights, component: str) -> Iterator[Span]:
    for entry in _missing(insights, "gaps"):
        if component in entry["components"]:
            yield from ((int(start), int(end)) for start, end in entry.get("gaps", ()))


def _missing(insights: Insights, why: str) -> list[Mapping[str, Any]]:
    return [m for m in insights.get("missing") or () if m["why"] == why]


def joined(spans: Iterable[Span]) -> Iterator[Span]:
    """In the order of time, those that meet as one."""
    last: Span | None = None
    for start, end in sorted(spans):
        if last is not None and start <= last[1]:
            last = (last[0], max(last[1], end))
            continue
        if last is not None:
            yield last
        last = (start, end)
    if last is not None:
        yield last


def parts(thing: Thing) -> list[Span]:
    """When a thing is there: its spans, if it has several, or from its start to its end."""
    found = [(int(start), int(end)) for start, end in thing.get("spans", ())]
    return found or [(thing["start_ms"], thing["end_ms"])]


def touches(thing: Thing, gaps: Iterable[Span]) -> bool:
    there = parts(thing)
    return any(
        start <= gap_end + TOUCHING_MS and end >= gap_start - TOUCHING_MS
        for gap_start, gap_end in gaps
        for start, end in there
    )


def words_of(insights: Insights) -> list[Thing]:
    said = (segment["words"] for segment in insights.get("transcript", ()))
    return [{**w, "space": w["space"] or i == 0} for words in said for i, w in enumerate(words)]


def _count(insights: Insights, kind: str) -> int:
    if kind == "words":
        return len(words_of(insights))
    if kind == "moderation":
        return len((insights.get(kind) or {}).get("spans", ()))
    return 0 if kind == "loudness" else len(insights.get(kind) or ())


def without(insights: Insights, kinds: Set[str]) -> Insights:
    lists = kinds | ({"transcript", "language"} if "words" in kinds else set())
    return {name: value for name, value in insights.items() if name not in lists}
