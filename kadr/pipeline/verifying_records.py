"""Verifying what a run wrote of itself: its records, and the manifest that closed it."""

from __future__ import annotations

from collections.abc import Iterator

from kadr.contracts.errors import InvalidObject, ObjectMissing
from kadr.contracts.manifest import Manifest
from kadr.contracts.run import Request
from kadr.pipeline.admission import found_objects
from kadr.pipeline.closing import manifest_of
from kadr.pipeline.manifests import lost_records, read_manifest
from kadr.pipeline.state import RunState
from kadr.pipeline.verifying import Finding, Verdict
from kadr.storage import layout
from kadr.storage.store import ObjectStore

RECORD, MANIFEST = "record", "manifest"
HELD = "the manifest still holds it"


def manifest_found(store: ObjectStore, request: Request, state: RunState) -> tuple[Manifest, list[Finding]]:
    """The manifest of a closed run, and what was wrong with it before it was compiled again. Raises InvalidObject."""
    assert state.closed is not None
    verdict = Verdict.IDENTICAL
    try:
        return read_manifest(store, request, state.closed.manifest), []
    except ObjectMissing:
        verdict, was = Verdict.MISSING, "it was removed"
    except InvalidObject:
        verdict, was = Verdict.DAMAGED, "it was damaged"
    detail = f"{was}, and was compiled again from the run's records"
    return manifest_of(store, request, state), [Finding("", MANIFEST, "", verdict, detail)]


def records_lost(store: ObjectStore, request: Request) -> Iterator[Finding]:
    """Records of a closed run that are not there any more, or damaged: what its manifest still holds."""
    lost = lost_records(store, request, found_objects(store, request))
    prefix = layout.state_prefix(request.owner, request.run_id)
    for name, body in sorted(lost.items()):
        there = store.exists(prefix + name)
        verdict, was = (Verdict.DAMAGED, "damaged") if there else (Verdict.MISSING, "removed")
        component = body.task.partition(".")[0]
        yield Finding(component, body.task, RECORD, verdict, f"it was {was}; {HELD}")
