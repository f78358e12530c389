"""captions: subtitles that come with the video, embedded or beside it, as a source of text next to recognised speech."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import Field

from kadr.contracts.artifact import ArraySpec, Artifact, ArtifactSpec
from kadr.contracts.component import Params, Resources, Result, Source, Stage, Whole, component
from kadr.contracts.errors import InvalidProfile
from kadr.contracts.media import SourceFile
from kadr.media.cues import Cue, sidecar_cues
from kadr.media.subtitles import TEXT_CODECS, embedded_cues

CAPTIONS = ArtifactSpec(
    name="captions",
    arrays={
        "start_ms": ArraySpec(dtype="int64", dims=("S",), unit="ms"),
        "end_ms": ArraySpec(dtype="int64", dims=("S",), unit="ms"),
    },
    timeline="S",
    doc='Payload: text (one a caption), language or null, source: "embedded:<stream index>", "sidecar" or null, '
    "late: how many begin after the video's end and are left out.",
)
MAX_SIDECAR_CHARACTERS = 8_000_000


class CaptionsParams(Params):
    """``sidecar``: the text of an SRT, WebVTT or ASS file, used in place of embedded ones; ``language``: of the captions."""

    sidecar: str | None = Field(default=None, max_length=MAX_SIDECAR_CHARACTERS)
    language: str | None = None
    stream: int | None = Field(default=None, ge=0)


@component(
    "captions",
    version=3,
    stage=Stage.SEGMENTER,
    scope=Whole(),
    reads=(Source(), Result("probe", "probe")),
    makes=CAPTIONS,
    needs=Resources(cpu=1, memory_mb=100, seconds_per_minute=0.02),
)
def captions(source: SourceFile, probe: Artifact, params: CaptionsParams) -> Artifact:
    """Read the sidecar captions if given, else the first embedded text subtitles; empty if there are none."""
    end_ms = probe.payload["duration_ms"]
    if params.sidecar is not None:
        return _artifact(sidecar_cues(params.sidecar), "sidecar", params.language, end_ms)
    stream = _chosen(probe.payload["subtitles"], params)
    if stream is None:
        return _artifact([], None, None, end_ms)
    cues = embedded_cues(source, probe.payload, stream["index"])
    return _artifact(cues, f"embedded:{stream['index']}", params.language or stream["language"], end_ms)


def _chosen(streams: Sequence[Mapping[str, Any]], params: CaptionsParams) -> Mapping[str, Any] | None:
    texts = [s for s in streams if s["codec"] in TEXT_CODECS]
    if params.stream is not None:
        texts = [s for s in texts if s["index"] == params.stream]
        if not texts:
            known = ", ".join(f"{s['index']} ({s['codec']})" for s in streams) or "none"
            raise InvalidProfile(f"stream is {params.stream}, but the video's subtitle streams are: {known}")
    wanted = [s for s in texts if params.language and s["language"] == params.language]
    return next(iter(wanted or texts), None)


def _artifact(cues: Sequence[Cue], source: str | None, language: str | None, end_ms: int) -> Artifact:
    """``cues`` that begin before the video ends at ``end_ms``, up to there; the others are counted."""
    kept = [c for c in cues if c.start_ms < end_ms]
    times = np.array([(c.start_ms, min(c.end_ms, end_ms)) for c in kept], dtype=np.int64).reshape(-1, 2)
    payload = {
        "text": [c.text for c in kept],
        "language": language,
        "source": source,
        "late": len(cues) - len(kept),
    }
    return Artifact({"start_ms": times[:, 0], "end_ms": times[:, 1]}, payload)
