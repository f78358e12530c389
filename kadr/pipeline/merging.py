"""The default merge: chunks laid end to end along the timeline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kadr.contracts.artifact import Artifact, ArtifactSpec
from kadr.contracts.component import Part


def concatenate(spec: ArtifactSpec, parts: Sequence[Part]) -> Artifact:
    """Arrays with dimension ``spec.timeline`` and lists that stand for it are joined; all else is the first part's.

    A payload list is joined when its length is that of the timeline in every part. Raises ValueError without parts.
    """
    if not parts:
        raise ValueError("nothing to concatenate")
    arrays = {}
    for name, array in spec.arrays.items():
        pieces = [p.artifact[name] for p in parts]
        along = array.dims.index(spec.timeline) if spec.timeline in array.dims else None
        arrays[name] = pieces[0] if along is None else np.concatenate(pieces, axis=along)
    return Artifact(arrays, _payload(spec, parts))


def _payload(spec: ArtifactSpec, parts: Sequence[Part]) -> dict[str, Any]:
    lengths = [_timeline_length(spec, p.artifact) for p in parts]
    payload: dict[str, Any] = {}
    for name, value in parts[0].artifact.payload.items():
        values = [p.artifact.payload.get(name) for p in parts]
        runs = [v for v, n in zip(values, lengths, strict=True) if isinstance(v, list) and len(v) == n]
        payload[name] = [x for v in runs for x in v] if len(runs) == len(parts) else value
    return payload


def _timeline_length(spec: ArtifactSpec, artifact: Artifact) -> int | None:
    for name, array in spec.arrays.items():
        if spec.timeline in array.dims:
            return int(artifact[name].shape[array.dims.index(spec.timeline)])
    return None
