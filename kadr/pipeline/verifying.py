"""Verifying a run: its results made again from its manifest, and compared with those that it recorded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from itertools import chain
from typing import Any

from rfc8785 import CanonicalizationError

from kadr.contracts.artifact import ArtifactSpec
from kadr.contracts.errors import InvalidObject, ObjectMissing, PayloadExpired
from kadr.contracts.keys import sha256_json
from kadr.contracts.manifest import Manifest, RecordEntry
from kadr.contracts.run import Graph, Node, RecordResult
from kadr.pipeline.catalogue import Catalogue, Entry
from kadr.pipeline.comparing import differing
from kadr.pipeline.state import RunState, Task
from kadr.storage.claims import Claims
from kadr.storage.results import ResultId, read_header, read_result
from kadr.storage.store import ObjectStore

LAST_WITHOUT_LENGTH = (0, 2, 0)
"""The last version of Kadr that wrote results without npz_bytes."""


class Verdict(StrEnum):
    """From best to worst; EXPIRED: equal by digest or not, the arrays to compare are gone."""

    IDENTICAL = "identical"
    WITHIN = "within tolerance"
    EXPIRED = "expired"
    DIFFERENT = "different"
    DAMAGED = "damaged"
    MISSING = "missing"

    @property
    def good(self) -> bool:
        return self in (Verdict.IDENTICAL, Verdict.WITHIN)


@dataclass(frozen=True)
class Finding:
    """What became of one result (or, with ``output`` empty, of one task that failed)."""

    component: str
    task: str
    output: str
    verdict: Verdict
    detail: str = ""


def stored(store: ObjectStore, manifest: Manifest, catalogue: Catalogue | None = None) -> Iterator[Finding]:
    """Whether every result that the run recorded is in the store, under its key, with the bytes of its digest.

    What no digest covers is held against the component's declaration in ``catalogue`` where that is of the run's version.
    """
    specs = _Specs(manifest, catalogue)
    for entry in _successes(manifest):
        assert entry.record is not None
        task = entry.record.task
        for result in entry.record.results:
            at = _id(manifest, task, result)
            verdict, detail = _stored(store, at, specs.of(task, result), _tells_length(manifest, result))
            yield Finding(_component(task), task, result.name, verdict, detail)


class _Specs:
    """What the components of a run declare of their results; nothing of one that is here in another version."""

    def __init__(self, manifest: Manifest, catalogue: Catalogue | None) -> None:
        self._entries: dict[str, Entry] = {}
        declared = catalogue.components if catalogue else {}
        for node in manifest.graph.nodes:
            entry = declared.get(node.component)
            if entry is not None and _versions(entry) == _versions(node):
                self._entries[node.component] = entry

    def of(self, task: str, result: RecordResult) -> ArtifactSpec | None:
        entry = self._entries.get(_component(task))
        return _spec(entry, "." not in task, result) if entry else None


def _versions(of: Entry | Node) -> tuple[int, int | None]:
    return of.version, of.merge.version if of.merge else None


def _tells_length(manifest: Manifest, result: RecordResult) -> bool:
    """Whether the record of ``result`` must have npz_bytes: what this run took from the cache may be older than it."""
    numbers = tuple(int(n) for n in re.findall(r"\d+", manifest.kadr_version)[:3])
    return not result.cached and numbers > LAST_WITHOUT_LENGTH


def _stored(
    store: ObjectStore, result: ResultId, spec: ArtifactSpec | None, tells_length: bool
) -> tuple[Verdict, str]:
    try:
        header = read_header(store, result)
        wrong = chain(_misnamed(header, result), _unsized(header, tells_length), _undeclared(header, spec))
        if said := next(wrong, ""):
            return Verdict.DAMAGED, said
        read_result(store, result, verify=True)
        if header["arrays"] and (told := header.get("npz_bytes")) not in (
            None,
            size := store.size(result.npz),
        ):
            return Verdict.DAMAGED, f"its npz_bytes is {told!r}, and the file has {size}"
    except PayloadExpired:
        return Verdict.EXPIRED, "its arrays have expired, which is no loss: they are made again on demand"
    except ObjectMissing as error:
        return Verdict.MISSING, str(error)
    except InvalidObject as error:
        return Verdict.DAMAGED, str(error)
    except CanonicalizationError as error:
        return Verdict.DAMAGED, f"it says what no digest can be made of: {error}"
    return Verdict.IDENTICAL, ""


def _misnamed(header: Mapping[str, Any], result: ResultId) -> Iterator[str]:
    """What of ``header`` does not go with the key in its name, or with a digest, which covers the schema's major version."""
    if sha256_json(header.get("ingredients")) != result.key:
        yield "its ingredients do not have the key in its name"
    if header.get("key") != result.key:
        yield f"its key is {header.get('key')!r}, and its name has {result.key}"
    schema = header.get("schema")
    major = schema.get("major") if isinstance(schema, Mapping) else None
    if type(major) is not int:
        yield f"its schema's major version is {major!r}, which is no whole number"


def _unsized(header: Mapping[str, Any], tells_length: bool) -> Iterator[str]:
    """What is wrong with npz_bytes before anybody looks at the file, which may have expired."""
    arrays, told = bool(header.get("arrays")), header.get("npz_bytes")
    if "npz_bytes" not in header:
        if arrays and tells_length:
            yield "its npz_bytes is not told"
    elif type(told) is not int or (told > 0) != arrays or told < 0:
        yield f"its npz_bytes is {told!r}, and it has {'arrays' if arrays else 'none'}"


def _undeclared(header: Mapping[str, Any], spec: ArtifactSpec | None) -> Iterator[str]:
    """What ``header`` says beside its digest otherwise than ``spec`` does, in words; the rest is read_result's to look at."""
    if spec is None:
        return
    schema, arrays = header.get("schema"), header.get("arrays")
    name = schema.get("name") if isinstance(schema, Mapping) else None
    said = [("schema", name, spec.name), ("retention", header.get("retention"), spec.retention.value)]
    for array, facts in arrays.items() if isinstance(arrays, Mapping) else ():
        if array in spec.arrays and isinstance(facts, Mapping):
            said.append((f"unit of {array}", facts.get("unit"), spec.arrays[array].unit))
    for what, found, declared in said:
        if found != declared:
            yield f"its {what} is {found!r}, and its component declares {declared!r}"


def dropped(
    store: ObjectStore,
    claims: Claims,
    manifest: Manifest,
    findings: Iterable[Finding],
    catalogue: Catalogue | None = None,
) -> Iterator[tuple[Finding, bool]]:
    """Those of ``findings`` that were damaged or missing, as they are now, and whether they were removed from the store.

    Each is looked at once more just before it goes, under the claim to its key: what was healed meanwhile stays, and nobody
    makes it in that moment. Whoever asks for a removed one next makes it again.
    """
    bad = (Verdict.DAMAGED, Verdict.MISSING)
    found = {(f.task, f.output): f for f in findings if f.verdict in bad}
    specs = _Specs(manifest, catalogue)
    for entry in _successes(manifest):
        assert entry.record is not None
        for result in entry.record.results:
            if finding := found.get((entry.record.task, result.name)):
                at, spec = _id(manifest, entry.record.task, result), specs.of(entry.record.task, result)
                again = partial(_stored, store, at, spec, _tells_length(manifest, result))
                yield _dropped(store, claims, at, again, finding)


def _dropped(
    store: ObjectStore,
    claims: Claims,
    at: ResultId,
    look: Callable[[], tuple[Verdict, str]],
    finding: Finding,
) -> tuple[Finding, bool]:
    if (claim := claims.take(at.key)) is None:
        return replace(finding, detail="it is being made again at this moment, and was left alone"), False
    try:
        verdict, detail = look()
        if removed := verdict is Verdict.DAMAGED:
            store.delete(at.json)  # and with it the result
            store.delete(at.npz)
        return replace(finding, verdict=verdict, detail=detail), removed
    finally:
        claim.release()


def unlike(
    manifest: Manifest, catalogue: Catalogue, signature: Callable[[str], str | None]
) -> dict[str, str]:
    """Components that cannot be made again here as they were, and why: another version of them, or of a model."""
    found = {}
    for node in manifest.graph.nodes:
        entry = catalogue.components.get(node.component)
        models = {**node.models, **(node.merge.models if node.merge else {})}
        if entry is None:
            found[node.component] = "is not installed here"
        elif entry.version != node.version:
            found[node.component] = f"was version {node.version}, here it is {entry.version}"
        elif node.merge and entry.merge and entry.merge.version != node.merge.version:
            found[node.component] = f"had merge {node.merge.version}, here it has {entry.merge.version}"
        elif other := [m for m, signed in models.items() if signature(m) != signed]:
            found[node.component] = f"used another {', '.join(other)} than is here"
    return found


def part_of(graph: Graph, wanted: Sequence[str], without: Mapping[str, str]) -> Graph:
    """``graph`` with ``wanted`` (all, if empty) and what they read at any distance, less what reads ``without``."""
    nodes = {n.component: n for n in graph.nodes}
    reads = {name: _reads(node) & nodes.keys() for name, node in nodes.items()}
    keep = set(wanted or nodes)
    while more := {r for name in keep for r in reads[name]} - keep:
        keep |= more
    lost = set(without)
    while more := {name for name in keep if reads[name] & lost} - lost:
        lost |= more
    kept = tuple(n for n in graph.nodes if n.component in keep - lost)
    return graph.model_copy(
        update={"nodes": kept, "required": tuple(r for r in graph.required if r in keep - lost)}
    )


def _reads(node: Node) -> set[str]:
    return {e.component for e in node.edges if e.component} | ({node.plan} if node.plan else set())


def compared(
    store: ObjectStore,
    manifest: Manifest,
    again_in: ObjectStore,
    again: RunState,
    catalogue: Catalogue,
) -> Iterator[Finding]:
    """Every record of ``manifest`` whose component is in ``again``'s graph, against what was made again."""
    nodes = {n.component for n in again.graph.nodes}
    for entry in manifest.records:
        ended = entry.record or entry.failure
        task = ended.task if ended else ""
        if _component(task) in nodes:
            yield from _compared(store, manifest, entry, again_in, again.tasks.get(task), catalogue)


def _compared(
    store: ObjectStore,
    manifest: Manifest,
    entry: RecordEntry,
    again_in: ObjectStore,
    made: Task | None,
    catalogue: Catalogue,
) -> Iterator[Finding]:
    if entry.failure is not None:
        yield _failed_then(entry.failure.task, entry.failure.code, made)
        return
    record = entry.record
    assert record is not None
    component = _component(record.task)
    if made is None or made.record is None:
        why = "its chunk was not planned again" if made is None else _why_not(made)
        yield from (Finding(component, record.task, r.name, Verdict.DIFFERENT, why) for r in record.results)
        return
    others = {r.name: r for r in made.record.results}
    for result in record.results:
        other = others.get(result.name)
        if other is None:
            yield Finding(component, record.task, result.name, Verdict.DIFFERENT, "it was not made again")
            continue
        one, two = _id(manifest, record.task, result), _id(manifest, record.task, other)
        verdict, detail = (
            (Verdict.IDENTICAL, "")
            if one.digest == two.digest
            else _compared_result(
                store, one, again_in, two, _spec(catalogue.components[component], made.merge, result)
            )
        )
        if verdict is Verdict.DIFFERENT and one.key != two.key:
            detail = f"{detail} (its inputs came out differently)"
        yield Finding(component, record.task, result.name, verdict, detail)


def _failed_then(task: str, code: str, made: Task | None) -> Finding:
    if made is not None and made.failure is not None and made.failure.code == code:
        return Finding(_component(task), task, "", Verdict.IDENTICAL, f"failed again: {code}")
    now = "succeeded" if made is not None and made.record is not None else "ended otherwise"
    return Finding(_component(task), task, "", Verdict.DIFFERENT, f"failed then ({code}), {now} now")


def _why_not(made: Task) -> str:
    return f"failed now: {made.failure.message}" if made.failure else made.reason or made.state.value


def _compared_result(
    store: ObjectStore, one: ResultId, again_in: ObjectStore, two: ResultId, spec: ArtifactSpec | None
) -> tuple[Verdict, str]:
    try:
        before = read_result(store, one)
    except PayloadExpired:
        return Verdict.EXPIRED, "its digest differs, and the arrays to compare with have expired"
    except ObjectMissing as error:
        return Verdict.MISSING, str(error)
    except InvalidObject as error:
        return Verdict.DAMAGED, str(error)
    differences = list(differing(spec, before, read_result(again_in, two)))
    return (Verdict.DIFFERENT, "; ".join(differences)) if differences else (Verdict.WITHIN, "")


def _spec(entry: Entry, merged: bool, result: RecordResult) -> ArtifactSpec | None:
    if merged and entry.merge is not None:
        return entry.merge.spec
    named = {o.name or entry.name: o.spec for o in entry.outputs}
    return named.get(result.name) or next((o.spec for o in entry.outputs if o.each is not None), None)


def _id(manifest: Manifest, task: str, result: RecordResult) -> ResultId:
    return ResultId(
        manifest.request.owner, manifest.video_id or "", _component(task), result.key, result.digest
    )


def _successes(manifest: Manifest) -> Iterator[RecordEntry]:
    return (e for e in manifest.records if e.record is not None and e.record.results)


def _component(task: str) -> str:
    return task.partition(".")[0]
