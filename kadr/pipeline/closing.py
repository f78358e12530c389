"""Closing an epoch: the manifest compiled from the records that count, and the mark that names it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

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

Agree = Callable[[str], str]
"""Names the digest of a manifest that lies there; returns the digest of the one that closes the epoch, which lies there too."""


class Closers(Protocol):
    """Sees to it that all who close an epoch at once close it with the same manifest."""

    def enter(self, run_id: str, epoch: int) -> AbstractContextManager[Agree | None]:
        """Where what is to be closed is looked at and closed. None while somebody else does, and nobody else need."""
        ...


@dataclass(frozen=True)
class ByLock:
    """Closers of one machine, by claims that last as long as their holder: one closes at a time, with its own manifest."""

    claims: Claims

    @contextmanager
    def enter(self, run_id: str, epoch: int) -> Iterator[Agree | None]:
        claim = self.claims.take(f"close-{run_id}-{epoch}")
        if claim is None:
            yield None
            return
        try:
            yield lambda digest: digest
        finally:
            claim.release()


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
    closers: Closers,
    request: Request,
    epoch: int,
    closing: Callable[[Request, Manifest], None] = lambda request, manifest: None,
) -> Manifest | None:
    """The manifest of the closed epoch, closing it if need be; None while it cannot be closed or somebody else does.

    What counts is looked up once inside: whoever was there before may have closed the epoch. ``closing`` is told the manifest
    that was agreed on before the mark is written, and may be told again; what it raises leaves the epoch open.
    """
    with closers.enter(request.run_id, epoch) as agree:
        if agree is None:
            return None
        state = evaluate(request, load_objects(store, request))
        if state.closed is not None:
            return manifest_of(store, request, state)
        if not state.closable:
            return None
        manifest = _agreed(store, request, compile_manifest(request, state), agree)
        closing(request, manifest)
        done = Done(
            manifest=manifest.digest, status=manifest.status, records=tuple(e.name for e in manifest.records)
        )
        name = layout.done(state.epoch, manifest.digest)
        store.put(
            layout.state_prefix(request.owner, request.run_id) + name, jcs(done.model_dump(mode="json"))
        )
        return manifest


def _agreed(store: ObjectStore, request: Request, own: Manifest, agree: Agree) -> Manifest:
    """The manifest that closes the epoch: ``own``, or another closer's who was first. Both lie there before they are named."""
    body = jcs(own.model_dump(mode="json"))
    store.put(layout.manifest(request.owner, request.run_id, own.digest), body)
    digest = agree(own.digest)
    manifest = own if digest == own.digest else read_manifest(store, request, digest)
    store.put(layout.manifest_copy(request.owner, request.run_id), jcs(manifest.model_dump(mode="json")))
    return manifest


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
