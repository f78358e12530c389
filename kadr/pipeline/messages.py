"""What a coordinator and its worker hosts say to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from kadr.contracts.run import Record
from kadr.pipeline.spec import TaskSpec


@dataclass(frozen=True)
class RenderSpec:
    """Render a closed run: the render stage's component, what the asker calls the video, and where the page finds it.

    Title and address are the asker's own: equal bytes under two names are one run with two reports.
    """

    owner: str
    run_id: str
    manifest: str
    component: str
    video_href: str
    title: str = ""


@dataclass(frozen=True)
class Begin:
    ticket: int
    work: TaskSpec | RenderSpec


class _Said(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Advanced(_Said):
    kind: Literal["advanced"] = "advanced"
    ticket: int
    fraction: float


class Noted(_Said):
    """Something that the person should know about the process, whatever it works on."""

    kind: Literal["noted"] = "noted"
    text: str


class Finished(_Said):
    """How a ticket ended: with a record (or rendered files), busy, or an error."""

    kind: Literal["finished"] = "finished"
    ticket: int
    record: Record | None = None
    rendered: tuple[str, ...] | None = None
    busy: bool = False
    code: str = ""
    message: str = ""
    retryable: bool = False
    details: dict[str, Any] = {}


Said = Advanced | Noted | Finished
_SAID: TypeAdapter[Said] = TypeAdapter(Annotated[Said, Field(discriminator="kind")])
MAX_BYTES = 16 << 20


def encode(said: Said) -> bytes:
    """What a host says, as JSON. Hosts open hostile files: what comes from them is parsed, never unpickled."""
    return said.model_dump_json().encode()


def decode(body: bytes) -> Said:
    """What a host said. Raises ValueError for anything else."""
    return _SAID.validate_json(body)
