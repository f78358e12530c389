"""The differences of two runs as one self-contained page: counts, both runs' lanes one above the other, and every change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader

from exports.differences import Changes, Differences, Pair
from exports.looked import Insights, parts
from exports.pairing import Thing
from exports.reach import Stretch

SPANS = 3
"""Of a thing that comes and goes, how many spans are shown that the other run has not."""
SAID = ("label", "speaker", "kind", "text")


@dataclass(frozen=True)
class Row:
    """One line of the list: ``what`` is lost | added | moved | changed, or of one thing "moved, changed"."""

    what: str
    start_ms: int
    end_ms: int
    name: str
    detail: str = ""


@dataclass(frozen=True)
class Side:
    """One run as the page names it. ``asked``: when it was asked, in words; ``status``: what became of it.

    ``damage``: what of its file is.
    """

    run_id: str
    title: str
    profile: str
    asked: str
    status: str = "complete"
    video_id: str = ""
    damage: tuple[str, ...] = ()

    @property
    def ended(self) -> str:
        """What is to be said of a run that is not complete."""
        return "" if self.status == "complete" else self.status


def rows(changes: Changes) -> list[Row]:
    """The changes of one kind in the order of time."""
    found = [
        *(Row("lost", t["start_ms"], t["end_ms"], name_of(t)) for t in changes.lost),
        *(Row("added", t["start_ms"], t["end_ms"], name_of(t)) for t in changes.added),
        *(_pair_row(p) for p in changes.moved if not p.changed),
        *(_pair_row(p) for p in changes.changed),
    ]
    return sorted(found, key=lambda r: (r.start_ms, r.what))


def _pair_row(pair: Pair) -> Row:
    b = pair.after
    one, two = parts(pair.before), parts(b)
    timed = pair.moved or len(one) != len(two)
    moved = f"{_times(one, two)} → {_times(two, one)}"
    detail = "; ".join((*pair.changed, *((moved,) if timed else ())))
    what = ", ".join((*(("moved",) if pair.moved else ()), *(("changed",) if pair.changed else ())))
    return Row(what, b["start_ms"], b["end_ms"], name_of(b), detail)


def _times(own: Sequence[tuple[int, int]], other: Sequence[tuple[int, int]]) -> str:
    """The spans that only one of them has."""
    alone = [f"{clock(start)}–{clock(end)}" for start, end in own if (start, end) not in other]
    more = len(alone) - SPANS
    return ", ".join((*alone[:SPANS], *([f"{more} more"] if more > 0 else []))) or "none"


def name_of(thing: Thing) -> str:
    """What a thing is called, in as few words as it has; faces and shots are told by their time alone."""
    return next((str(thing[k]) for k in SAID if thing.get(k)), "")


def clock(ms: float) -> str:
    """``65250`` as ``1:05.2``, with hours once there are any."""
    seconds, tenths = divmod(int(ms) // 100, 10)
    hours, rest = divmod(seconds, 3600)
    head = f"{hours}:{rest // 60:02d}" if hours else f"{rest // 60}"
    return f"{head}:{rest % 60:02d}.{tenths}"


def page(
    found: Differences, before: Side, after: Side, insights: tuple[Insights, Insights], asked: Sequence[str]
) -> str:
    """The page's HTML. ``insights``: of before and after, for the lanes; ``asked``: what was asked otherwise."""
    folder = FileSystemLoader(Path(__file__).parent)
    environment = Environment(loader=folder, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["clock"] = clock
    environment.filters["compared_part"] = compared_part
    length = max([1, *(int(i["video"]["duration_ms"] or 0) for i in insights if i.get("video"))])
    kinds = [
        {"changes": k, "rows": rows(k), "lanes": list(_lanes(k, insights, length))}
        for k in found.kinds
        if k.same or k.any
    ]
    template = environment.get_template("diff_page.html")
    one_video = before.video_id == after.video_id
    said = "what differs" if found.any else verdict(found, before, after).removesuffix(".")
    return template.render(
        found=found,
        kinds=kinds,
        before=before,
        after=after,
        asked=asked,
        one_video=one_video,
        verdict=said[0].lower() + said[1:],
    )


def incomplete(found: Differences, before: Side, after: Side) -> bool:
    """Whether nothing could be compared, or not all that both were asked; one damaged file is damaged alike in both runs."""
    damaged = before.video_id != after.video_id and bool(before.damage or after.damage)
    return found.nothing or bool(found.not_compared) or damaged


def verdict(found: Differences, before: Side, after: Side) -> str:
    """In a sentence, if no difference is told."""
    if found.nothing:
        return "Nothing could be compared."
    if incomplete(found, before, after):
        return "Nothing differs in what could be compared."
    of_both = found.not_asked or found.stretch
    return "Nothing differs in what both were asked." if of_both else "Nothing differs."


def compared_part(both: Stretch) -> str:
    """Where both runs looked, and what is left out for that."""
    if both.empty:
        where = "nothing is compared: no moment was looked at by both"
    else:
        where = f"compared {clock(both.start_ms)}–{clock(both.end_ms)} of {clock(both.of_ms)}"
    out = [f"{n} {_one(kind) if n == 1 else kind}" if n else kind for kind, n in both.left_out.items()]
    return f"{where}; left out: {', '.join(out)}" if out else where


def _one(kind: str) -> str:
    return kind if kind == "quality" else kind.removesuffix("s")


def _lanes(
    changes: Changes, insights: tuple[Insights, Insights], length: int
) -> Iterator[list[Mapping[str, Any]]]:
    """For each run its things as bars: left and width in parts of a thousand, and what became of each."""
    for own, marks in zip(insights, changes.marks, strict=True):
        yield [
            {
                "left": round(1000 * start / length, 2),
                "width": round(max(1.5, 1000 * (end - start) / length), 2),
                "what": what,
                "title": f"{name_of(t)} {clock(start)}–{clock(end)}".strip(),
            }
            for t, what in zip(own.get(changes.kind, ()), marks, strict=True)
            for start, end in parts(t)
        ]
