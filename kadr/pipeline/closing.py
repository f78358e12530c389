"""Closing an epoch: the manifest compiled from the records that count, and the mark that names it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kadr import __version__
from kadr.contracts.errors import InvalidObject, ObjectMissing
from kadr.contracts.keys import jcs
from kadr.contracts.manifest import ComponentSummary, Manifest, ModelUse, RecordEntry
from kadr.contracts.run import Done, Node, Request, TaskState
from kadr.pipeline.admission import load_objects
from kadr.pipeline.manifests import read_manifest
from kadr.pipeline.state import RunState, counted, evaluate, outcome
from kadr.storage import layout
from kadr.storage.claims import Claims
from kadr.storage.store import ObjectStore


def compile_manifest(request: Request, state: RunState) -> Manifest:
    """The manifest of the epoch as it stands in ``state``."""
    records = tuple(
        RecordEntry(name=t.record_name or "", record=t.record, failure=t.failure) for t in counted(state)
    )
    return Manifest(
        kadr_version=__version__,
        request=request,
        graph=state.graph,
        epoch=state.epoch,
        status=outcome(state),
        components={n.component: _summary(request, state, n) for n in state.graph.nodes},
        records=records,
    )


def close(
    store: ObjectStore,
    claims: Claims,
    request: Request,
    epoch: int,
    closing: Callable[[Request, Manifest], None] = lambda request, manifest: None,
) -> Manifest | None:
    """The manifest of the closed epoch, closing it if need be; None while it cannot be closed or somebody else does.

    What counts is looked up under the claim: whoever held it before may have closed the epoch. ``closing`` is told before it is
    closed, and may be told again; what it raises leaves the epoch open.
    """
    claim = claims.take(f"close-{request.run_id}-{epoch}")
    if claim is None:
        return None
    try:
        state = evaluate(request, load_objects(store, request))
        if state.closed is not None:
            return manifest_of(store, request, state)
        if not state.closable:
            return None
        manifest = compile_manifest(request, state)
        body = jcs(manifest.model_dump(mode="json"))
        store.put(layout.manifest(request.owner, request.run_id, manifest.digest), body)
        store.put(layout.manifest_copy(request.owner, request.run_id), body)
        closing(request, manifest)
        done = Done(
            manifest=manifest.digest, status=manifest.status, records=tuple(e.name for e in manifest.records)
        )
        name = layout.done(state.epoch, manifest.digest)
        store.put(
            layout.state_prefix(request.owner, request.run_id) + name, jcs(done.model_dump(mode="json"))
        )
        return manifest
    finally:
        claim.release()


def manifest_of(store: ObjectStore, request: Request, state: RunState) -> Manifest:
    """The manifest of a closed epoch; one that is lost or damaged is compiled from its records again.

    Raises InvalidObject if that does not give the manifest that closed it.
    """
    assert state.closed is not None
    try:
        return read_manifest(store, request, state.closed.manifest)
    except (ObjectMissing, InvalidObject) as error:
        again = compile_manifest(request, state)
        if again.digest != state.closed.manifest:
            raise InvalidObject(f"{error}; analyse the video again: it makes a new run") from error
        name = layout.manifest(request.owner, request.run_id, again.digest)
        store.put(name, jcs(again.model_dump(mode="json")))
        return again


def _summary(request: Request, state: RunState, node: Node) -> ComponentSummary:
    tasks = state.of(node.component)
    records = [t.record for t in tasks if t.record]
    failed = next((t.failure for t in tasks if t.failure), None)
    outcome_of = state.component_state(node.component)
    unfinished = state.cancelled and outcome_of in ("waiting", "running")
    return ComponentSummary(
        stage=node.stage,
        version=node.version,
        state="blocked" if unfinished else outcome_of,
        reason="the run was cancelled" if unfinished else _reason(state, node),
        error={"code": failed.code, "message": failed.message} if failed else None,
        gaps=next((t.gaps for t in tasks if t.merge), ()),
        warnings=tuple(dict.fromkeys(w for r in records for w in r.warnings)),
        tasks=len(tasks),
        computed=sum(not r.cached for r in records),
        cached=sum(r.cached for r in records),
        seconds=round(sum(r.seconds for r in records), 3),
        models=_models(request, node),
        device=next((r.device for r in records if r.device), ""),
    )


def _reason(state: RunState, node: Node) -> str:
    tasks = state.of(node.component)
    failed = next((t.failure for t in tasks if t.failure), None)
    if failed is not None:
        return failed.message
    blocked = next((t.reason for t in tasks if t.state is TaskState.BLOCKED), "")
    absent = next((t.record.absent for t in tasks if t.record and t.record.absent), "")
    return blocked or absent or ""


def _models(request: Request, node: Node) -> tuple[ModelUse, ...]:
    names = [*node.models, *(node.merge.models if node.merge else ())]
    known: Mapping[str, Mapping[str, Any]] = request.models
    return tuple(ModelUse.model_validate(known[n]) for n in dict.fromkeys(names) if n in known)
