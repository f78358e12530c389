"""RTTM: who speaks when (NIST, RT-09 evaluation plan, appendix A), as diarisation tools read and score it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from exports.source import Exported, Options, Source

UNSAFE = re.compile(r"[^\w.+-]")


def export(source: Source, _: Options) -> Exported:
    """A SPEAKER line for each turn: times in seconds with the millisecond as last digit, channel 1."""
    turns = sorted(source.found["turns"], key=lambda t: (t["start_ms"], t["end_ms"], t["speaker"]))
    lines = [_line(source.stem, t) for t in turns if t["end_ms"] > t["start_ms"]]
    note = [] if lines else [f"rttm: nobody was found speaking{source.why_empty('speakers')}"]
    return Exported.one(".rttm", "".join(lines), *note)


def _line(name: str, turn: Mapping[str, Any]) -> str:
    times = f"{_seconds(turn['start_ms'])} {_seconds(turn['end_ms'] - turn['start_ms'])}"
    return f"SPEAKER {field(name)} 1 {times} <NA> <NA> {field(turn['speaker'])} <NA> <NA>\n"


def _seconds(ms: int) -> str:
    """Exact: no float is in between."""
    return f"{ms // 1000}.{ms % 1000:03}"


def field(text: str) -> str:
    """``text`` as one field: what is neither letter, digit nor ``_.+-`` is percent-encoded, so that names stay apart."""
    return UNSAFE.sub(lambda m: quote(m[0], safe="", errors="replace"), text) or "_"
