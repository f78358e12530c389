"""The accuracy table in Markdown and in a few words for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.bench.truth.line import Line


def markdown(lines: Sequence[Line]) -> str:
    """The lines as a table, then what each was measured on and what is published for its model, each text once."""
    data = _numbered(f"{line.data}; {line.seen}." for line in lines)
    published = _numbered(f"{line.published}." for line in lines)
    rows = ["| measure | value | of which | n | data | model |", "|---|---:|---|---|---:|---:|"]
    for line in lines:
        parts = ", ".join(f"{name} {number(value)}" for name, value in line.parts.items())
        notes = (data[f"{line.data}; {line.seen}."], published[f"{line.published}."])
        cells = (line.measure, number(line.value), parts, line.n, *(f"{note}" for note in notes))
        rows.append(f"| {' | '.join(cells)} |")
    lists = [
        f"\n{title}:\n\n" + "\n".join(f"{i}. {text}" for text, i in texts.items())
        for title, texts in (("Data", data), ("Published for the models", published))
    ]
    return "\n".join([*rows, *lists]) + "\n"


def briefly(lines: Sequence[Line]) -> str:
    """A few words a line, for the terminal."""
    return "\n".join(
        f"  {line.measure}: {number(line.value)}  ({line.n})"
        + "".join(f"\n      {name} {number(value)}" for name, value in line.parts.items())
        for line in lines
    )


def number(value: float) -> str:
    """Counts as counts, shares with three digits."""
    return f"{value:.0f}" if value >= 2 and value == round(value) else f"{value:.3f}"


def _numbered(texts: Iterable[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for text in texts:
        found.setdefault(text, len(found) + 1)
    return found
