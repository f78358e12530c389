"""Verifying a run: its results made again from its manifest, and compared with those that it recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

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


def stored(store: ObjectStore, manifest: Manifest) -> Iterator[Finding]:
    """Whether every result that the run recorded is in the store, under its key, with the bytes of its digest."""
    for entry in _successes(manifest):
        assert entry.record is not None
        for result in entry.record.results:
            verdict, detail = _stored(store, _id(manifest, entry.record.task, result))
            yield Finding(_component(entry.record.task), entry.record.task, result.name, verdict, detail)


def _stored(store: ObjectStore, result: ResultId) -> tuple[Verdict, str]:
    try:
        if sha256_json(read_header(store, result).get("ingredients")) != result.key:
            return Verdict.DAMAGED, "its ingredients do not have the key in its name"
        read_result(store, result, verify=True)
    except PayloadExpired:
        return Verdict.EXPIRED, "its arrays have expired, which is no loss: they are made again on demand"
    except ObjectMissing as error:
        return Verdict.MISSING, str(error)
    except InvalidObject as error:
        return Verdict.DAMAGED, str(error)
    return Verdict.IDENTICAL, ""


def dropped(
    store: ObjectStore, claims: Claims, manifest: Manifest, findings: Iterable[Finding]
) -> Iterator[tuple[Finding, bool]]:
    """Those of ``findings`` that were damaged or missing, as they are now, and whether they were removed from the store.

    Each is looked at once more just before it goes, under the claim to its key: what was healed meanwhile stays, and nobody
    makes it in that moment. Whoever asks for a removed one next makes it again.
    """
    bad = (Verdict.DAMAGED, Verdict.MISSING)
    found = {(f.task, f.output): f for f in findings if f.verdict in bad}
    for entry in _successes(manifest):
        assert entry.record is not None
        for result in entry.record.results:
            if finding := found.get((entry.record.task, result.name)):
                yield _dropped(store, claims, _id(manifest, entry.record.task, result), finding)


def _dropped(store: ObjectStore, claims: Claims, at: ResultId, finding: Finding) -> tuple[Finding, bool]:
    if (claim := claims.take(at.key)) is None:
        return replace(finding, detail="it is being made again at this moment, and was left alone"), False
    try:
        verdict, detail = _stored(store, at)
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
                store, one, again_in, two, _spec(catalogue.components[component], made, result)
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


def _spec(entry: Entry, made: Task, result: RecordResult) -> ArtifactSpec | None:
    if made.merge and entry.merge is not None:
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
