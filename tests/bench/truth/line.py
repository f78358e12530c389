"""One line of the accuracy table, and the table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict


class Line(BaseModel):
    """What was measured, on what, and what the model's authors say of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    measure: str
    value: float
    n: str
    """How much was measured: items, minutes, words."""
    data: str
    """What it was measured on, who made the truth, and its licence."""
    published: str
    """What the model's authors publish for it, or that it was not found."""
    seen: str
    """What of the data Kadr's parameters were chosen on, if any."""
    parts: dict[str, float] = {}
    """The value's parts, or other views of the same comparison."""


def markdown(lines: Iterable[Line]) -> str:
    """The lines as a table, then the data of each once."""
    rows = [
        "| measure | value | of which | n | data | published for the model | seen before |",
        "|---|---:|---|---|---|---|---|",
    ]
    for line in lines:
        parts = ", ".join(f"{name} {value:.3f}" for name, value in line.parts.items())
        cells = (line.measure, f"{line.value:.3f}", parts, line.n, line.data, line.published, line.seen)
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def briefly(lines: Sequence[Line]) -> str:
    """A few words a line, for the terminal."""
    return "\n".join(
        f"  {line.measure}: {line.value:.3f}  ({line.n})"
        + "".join(f"\n      {name} {value:.3f}" for name, value in line.parts.items())
        for line in lines
    )
