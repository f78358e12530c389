"""What a coordinator knows of one run that it drives."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from kadr.contracts.manifest import Manifest
from kadr.contracts.run import Request
from kadr.pipeline.admission import Admitted
from kadr.pipeline.epochs import Stored
from kadr.pipeline.spec import AnySource, ObjectRef, TaskSpec
from kadr.pipeline.state import Memo, RunState


@dataclass
class LocalRun:
    """A run under way in this process."""

    request: Request
    source: AnySource
    refresh: bool
    video_href: str = ""
    wants_report: bool = True
    title: str = ""
    objects: dict[str, Stored] = field(default_factory=dict)
    memo: Memo = field(default_factory=dict)
    state: RunState | None = None
    dirty: bool = True
    distrusted: bool = False
    """What is remembered of the objects is to be read anew."""
    flying: set[str] = field(default_factory=set)
    missed: dict[str, TaskSpec] = field(default_factory=dict)
    not_before: dict[str, float] = field(default_factory=dict)
    attempts: Counter[tuple[str, str]] = field(default_factory=Counter)
    alone: set[str] = field(default_factory=set)
    rearmed: dict[str, set[str]] = field(default_factory=dict)
    """Tasks that wait for inputs whose payload had expired, and who makes those again."""
    scanned: float = 0.0
    computed: int = 0
    duration_ms: int | None = None
    manifest: Manifest | None = None
    rendering: bool = False
    renders: int = 0
    """Attempts at the report."""
    told: set[str] = field(default_factory=set)
    """Tasks whose start was told."""
    files: tuple[str, ...] | None = None
    error: Exception | None = None
    ended: float = 0.0
    """On the monotonic clock."""

    @classmethod
    def of(cls, admitted: Admitted, video_href: str, wants_report: bool = True, title: str = "") -> LocalRun:
        return cls(admitted.request, admitted.source, admitted.refresh, video_href, wants_report, title)

    @classmethod
    def waiting(cls, request: Request) -> LocalRun:
        """A run whose bytes are not known yet."""
        return cls(request, ObjectRef("", 0, ""), request.refresh)

    @property
    def finished(self) -> bool:
        return self.files is not None or self.error is not None
