"""Plain tables on standard output: fitted to a terminal, never cut or wrapped in a pipe."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any, Literal

from cli.text import printable

PIPE_WIDTH = 10_000


def print_table(
    headers: Sequence[str],
    rows: Sequence[Sequence[object]],
    right: Sequence[str] = (),
    whole: Sequence[str] = (),
) -> None:
    """Print ``rows``; the columns named in ``right`` are aligned to the right, those in ``whole`` are not broken."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim", pad_edge=False)
    for header in headers:
        justify: Literal["right", "left"] = "right" if header in right else "left"
        table.add_column(header, justify=justify, overflow="fold", no_wrap=header in whole)
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(printable(str(cell))) for cell in row))
    Console(file=sys.stdout, width=None if sys.stdout.isatty() else PIPE_WIDTH).print(table)


def print_json(value: Any) -> None:
    """Print ``value`` as one line of JSON."""
    print(json.dumps(value, ensure_ascii=False))
