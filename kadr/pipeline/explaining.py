"""Why something would be computed: what its key is made of, against what the nearest stored results were made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kadr.contracts.errors import InvalidObject, ObjectMissing
from kadr.contracts.run import Request
from kadr.pipeline.catalogue import FRAMES_FROM
from kadr.pipeline.spec import TaskSpec
from kadr.pipeline.state import RunState, Wanted
from kadr.storage import layout
from kadr.storage.newest import newest
from kadr.storage.results import ResultId, read_header
from kadr.storage.store import ObjectStore

ABSENT = "absent"
COMPARED = 200
"""Stored results that a miss is compared with, at most, to say what changed."""


def why_missing(store: ObjectStore, state: RunState, missing: Sequence[TaskSpec]) -> tuple[str, ...]:
    """What changed against the stored results that come nearest; said once for all chunks that say the same."""
    reasons: dict[str, None] = {}
    first = missing[0]  # one component's: the same for all its tasks
    stored = _stored(store, first, first.component)
    for wanted in (w for spec in missing for w in spec.wanted):
        if not any(made.key == wanted.key for made in stored):
            readers = _readers(state, first.component, wanted.name)
            near = _read_before(store, first, stored, readers) or stored
            changes = explain(wanted, [made.ingredients for made in near])
            if any(change.startswith("params.wide_") for change in changes):
                changes = [f"{', '.join(readers)}: now reads {wanted.name}"]
            reasons.update(dict.fromkeys(_named(c, readers or [first.component]) for c in changes))
    return tuple(reasons)


def _named(change: str, components: Sequence[str]) -> str:
    """A change in the words of people: ``params.fps: 1 → 2`` as ``ocr.fps: 1 → 2``, digests by what they are of."""
    place, _, values = change.partition(": ")
    kind, found, name = place.partition(".")
    match kind if found else "":
        case "params":
            return f"{', '.join(f'{c}.{name}' for c in components)}: {values}"
        case "inputs":
            before, _, after = values.partition(" → ")
            how = "no longer read" if after == ABSENT else "now read" if before == ABSENT else ""
            return f"{name}: {how or 'another result than before'}"
        case "models":
            before, _, after = values.partition(" → ")
            how = "no longer used" if after == ABSENT else "now used" if before == ABSENT else "is another"
            return f"model {name}: {how}"
    return change


def _readers(state: RunState, component: str, output: str) -> list[str]:
    """Who reads a frame pack: what a pack is like is set there."""
    if component != FRAMES_FROM:
        return []
    edges = ((n.component, e) for n in state.graph.nodes for e in n.edges)
    return [reader for reader, e in edges if (e.component, e.output) == (component, output)]


@dataclass(frozen=True)
class _Made:
    """A stored result."""

    key: str
    digest: str
    ingredients: Mapping[str, Any]


def _read_before(
    store: ObjectStore, spec: TaskSpec, stored: Sequence[_Made], readers: Sequence[str]
) -> list[_Made]:
    """Those of ``stored`` that stored results of ``readers`` were made from."""
    made = (m for reader in readers for m in _stored(store, spec, reader))
    read = {digest for m in made for digest in m.ingredients.get("inputs", {}).values()}
    return [m for m in stored if m.digest in read]


def _stored(store: ObjectStore, spec: TaskSpec, component: str) -> list[_Made]:
    """The component's newest results for the video of ``spec``."""
    prefix = layout.results_prefix(spec.owner, spec.video_id, component)
    names = [n for n in store.list(prefix) if n.endswith(".json")]
    found = []
    for name in newest(store, names, COMPARED):
        key, _, digest = name.removeprefix(prefix).removesuffix(".json").partition("/")
        try:
            header = read_header(store, ResultId(spec.owner, spec.video_id, component, key, digest))
            found.append(_Made(key, digest, dict(header["ingredients"])))
        except (ObjectMissing, InvalidObject, KeyError, TypeError):
            continue
    return found


def explain(wanted: Wanted, stored: Iterable[Mapping[str, Any]]) -> list[str]:
    """The fields in which ``wanted`` differs from the nearest of ``stored`` (the ingredients of other keys).

    Those of the same chunk come before all others.
    """
    target = _flat(wanted.ingredients)
    others = [(o.get("chunk"), _flat(o)) for o in stored]
    others = [(c, have) for c, have in others if have.get("params.output") == target.get("params.output")]
    same = [have for chunk, have in others if chunk == wanted.ingredients.get("chunk")]
    changes = [_changes(have, target) for have in same or [have for _, have in others]]
    return min(changes, key=len, default=[f"{wanted.name}: never computed for this video"])


def asked_otherwise(before: Request, after: Request) -> list[str]:
    """What two requests asked differently, e.g. ``ocr.fps: 1 → 2``. Frame packs only follow from the rest."""
    one, two = ({**r.profile["components"]} for r in (before, after))
    for asked in (one, two):
        asked.pop("decode", None)
    only = [f"{n}: only before" for n in one if n not in two] + [
        f"{n}: only after" for n in two if n not in one
    ]
    both = sorted(one.keys() & two.keys())
    flat = [
        {f: v for f, v in _flat({n: _settable(c[n]) for n in both}).items() if v != {}} for c in (one, two)
    ]
    return only + _changes(*flat)


def _settable(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters and sampling under the names by which people set them; models by theirs."""
    return {**(asked.get("params") or {}), **(asked.get("frames") or {}), "models": asked.get("models")}


def _changes(have: Mapping[str, Any], target: Mapping[str, Any]) -> list[str]:
    have, target = ({f: v for f, v in of.items() if v != {}} for of in (have, target))
    fields = sorted({*have, *target} - {"params.name"})  # a pack's name only repeats its other parameters
    found = [_change(f, have.get(f), target.get(f)) for f in fields]
    return [c for c in found if c]


def _change(field_name: str, old: Any, new: Any) -> str | None:
    if old == new:
        return None
    return f"{field_name}: {_brief(old)} → {_brief(new)}"


def _brief(value: Any) -> str:
    text = ABSENT if value is None else f"{value:g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 40 else f"{text[:12]}…"


def _flat(value: Any, path: str = "") -> dict[str, Any]:
    if isinstance(value, Mapping) and value:
        return {k: v for name, inner in value.items() for k, v in _flat(inner, f"{path}.{name}").items()}
    return {path.removeprefix("."): value}
