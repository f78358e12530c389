"""decode: one pass over a chunk of the video makes every frame pack that components read."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pydantic import BaseModel, ConfigDict, Field, model_validator

from kadr.contracts.artifact import Artifact
from kadr.contracts.component import Chunk, Each, Params, Resources, Result, Source, Stage, component
from kadr.contracts.media import ChunkSpan, SourceFile
from kadr.contracts.packs import EXACT_QUALITY, FRAME_PACK, QUALITY
from kadr.media.sampling import make_packs


class Pack(BaseModel):
    """One pack: as ``kadr.contracts.packs.pack_item`` makes them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    fps: float | None = Field(default=None, gt=0)
    long_side: int | None = Field(default=None, gt=0)
    size: tuple[int, int] | None = None
    quality: int = Field(default=QUALITY, ge=1, le=100)
    wide_fps: float | None = Field(default=None, gt=0)
    wide_long_side: int | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _of_one_size(self) -> Pack:
        if self.quality >= EXACT_QUALITY and (self.wide_fps or self.wide_long_side):
            raise ValueError(
                f"{self.name}: at quality {self.quality} no wide pictures: from {EXACT_QUALITY} on all files of a pack "
                "have to begin alike, and so be of one size"
            )
        return self


class DecodeParams(Params):
    """``packs``: what the components of the run read, put together by the planner."""

    packs: tuple[Pack, ...] = ()


@component(
    "decode",
    version=3,
    stage=Stage.SEGMENTER,
    scope=Chunk("probe"),
    reads=(Source(), Result("probe", "probe")),
    makes=Each("packs", FRAME_PACK),
    needs=Resources(cpu=2, memory_mb=400, seconds_per_minute=4),
)
def decode(
    source: SourceFile, probe: Artifact, params: DecodeParams, chunk: ChunkSpan, wanted: Collection[str]
) -> Mapping[str, Artifact]:
    """Decode the chunk once, from the key frame at or before its start, and sample all wanted packs from it."""
    items = [pack for pack in params.packs if pack.name in wanted]
    return make_packs(source, probe.payload, items, chunk)
