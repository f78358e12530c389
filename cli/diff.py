"""``kadr diff``: what two runs found differently."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from cli import damage
from cli.again import OPTIONS
from cli.compose import Machine
from cli.outputs import hand_over
from cli.runs import Named, find, newest_two
from cli.show import Seen, when
from cli.tables import console, print_json, print_table
from cli.text import printable
from cli.tracker import exactly
from exports.aligning import WordChange
from exports.diff_page import Side, clock, compared_part, incomplete, page, rows, verdict
from exports.differences import Differences, differences
from kadr.contracts.errors import InvalidObject, KadrError, ObjectMissing
from kadr.contracts.run import Request
from kadr.pipeline.admission import asked_ms
from kadr.pipeline.explaining import asked_otherwise
from kadr.storage.files import FileStore

EXIT_DIFFERENT, EXIT_INCOMPLETE = 1, 3
SHORT = 100
"""Characters of a change of words that are shown unless all is asked for."""
LISTED = 12
"""Changes of a kind that are listed unless all are asked for."""
COLOURS = {"added": "green", "lost": "red", "moved": "blue", "changed": "yellow"}


class NothingToCompare(KadrError):
    """There are no two runs to compare."""

    status = 422


@dataclass(frozen=True)
class Compared:
    runs: tuple[Named, Named]
    sides: tuple[Side, Side]
    found: Differences

    @property
    def asked(self) -> list[str]:
        """Parameters under the names of the options that set them, where there is one."""
        before, after = (r.request for r in self.runs)
        given = {o: [_option(r, *of) for r in (before, after)] for o, of in OPTIONS.items()}
        told = {o: (one, two) for o, (one, two) in given.items() if one and two and one != two}
        inner = tuple(f"{c}.{param}: " for o in told for c in OPTIONS[o][0] for param in OPTIONS[o][1:])
        others = [line for line in asked_otherwise(before, after) if not line.startswith(inner)]
        return [f"{option}: {one} → {two}" for option, (one, two) in told.items()] + others

    @property
    def same_video(self) -> bool:
        before, after = self.sides
        return before.video_id == after.video_id

    @property
    def incomplete(self) -> bool:
        """Whether nothing could be compared, or not all that both were asked."""
        return incomplete(self.found, *self.sides)

    @property
    def exit_code(self) -> int:
        if self.found.any:
            return EXIT_DIFFERENT
        return EXIT_INCOMPLETE if self.incomplete else 0


@click.command("diff")
@click.argument("before", metavar="RUN|VIDEO")
@click.argument("after", required=False, metavar="[RUN|VIDEO]")
@click.option("--all", "every", is_flag=True, help=f"List every change, not only {LISTED} of a kind.")
@click.option(
    "--page",
    "page_at",
    type=click.Path(dir_okay=False, readable=False, path_type=Path),
    help="Write a page there.",
)
@click.option("--force", is_flag=True, help="Replace a page's file that holds something else.")
@click.option("--json", "as_json", is_flag=True, help="JSON instead of tables.")
def command(
    before: str, after: str | None, every: bool, page_at: Path | None, force: bool, as_json: bool
) -> None:
    """Say what AFTER found otherwise than BEFORE: words, shots, tracks, texts, scores; added, lost, moved, changed.

    What only one of them was asked for is no difference, and is said to be so; nor is what lies beyond the part that both
    looked at (--from, --to, or a file that ends too early).

    One VIDEO alone: its newest run against the one before; those about its copies count where it has none of its own.

    Exit codes: 0 nothing differs, 1 something does (or a run could not be read), 2 wrong usage, 3 nothing differs in what
    could be compared, but some or all of what was asked could not be: it failed, a file is damaged, they have nothing in common.
    """
    store = Machine().store
    runs = (find(store, before), find(store, after)) if after else _newest_two(store, before)
    before_seen, after_seen = Seen.read(store, runs[0]), Seen.read(store, runs[1])
    insights = (_insights(store, before_seen), _insights(store, after_seen))
    sides = (_side(store, before_seen, insights[0]), _side(store, after_seen, insights[1]))
    compared = Compared(runs, sides, differences(*insights))
    if page_at is not None:
        made = page(compared.found, *compared.sides, insights, compared.asked).encode()
        hand_over({page_at: made}, force, "--page")
    print_json(_plain(compared)) if as_json else _print(compared, every, page_at)
    sys.exit(compared.exit_code)


def _newest_two(store: FileStore, name: str) -> tuple[Named, Named]:
    before, after = newest_two(store, name)
    if before is None:
        raise NothingToCompare(f"{name} has no run before {after.request.run_id}: name two runs")
    return before, after


def _insights(store: FileStore, seen: Seen) -> Mapping[str, Any]:
    run_id = seen.request.run_id
    try:
        body = seen.named.files(store, seen.state)["insights.json"].read_bytes()
        insights: Mapping[str, Any] = json.loads(body)
        return insights
    except (KeyError, OSError) as error:
        raise ObjectMissing(
            f"run {run_id} has no insights: it is not finished, or they were removed; `kadr show {run_id}` says what makes them"
        ) from error
    except ValueError as error:
        raise InvalidObject(f"the insights of run {run_id} are damaged: {error}") from error


def _side(store: FileStore, seen: Seen, insights: Mapping[str, Any]) -> Side:
    request = seen.request
    return Side(
        request.run_id,
        seen.named.title,
        request.profile_name,
        when(asked_ms(store, request)),
        insights.get("status") or "complete",
        request.video_id or "",
        tuple(damage.warnings(seen.components)),
    )


def _option(request: Request, components: Sequence[str], param: str) -> str:
    """What the option was given that sets ``param`` of those of ``components`` that the run has; "" if it has none."""
    wanted = request.profile["components"]
    given = [(wanted[c].get("params") or {}).get(param) for c in components if c in wanted]
    if not given:
        return ""
    value = next((v for v in given if v is not None), None)
    if value is None:
        return "not given"
    return exactly(value) if param.endswith("_ms") else str(value)


def _plain(compared: Compared) -> dict[str, Any]:
    before, after = map(asdict, compared.sides)
    found = asdict(compared.found)
    kinds = {k.pop("kind"): k for k in found.pop("kinds")}
    for kind in kinds.values():
        del kind["marks"]  # for the page
    return {
        "before": before,
        "after": after,
        "same_video": compared.same_video,
        "asked_otherwise": compared.asked,
        "differ": compared.found.any,
        "incomplete": compared.incomplete,
        **found,
        "kinds": kinds,
    }


def _print(compared: Compared, every: bool, page_at: Path | None) -> None:
    from rich.text import Text

    to = console()
    found = compared.found
    for name, side in zip(("before", "after"), compared.sides, strict=True):
        said = Text(printable(f"{side.run_id} {side.title}, {side.profile}, {side.asked}"))
        ended = Text(f", {side.ended}" if side.ended else "", "red")
        to.print(Text(f"{name:7}", "dim"), said + ended)
    if not compared.same_video:
        to.print(Text("These are two different videos.", "yellow"))
    for name, side in zip(("before", "after"), compared.sides, strict=True):
        if side.damage:
            what = printable(f"{name}: {damage.in_words(side.damage)}")
            to.print(Text(f"{damage.DAMAGED:7}", "dim"), Text(what))
    for line in compared.asked:
        to.print(Text("asked  ", "dim"), Text(printable(line)))
    if found.stretch:
        to.print(Text("part   ", "dim"), Text(compared_part(found.stretch)))
    for line in _not_asked(found):
        to.print(Text("asked  ", "dim"), Text(line))
    for line in _not_compared(found):
        to.print(Text("failed ", "dim"), Text(line))
    if not found.any:
        to.print(verdict(found, *compared.sides))
    else:
        _print_counts(found)
        _print_changes(found, every)
    if page_at is not None:
        to.print(Text("page   ", "dim"), Text(printable(str(page_at))))


def _not_asked(found: Differences) -> Iterator[str]:
    """What only one of the runs looked for, and how many that one found."""
    for run, other in (("before", "after"), ("after", "before")):
        kinds = [
            f"{n.kind} ({n.found} {other})" if n.found else n.kind for n in found.not_asked if n.run == run
        ]
        if kinds:
            yield f"not asked {run}: {', '.join(kinds)}"


def _not_compared(found: Differences) -> Iterator[str]:
    """What a run could not look for, or not everywhere, and how many things are left out for that."""
    reasons: dict[str, list[str]] = {}
    for n in found.not_compared:
        many = f" ({n.left_out})" if n.left_out else ""
        reasons.setdefault(n.why, []).append(f"{n.kind}{many}")
    for why, kinds in reasons.items():
        yield f"not compared, {why}: {', '.join(kinds)}"


def _print_counts(found: Differences) -> None:
    words = found.words
    lines: list[Sequence[object]] = []
    if words.before or words.after:
        lines.append(
            ("words", words.same, words.after - words.same, words.before - words.same, words.moved, "")
        )
    for kind in found.kinds:
        if kind.same or kind.any:
            parts = (kind.added, kind.lost, kind.moved, kind.changed)
            lines.append((kind.kind, kind.same, *(len(p) or "" for p in parts)))
    heads = ("same", "added", "lost", "moved", "changed")
    if lines:
        print_table(("", *heads), lines, right=heads)


def _print_changes(found: Differences, every: bool) -> None:
    for fact in found.facts:
        print(printable(f"{fact.name}: {_value(fact.before)} → {_value(fact.after)}"))
    _print_list("words", [_words(w, every) for w in found.words.changes], every)
    for kind in found.kinds:
        found_rows = rows(kind)
        wide = max((len(r.what) for r in found_rows), default=0)
        lines = [
            f"  {clock(r.start_ms):>9}  {r.what:{wide}}  {r.name}  {r.detail}".rstrip() for r in found_rows
        ]
        _print_list(kind.kind, lines, every)


def _words(change: WordChange, whole: bool) -> str:
    """As ``wdiff`` writes it: [-lost-] {+added+}."""
    before, after = (
        s if whole or len(s) <= SHORT else f"{s[:SHORT]}…" for s in (change.before, change.after)
    )
    parts = (f"[-{before}-]" if before else "", f"{{+{after}+}}" if after else "")
    return f"  {clock(change.start_ms):>9}  {' '.join(p for p in parts if p)}"


def _print_list(name: str, lines: Sequence[str], every: bool) -> None:
    if lines:
        print(name)
    for line in lines if every else lines[:LISTED]:
        print(printable(line))
    if not every and len(lines) > LISTED:
        print(f"  … and {len(lines) - LISTED} more: --all lists them")


def _value(value: object) -> str:
    return "–" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
