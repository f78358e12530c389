"""The table at the end: what was found, how long it took, what was computed, where to look."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cli import damage
from cli.tables import console
from cli.text import number, printable
from cli.tracker import exactly
from kadr.contracts.errors import Interrupted, InvalidObject
from kadr.contracts.profile import part_asked
from kadr.contracts.run import Request, RunStatus

if TYPE_CHECKING:
    from cli.batch import Job


KINDS = (
    *("captions", "shots", "scenes", "speakers", "sounds", "texts", "objects", "faces"),
    *("tags", "passages", "keywords"),
)
"""Lists of an ``insights.json`` that are counted, beside words, spans, and what components of one's own found."""


def summarise(jobs: Sequence[Job], seconds: float, as_json: bool) -> None:
    """Print what became of ``jobs`` in ``seconds``; with ``as_json`` as one JSON line."""
    rows = [_row(job) for job in jobs]
    if as_json:
        said = {"event": "summary", "videos": rows, "seconds": round(seconds, 2)}
        print(json.dumps(said, ensure_ascii=False), flush=True)
        return
    for row in rows:
        _print(row)
    if len(rows) > 1:
        print(_together(rows, seconds))


def _together(rows: Sequence[Mapping[str, Any]], seconds: float) -> str:
    counts = Counter(row["status"] for row in rows)
    media_s = sum(_length_ms(row) for row in rows) / 1000
    computed = any(row.get("tasks", {}).get("computed") for row in rows)
    speed = f" ({media_s / seconds:.1f}× realtime)" if computed and media_s else ""
    became = ", ".join(f"{n} {status}" for status, n in counts.items())
    return f"{len(rows)} videos in {seconds:.1f} s{speed}: {became}"


def _length_ms(row: Mapping[str, Any]) -> int:
    start, end = row.get("asked_ms") or (0, 0)
    return int(end - start)


def _row(job: Job) -> dict[str, Any]:
    manifest = job.run.manifest if job.run else None
    if job.error is not None or manifest is None or job.run is None or job.out is None:
        error = job.error or Interrupted("it did not end")
        return {"video": job.video.title, "status": "failed", "error": str(error), "code": error.code}
    summaries = manifest.components
    return {
        "video": job.video.title,
        "status": manifest.status.value,
        "run_id": manifest.request.run_id,
        "how": job.admitted.how if job.admitted else "",
        "duration_ms": job.run.duration_ms,
        "asked_ms": part_asked(job.run.request.profile, job.run.duration_ms) if job.run.duration_ms else None,
        "seconds": round(job.seconds, 2),
        "tasks": {"computed": job.run.computed, "in_all": sum(c.tasks for c in summaries.values())},
        **_told(job.out, manifest.request),
        "missing": {n: c.reason for n, c in summaries.items() if c.state in ("failed", "blocked", "partial")},
        "blocked": [n for n, c in summaries.items() if c.state == "blocked"],
        "warnings": damage.warnings(summaries),
        "report": str(job.out / "report.html"),
        "insights": str(job.out / "insights.json"),
        "captions": str(job.out / "captions.vtt"),
    }


T = TypeVar("T")


def found_in(path: Path) -> dict[str, int]:
    """What the ``insights.json`` at ``path`` has. Raises InvalidObject if it cannot be read."""
    return _read(path, found)


def _read(path: Path, what: Callable[[Mapping[str, Any]], T]) -> T:
    try:
        return what(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidObject(f"{path} cannot be read: {type(error).__name__}: {error}") from error


def _told(out: Path, request: Request) -> dict[str, Any]:
    """What the ``insights.json`` in ``out`` tells; nothing if that cannot be read."""
    with suppress(InvalidObject):
        return _read(out / "insights.json", _told_in)
    return {"found": {}, "sound": "", "captions_left_out": ""}


def _told_in(insights: Mapping[str, Any]) -> dict[str, Any]:
    captions = insights.get("captions_from") or {}
    return {
        "found": found(insights),
        "sound": sound(insights),
        "captions_left_out": captions.get("left_out") or "",
    }


def sound(insights: Mapping[str, Any]) -> str:
    """Of several sounds, which was heard and how to choose; "" where there was no choice."""
    streams = insights["video"]["sound"]
    named = {s["index"]: f"{s['index']} ({s['language'] or 'no language'})" for s in streams}
    heard = next((s["index"] for s in streams if s.get("heard")), None)
    if heard is None or len(streams) < 2:
        return ""
    others = ", ".join(name for index, name in named.items() if index != heard)
    return f"stream {named[heard]} was heard; --audio-stream takes another of {others}"


def found(insights: Mapping[str, Any]) -> dict[str, int]:
    """How many of each kind an ``insights.json`` has; of a component of one's own, things with a time, or else values."""
    counts = {
        "words": sum(len(segment["words"]) for segment in insights.get("transcript", ())),
        **{kind: len(insights.get(kind) or ()) for kind in KINDS},
        "quality_spans": len(insights.get("quality") or ()),
        "moderation_spans": len((insights.get("moderation") or {}).get("spans", ())),
        **{o["component"]: o["items_in_all"] or _values(o) for o in insights.get("others", ())},
    }
    return {kind: n for kind, n in counts.items() if n}


def _values(other: Mapping[str, Any]) -> int:
    return sum(series["points"] for series in other["series"]) or len(other["values"])


def in_words(counts: Mapping[str, int], ended_well: bool) -> str:
    """``counts`` in words; where nothing was to be counted (as in loudness), the report says what there is."""
    said = ", ".join(_counted(kind, n) for kind, n in counts.items())
    return said or ("nothing that is counted: the report has what there is" if ended_well else "nothing")


def _counted(kind: str, n: int) -> str:
    ours = kind == "words" or kind in KINDS or kind.endswith("_spans")
    return number(n, kind.removesuffix("s").replace("_", " ")) if ours else f"{n} × {kind}"


def _part(row: Mapping[str, Any]) -> dict[str, str]:
    """Which part was asked about, if it was not all."""
    length, whole = _length_ms(row), row["duration_ms"]
    if not whole or length == whole:
        return {}
    start, end = row["asked_ms"]
    return {"part": f"{exactly(start)}–{exactly(end)} of {exactly(whole)}"}


def _print(row: Mapping[str, Any]) -> None:
    from rich.table import Table
    from rich.text import Text

    to = console()
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    colour = {"complete": "green", "partial": "yellow"}.get(row["status"], "red")
    to.print(Text(printable(row["video"]), "bold"), Text(row["status"], colour))
    if "error" in row:
        to.print(Text(printable(f"  {row['error']}")))
        return
    media = _length_ms(row) / 1000
    speed = f" ({media / row['seconds']:.1f}× realtime)" if media and row["tasks"]["computed"] else ""
    cells = {
        "found": in_words(row["found"], row["status"] == RunStatus.COMPLETE),
        **_part(row),
        **({"sound": row["sound"]} if row["sound"] else {}),
        **({"left out": row["captions_left_out"]} if row["captions_left_out"] else {}),
        "took": f"{row['seconds']:.1f} s{speed}; {row['tasks']['computed']} of {number(row['tasks']['in_all'], 'task')} computed",
        **{name: reason for name, reason in row["missing"].items() if name not in row["blocked"]},
        **({"blocked": _blocked(row["blocked"])} if row["blocked"] else {}),
        **({damage.DAMAGED: damage.in_words(row["warnings"])} if row["warnings"] else {}),
        "report": row["report"],
        "data": f"{row['insights']}, {row['captions']}",
        "run": row["run_id"],
    }
    for name, value in cells.items():
        table.add_row(Text(f"  {name}", "dim"), Text(printable(value), overflow="fold"))
    to.print(table)


def _blocked(blocked: Sequence[str]) -> str:
    return f"{', '.join(blocked)}: {'they need' if len(blocked) > 1 else 'it needs'} what failed"
