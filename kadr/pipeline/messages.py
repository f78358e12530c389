"""What a coordinator and its worker hosts say to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kadr.contracts.run import Record
from kadr.pipeline.spec import TaskSpec


@dataclass(frozen=True)
class RenderSpec:
    """Render a closed run: the render stage's component, and where the page finds the video."""

    owner: str
    run_id: str
    manifest: str
    component: str
    video_href: str


@dataclass(frozen=True)
class Begin:
    ticket: int
    work: TaskSpec | RenderSpec


@dataclass(frozen=True)
class Advanced:
    ticket: int
    fraction: float


@dataclass(frozen=True)
class Noted:
    """Something that the person should know about the process, whatever it works on."""

    text: str


@dataclass(frozen=True)
class Finished:
    """How a ticket ended: with a record (or rendered files), busy, or an error."""

    ticket: int
    record: Record | None = None
    rendered: tuple[str, ...] | None = None
    busy: bool = False
    code: str = ""
    message: str = ""
    retryable: bool = False
    details: Mapping[str, Any] | None = None
