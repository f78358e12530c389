"""Manifests in the store, and what a closed run has lost that they still hold."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress

from pydantic import ValidationError

from kadr.contracts.errors import InvalidObject, ObjectMissing
from kadr.contracts.faults import first_fault
from kadr.contracts.keys import jcs
from kadr.contracts.manifest import Manifest
from kadr.contracts.run import Done, Failure, Record, Request
from kadr.storage import layout
from kadr.storage.store import ObjectStore


def read_manifest(store: ObjectStore, request: Request, digest: str) -> Manifest:
    """A manifest by its digest. Raises ObjectMissing, InvalidObject."""
    name = layout.manifest(request.owner, request.run_id, digest)
    try:
        return Manifest.named(json.loads(store.get(name)), digest)
    except ValidationError as error:
        raise InvalidObject(f"{name} is not a manifest: {first_fault(error)}") from error
    except ValueError as error:
        raise InvalidObject(f"{name} is not a manifest: {error}") from error


def lost_records(
    store: ObjectStore, request: Request, found: Mapping[str, object]
) -> dict[str, Record | Failure]:
    """What the marks among ``found`` list and is not there (removed, or damaged), as the manifests hold it.

    A closed epoch consists of what its manifest lists, whole: an object that went is not thereby undone.
    """
    return {
        name: body
        for done in [body for body in found.values() if isinstance(body, Done)]
        if not found.keys() >= set(done.records)
        for name, body in _listed(store, request, done)
        if name in done.records and name not in found
    }


def _listed(store: ObjectStore, request: Request, done: Done) -> Iterator[tuple[str, Record | Failure]]:
    # A manifest that is gone too has nothing to say.
    with suppress(ObjectMissing, InvalidObject):
        for entry in read_manifest(store, request, done.manifest).records:
            if (body := entry.record or entry.failure) is not None:
                yield entry.name, body


def put_back(store: ObjectStore, request: Request, lost: dict[str, Record | Failure]) -> None:
    """Write what was lost again, as it was."""
    prefix = layout.state_prefix(request.owner, request.run_id)
    for name, body in sorted(lost.items()):
        store.put(prefix + name, jcs(body.model_dump(mode="json")))
