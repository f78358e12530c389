"""Plain tables on standard output: fitted to a terminal, never cut or wrapped in a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from cli.text import printable

if TYPE_CHECKING:
    from rich.console import Console

PIPE_WIDTH = 10_000
PADDING = 2


def print_table(
    headers: Sequence[str],
    rows: Sequence[Sequence[object]],
    right: Sequence[str] = (),
    whole: Sequence[str] = (),
    spare: Sequence[str] = (),
) -> Sequence[str]:
    """Print ``rows``; the columns named in ``right`` are aligned to the right, those in ``whole`` are not broken.

    Of ``spare`` ones, first to last, as many are left out as a narrow terminal has no room for; they are returned.
    """
    from rich.table import Table
    from rich.text import Text

    to = console()
    left_out = _without_room(headers, rows, whole, spare, to.width)
    kept = [i for i, header in enumerate(headers) if header not in left_out]
    table = Table(box=None, padding=(0, PADDING, 0, 0), header_style="dim", pad_edge=False)
    for header in (headers[i] for i in kept):
        justify: Literal["right", "left"] = "right" if header in right else "left"
        table.add_column(header, justify=justify, overflow="fold", no_wrap=header in whole)
    for row in rows:
        cells = (row[i] for i in kept)
        table.add_row(*(cell if isinstance(cell, Text) else Text(printable(str(cell))) for cell in cells))
    to.print(table)
    return left_out


def _without_room(
    headers: Sequence[str],
    rows: Sequence[Sequence[object]],
    whole: Sequence[str],
    spare: Sequence[str],
    width: int,
) -> Sequence[str]:
    """Those of ``spare`` without which the longest words of the other columns fit into ``width``, if that helps."""
    from rich.cells import cell_len

    def needs(header: str, column: Sequence[object]) -> int:
        texts = [header, *(str(cell) for cell in column)]
        return max(
            cell_len(t) for text in texts for t in ([text] if header in whole else text.split() or [""])
        )

    columns = zip(*rows, strict=True) if rows else ((),) * len(headers)
    least = {header: needs(header, column) for header, column in zip(headers, columns, strict=True)}
    left_out: list[str] = []
    while len(left_out) < len(spare) and sum(least.values()) + PADDING * (len(least) - 1) > width:
        left_out.append(spare[len(left_out)])
        del least[left_out[-1]]
    return left_out


def console() -> Console:
    """Standard output: as wide as the terminal, and in a pipe as wide as what is said."""
    from rich.console import Console

    return Console(file=sys.stdout, width=None if sys.stdout.isatty() else PIPE_WIDTH)


def print_json(value: Any) -> None:
    """Print ``value`` as one line of JSON."""
    print(json.dumps(value, ensure_ascii=False))
