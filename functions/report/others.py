"""What components found that somebody added. Nothing is known of them but the shape of their results, so that shape decides:

spans and moments are items, numbers over time are series, the rest is shown as it stands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from functions.report.items import Other, OtherItem, Series
from functions.report.kinds import own
from functions.report.sources import Found, Sources, Span

MOST_ITEMS = 5000
MOST_CHARS = 4000
"""Of a value as JSON; a longer one is told by its size."""
MOMENTS = ("start_ms", "at_ms", "t_ms")
AXIS = re.compile(r"(?P<prefix>(?:.+_)?)(?:start|at|t)_ms")
SPANS = re.compile(r"(?:.+_)?(?:spans|intervals|ranges|gaps|silences?|ms)")
"""Names under which pairs of integers are taken for [start_ms, end_ms); under others they may be anything."""
TIMES = (*MOMENTS, "end_ms")
TEXTS = ("text", "label", "title", "name", "kind")


@dataclass
class Shape:
    """A result taken apart. ``curves``: times and values by name, for the page."""

    items: list[tuple[Span, str, dict[str, Any]]] = field(default_factory=list)
    curves: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Table:
    """Arrays and lists of one length along a time axis; ``end_ms`` is None for moments."""

    prefix: str
    start_ms: np.ndarray
    end_ms: np.ndarray | None
    columns: dict[str, Any] = field(default_factory=dict)


def others(sources: Sources) -> tuple[Other, ...]:
    found = [sources[name] for name in sorted(own(sources.run.manifest["components"]))]
    return tuple(_other(f, taken_apart(f)) for f in found if f.exists)


def _other(found: Found, shape: Shape) -> Other:
    shape.items.sort(key=lambda item: item[0])
    return Other(
        component=found.component,
        items=tuple(
            OtherItem(start_ms=s, end_ms=e, text=text, facts=facts, evidence=found.evidence(i))
            for i, ((s, e), text, facts) in enumerate(shape.items[:MOST_ITEMS])
        ),
        items_in_all=len(shape.items),
        series=tuple(_series(name, values) for name, (_, values) in shape.curves.items()),
        values=shape.values,
        arrays=shape.arrays,
        evidence=found.evidence(),
    )


def _series(name: str, values: np.ndarray) -> Series:
    least, mean, most = (round(float(f(values)), 4) for f in (np.min, np.mean, np.max))
    return Series(name=name, points=len(values), least=least, mean=mean, most=most)


def taken_apart(found: Found) -> Shape:
    arrays, payload, shape = dict(found.artifact.arrays), dict(found.artifact.payload), Shape()
    tables = list(_tables(arrays))
    _fill(tables, arrays, payload)
    for table in tables:
        _read(table, payload, shape)
    for name in {f"{column}s" for table in tables for column in table.columns} & payload.keys():
        del payload[name]
    for name, value in payload.items():
        timed = _timed(name, value)
        shape.items += timed
        if not timed:
            shape.values[name] = _bounded(value)
    shape.arrays = {name: f"{a.dtype} {list(a.shape)}" for name, a in arrays.items() if a.size}
    return shape


def _tables(arrays: dict[str, np.ndarray]) -> list[Table]:
    """One for each time axis among ``arrays``, whose times are taken out of them."""
    axes = [(name, prefix) for name, a in arrays.items() if (prefix := _axis(name, a, arrays)) is not None]
    made = []
    for name, prefix in sorted(axes):
        start, end = arrays.pop(name), arrays.get(f"{prefix}end_ms")
        spans = name.endswith("start_ms") and end is not None and end.shape == start.shape
        made.append(Table(prefix, start, arrays.pop(f"{prefix}end_ms") if spans else None))
    return made


def _axis(name: str, array: np.ndarray, arrays: Mapping[str, np.ndarray]) -> str | None:
    """The prefix of the columns whose times ``array`` holds: "" for ``t_ms``, ``motion`` for ``motion_ms`` of ``motion``."""
    if array.ndim != 1 or array.dtype.kind not in "iu":
        return None
    if plain := AXIS.fullmatch(name):
        return plain["prefix"]
    other = arrays.get(name.removesuffix("_ms"))
    timed = name.endswith("_ms") and other is not None and other.shape == array.shape
    return name.removesuffix("_ms") if timed else None


def _fill(tables: list[Table], arrays: dict[str, np.ndarray], payload: dict[str, Any]) -> None:
    """Move every array and list of texts that runs along one of ``tables`` into it: that with the same prefix before others."""
    columns = {n: a for n, a in arrays.items() if a.ndim == 1 and a.dtype.kind in "biuf"}
    columns |= {n: v for n, v in payload.items() if _are_texts(v) and not _names_for(n, columns)}
    for name, column in columns.items():
        fitting = [t for t in tables if len(t.start_ms) == len(column)]
        if fitting and len(column):
            table = max(fitting, key=lambda t: len(t.prefix) if name.startswith(t.prefix) else 0)
            table.columns[name.removeprefix(table.prefix) or name] = column
            (arrays if name in arrays else payload).pop(name)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, str) for v in value)


def _names_for(name: str, columns: Mapping[str, Any]) -> bool:
    """Whether the list ``name`` holds the names that a column of numbers counts: ``labels`` for ``label``."""
    return any(name in (f"{c}s", f"{c.rpartition('_')[2]}s") for c in columns)


def _read(table: Table, payload: Mapping[str, Any], shape: Shape) -> None:
    columns = {name: _named(name, column, payload) for name, column in table.columns.items()}
    text = next((c for c in columns.values() if _are_texts(c)), None)
    if table.end_ms is None and text is None and columns:
        for name, column in columns.items():
            whole = f"{table.prefix}{name}" if name in shape.curves else name
            shape.curves[whole] = (table.start_ms, np.asarray(column))
        return
    ends = table.start_ms if table.end_ms is None else table.end_ms
    facts = {name: _values(column) for name, column in columns.items() if column is not text}
    for i, span in enumerate(zip(table.start_ms.tolist(), ends.tolist(), strict=True)):
        about = {name: values[i] for name, values in facts.items()}
        shape.items.append((span, text[i] if text else "", about))


def _named(name: str, column: Any, payload: Mapping[str, Any]) -> Any:
    """``column`` as texts, if it counts the entries of a list in ``payload`` that is called like it."""
    names = payload.get(f"{name}s") or ()
    if not _are_texts(names) or isinstance(column, list) or not np.issubdtype(column.dtype, np.integer):
        return column
    inside = column.min() >= -1 and column.max() < len(names)
    return [names[i] if i >= 0 else "?" for i in column.tolist()] if inside else column


def _values(column: Any) -> list[Any]:
    values = column if isinstance(column, list) else column.tolist()
    return [round(v, 4) if isinstance(v, float) else v for v in values]


def _timed(name: str, value: Any) -> list[tuple[Span, str, dict[str, Any]]]:
    """The items of a list whose entries all have times: objects with times, or pairs [start, end]; none for others."""
    entries = value if isinstance(value, list) else []
    pairs = SPANS.fullmatch(name) is not None
    spans = [_span_of(entry, pairs) for entry in entries]
    timed = [span for span in spans if span is not None]
    whole = len(timed) == len(entries)
    return [_item(name, e, span) for e, span in zip(entries, timed, strict=True)] if whole else []


def _item(name: str, entry: Any, span: Span) -> tuple[Span, str, dict[str, Any]]:
    facts = {k: v for k, v in entry.items() if k not in TIMES} if isinstance(entry, Mapping) else {}
    key = next((k for k in TEXTS if isinstance(facts.get(k), str)), None)
    text = facts.pop(key) if key else name.replace("_", " ")
    return span, text, {k: _bounded(v) for k, v in facts.items()}


def _span_of(entry: Any, pairs: bool) -> Span | None:
    if isinstance(entry, Mapping):
        start = next((entry[m] for m in MOMENTS if _is_time(entry.get(m))), None)
        end = entry.get("end_ms", start)
        return (start, end) if start is not None and _is_time(end) and end >= start else None
    pair = (
        pairs
        and isinstance(entry, list)
        and len(entry) == 2
        and all(map(_is_time, entry))
        and entry[0] <= entry[1]
    )
    return (entry[0], entry[1]) if pair else None


def _is_time(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _bounded(value: Any) -> Any:
    size = len(json.dumps(value))
    if size <= MOST_CHARS:
        return value
    entries = f" of {len(value):,} entries" if isinstance(value, list | dict) else ""
    return f"a {type(value).__name__}{entries}, {size:,} characters as JSON: see the result"
