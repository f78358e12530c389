"""The generic shell: runs one task of any component, from its spec to its record. Local, HTTP and queue shells call it.

It claims the results' keys, looks them up, reads the inputs, calls the plain function, checks and writes what it made, and
writes the record. What a component raises leaves here as it is: the caller decides about retries and failure records.
"""

from __future__ import annotations

import inspect
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from kadr.contracts.artifact import Artifact, ArtifactSpec
from kadr.contracts.component import Audio, Component, Each, Frames, Part, Read, Source
from kadr.contracts.errors import InvalidArtifact, StoreFailure, VersionMismatch, VideoChanged
from kadr.contracts.media import SourceFile
from kadr.contracts.model import Models
from kadr.contracts.run import Record
from kadr.media.audio import PcmStream
from kadr.media.pack import FramePack
from kadr.media.source import FileSource
from kadr.pipeline import catalogue
from kadr.pipeline.merging import concatenate
from kadr.pipeline.progress import Progress, watched_audio, watched_frames
from kadr.pipeline.recording import lookup, record_cached, write_record
from kadr.pipeline.spec import AnySource, SourceRef, TaskSpec
from kadr.pipeline.state import Input
from kadr.storage.claims import Claim, Claims
from kadr.storage.ranged import Ranged, RangedSource
from kadr.storage.results import Found, ResultId, find_result, read_result, write_result
from kadr.storage.store import ObjectStore


@dataclass(frozen=True)
class Shell:
    """What a process that runs tasks has at hand. ``models`` gives the named models, loaded."""

    store: ObjectStore
    claims: Claims
    models: Callable[[Sequence[str]], Models]
    device: str
    ranged: Ranged | None = None
    """Reads videos that lie in a bucket; a shell that works on local files has none."""


class Busy(Exception):
    """Somebody else holds the claim to a key of this task."""


def run_task(shell: Shell, spec: TaskSpec, progress: Progress = lambda _: None) -> Record:
    """Run ``spec`` and write its record. Raises Busy, and whatever the component or the store raise.

    Looked up once, under the claims: a former holder may just have finished, and while they are held nobody else writes.
    """
    with ExitStack() as held:
        claims: list[Claim] = []
        for key in sorted({w.key for w in spec.wanted}):
            claim = shell.claims.take(key)
            if claim is None:
                raise Busy(key)
            claims.append(claim)
            held.callback(claim.release)
        found = {} if spec.refresh else lookup(shell.store, spec)
        if len(found) == len(spec.wanted):
            return record_cached(shell.store, spec, found)
        return _compute(shell, spec, found, claims, progress)


def _compute(
    shell: Shell, spec: TaskSpec, found: Mapping[str, Found], claims: Sequence[Claim], progress: Progress
) -> Record:
    """Make what is missing, and record the smallest results that are there."""
    missing = tuple(w.name for w in spec.wanted if w.name not in found)
    started_ms, clock = time.time_ns() // 1_000_000, time.perf_counter()
    component = catalogue.component(spec.component)
    _check_version(component, spec)
    made = _make(shell, component, spec, missing, progress)
    if any(isinstance(read, Source) for read in component.reads):
        open_source(
            shell, spec.source
        )  # what was read must still be what the run began with: nothing is kept otherwise
    drift: list[str] = []
    digests: dict[str, str] = {}
    for wanted in spec.wanted:
        if wanted.name in made:
            artifact_spec = _spec_of(component, spec, wanted.name)
            where = (spec.owner, spec.video_id, spec.component)
            artifact = artifact_spec.checked(made[wanted.name])
            before = find_result(shell.store, *where, wanted.key) if spec.refresh else None
            own = write_result(shell.store, *where, wanted.key, artifact_spec, artifact, wanted.ingredients)
            if before not in (None, own.digest):
                drift.append(wanted.name)
            digests[wanted.name] = own.digest
    if not spec.refresh and not all(claim.held() for claim in claims):
        digests = {**digests, **_smallest(shell.store, spec, digests)}
    seconds = time.perf_counter() - clock
    details = {"drift": drift} if drift else {}
    return write_record(shell.store, spec, digests, found, started_ms, seconds, shell.device, details)


def _check_version(component: Component, spec: TaskSpec) -> None:
    if component.version != spec.version:
        raise VersionMismatch(
            f"{spec.component} is version {component.version} here, but the run was planned with version {spec.version}: "
            "run `make catalog` if you changed it, then analyse again"
        )


def _smallest(store: ObjectStore, spec: TaskSpec, made: Mapping[str, str]) -> dict[str, str]:
    """Of what was made and of what somebody else wrote meanwhile, who took over the claim."""
    return {name: there.digest for name, there in lookup(store, spec).items() if name in made}


def _spec_of(component: Component, spec: TaskSpec, name: str) -> ArtifactSpec:
    match component.makes:
        case ArtifactSpec() as whole:
            return whole if spec.merge or component.parts is None else component.parts
        case Each(_, item):
            return item
        case many:
            return many[name].spec


def _make(
    shell: Shell, component: Component, spec: TaskSpec, wanted: tuple[str, ...], progress: Progress
) -> Mapping[str, Artifact]:
    absent = _absent(spec)
    if absent is not None or (spec.merge and not _parts_of(spec)):
        return {name: _spec_of(component, spec, name).empty(absent) for name in wanted}
    extra = _injected(shell, component, spec, wanted)
    if spec.merge:
        return {spec.component: _with_gaps(_merged(shell, component, spec, extra), spec.gaps)}
    inputs = [
        _load(shell, spec, read, i, progress) for read, i in zip(component.reads, spec.inputs, strict=True)
    ]
    accepted = inspect.signature(component.function).parameters
    made = component.function(*inputs, **{k: v for k, v in extra.items() if k in accepted})
    if isinstance(made, Artifact):
        return {wanted[0]: made}
    if not isinstance(made, Mapping) or not set(wanted) <= set(made):
        raise InvalidArtifact(
            f"{component.name} returned {type(made).__name__}, not the outputs {list(wanted)}"
        )
    return {name: made[name] for name in wanted}


def _absent(spec: TaskSpec) -> str | None:
    """Why there is nothing to compute: an input that is needed is empty by nature."""
    if spec.merge and any(i.chunk is not None for i in spec.inputs):
        return None
    return next((i.absent for i in spec.inputs if i.absent and not i.edge.optional), None)


def _parts_of(spec: TaskSpec) -> list[Input]:
    return [i for i in spec.inputs if i.chunk is not None and i.digest is not None]


def _injected(shell: Shell, component: Component, spec: TaskSpec, wanted: tuple[str, ...]) -> dict[str, Any]:
    params = component.params(**{**component.neutral, **spec.params})
    models = shell.models(spec.models) if spec.models else {}
    return {"params": params, "chunk": spec.chunk, "wanted": wanted, "models": models}


def _merged(shell: Shell, component: Component, spec: TaskSpec, extra: Mapping[str, Any]) -> Artifact:
    parts = []
    for i in _parts_of(spec):
        assert i.chunk is not None
        parts.append(Part(i.chunk, _read(shell, spec, i)))
    if component.merge is None:
        assert isinstance(component.makes, ArtifactSpec)
        return concatenate(component.makes, parts)
    accepted = inspect.signature(component.merge).parameters
    return component.merge(parts, **{k: v for k, v in extra.items() if k in accepted})


def _with_gaps(artifact: Artifact, gaps: Sequence[tuple[int, int]]) -> Artifact:
    if not gaps:
        return artifact
    return Artifact(artifact.arrays, {**artifact.payload, "gaps": [list(g) for g in gaps]})


def _read(shell: Shell, spec: TaskSpec, i: Input) -> Artifact:
    assert i.key is not None
    assert i.digest is not None
    return read_result(shell.store, ResultId(spec.owner, spec.video_id, i.component, i.key, i.digest))


def _load(shell: Shell, spec: TaskSpec, read: Read, i: Input, progress: Progress) -> Any:
    if isinstance(read, Source):
        return open_source(shell, spec.source)
    if i.digest is None:
        return None
    artifact = _read(shell, spec, i)
    if isinstance(read, Frames):
        return watched_frames(FramePack(artifact, i.edge.view), progress)
    if isinstance(read, Audio):
        start, end = _span_of(artifact, spec)
        return watched_audio(PcmStream(artifact, start, end), progress)
    return artifact


def _span_of(pcm: Artifact, spec: TaskSpec) -> tuple[int, int]:
    if spec.chunk is not None:
        return spec.chunk.start_ms, spec.chunk.end_ms
    start = int(pcm.payload.get("start_ms", 0))
    rate = int(pcm.payload["rate"])
    return start, start + int(np.ceil(len(pcm["samples"]) * 1000 / rate))


def open_source(shell: Shell, ref: AnySource) -> SourceFile:
    """The video, if it still is the one the run began with. Raises VideoChanged; reading a bucket's may raise it later."""
    if isinstance(ref, SourceRef):
        return _file(ref)
    if shell.ranged is None:
        raise StoreFailure(f"{ref.name} lies in a bucket, which this process cannot reach")
    what = json.dumps(asdict(ref), sort_keys=True)
    return RangedSource(ref.size, partial(shell.ranged.read_range, what))


def _file(ref: SourceRef) -> FileSource:
    try:
        found = os.stat(ref.path)
    except OSError as error:
        raise VideoChanged(f"{ref.path} is gone since this run began: {error.strerror}") from error
    if (found.st_size, found.st_mtime_ns // 1000) != (ref.size, ref.mtime_us):
        raise VideoChanged(f"{ref.path} changed since this run began: analyse it again")
    return FileSource(Path(ref.path))
