"""probe: what is in the file, where its key frames are, and how its timeline is cut into chunks."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
from pydantic import Field

from kadr.contracts.artifact import ArraySpec, Artifact, ArtifactSpec
from kadr.contracts.component import Output, Params, Resources, Source, Stage, Whole, component
from kadr.contracts.media import SourceFile
from kadr.media.plan import OVERLAP_MS, plan_chunks
from kadr.media.probe import Probed, probe_source

PROBE = ArtifactSpec(name="probe", doc="Facts about the file; all in the payload.")
PLAN = ArtifactSpec(
    name="plan",
    arrays={
        "start_ms": ArraySpec(dtype="int64", dims=("C",), unit="ms"),
        "end_ms": ArraySpec(dtype="int64", dims=("C",), unit="ms"),
    },
    doc="Chunks of the timeline, cut at key frames. Payload: overlap_ms.",
)
INDEX = ArtifactSpec(
    name="sample_index",
    arrays={
        "key_frame_ms": ArraySpec(dtype="int64", dims=("K",), unit="ms"),
        "key_frame_pos": ArraySpec(
            dtype="int64", dims=("K",), unit="byte", doc="-1 where the container does not say"
        ),
    },
)


class ProbeParams(Params):
    """``from_ms``, ``to_ms`` limit what is analysed; ``chunk_ms`` sets the chunks' length (automatic when null)."""

    from_ms: int | None = Field(default=None, ge=0)
    to_ms: int | None = Field(default=None, ge=1)
    chunk_ms: int | None = Field(default=None, ge=500)


@component(
    "probe",
    version=7,
    stage=Stage.SEGMENTER,
    scope=Whole(),
    reads=Source(),
    makes={
        "probe": Output(PROBE),
        "plan": Output(PLAN, params=("from_ms", "to_ms", "chunk_ms")),
        "index": Output(INDEX),
    },
    needs=Resources(cpu=1, memory_mb=150, seconds_per_minute=0.05),
)
def probe(source: SourceFile, params: ProbeParams, wanted: Collection[str]) -> Mapping[str, Artifact]:
    """Read the file's streams, their real extent, its key frames, and cut the timeline into chunks."""
    probed = probe_source(source)
    made = {"probe": Artifact({}, probed.facts), "plan": _plan(probed, params), "index": _index(probed)}
    return {name: made[name] for name in made if name in wanted}


def _plan(probed: Probed, params: ProbeParams) -> Artifact:
    video = probed.facts["video"]
    if video is None:
        return PLAN.empty("no_video")
    keys = probed.index.key_ms if video["timed"] else ()
    spans = plan_chunks(keys, probed.facts["duration_ms"], params.from_ms, params.to_ms, params.chunk_ms)
    bounds = np.array(spans, dtype=np.int64).reshape(-1, 2)
    return Artifact({"start_ms": bounds[:, 0], "end_ms": bounds[:, 1]}, {"overlap_ms": OVERLAP_MS})


def _index(probed: Probed) -> Artifact:
    keys, positions = probed.index.key_ms, probed.index.key_pos
    return Artifact(
        {"key_frame_ms": np.array(keys, dtype=np.int64), "key_frame_pos": np.array(positions, dtype=np.int64)}
    )
