"""Declaring a component: the decorator and the words of its declaration.

``@component`` registers a plain function and returns it unchanged. Its parameters are, in order, what ``reads`` names; beside
them it may ask by name for ``params`` (a frozen pydantic model), ``models``, ``chunk`` (ChunkSpan) and ``wanted`` (names of the
outputs to make, when it makes several). A render function asks for ``run`` (the closed run) and makes named files.
"""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict

from kadr.contracts.artifact import Artifact, ArtifactSpec
from kadr.contracts.media import ChunkSpan


class Params(BaseModel):
    """Base of every component's parameters: frozen, unknown names are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Stage(StrEnum):
    SEGMENTER = "segmenter"
    AUDIO = "audio"
    VISUAL = "visual"
    TEXT = "text"
    RENDER = "render"


@dataclass(frozen=True)
class Whole:
    """Scope: one task for the whole video."""


@dataclass(frozen=True)
class Chunk:
    """Scope: one task a chunk of the plan that component ``plan`` makes (its output named ``plan``), then a merge."""

    plan: str


@dataclass(frozen=True)
class ClosedRun:
    """Scope of the render stage: a closed run, after ``done``."""


@dataclass(frozen=True)
class Source:
    """Reads the video's bytes."""


@dataclass(frozen=True)
class Frames:
    """Reads sampled frames. ``fps`` and ``long_side`` are defaults that a profile may change (``--set NAME.fps=1``).

    ``fps=None`` means every frame. ``size`` (width, height) asks for an exact size instead of a long side.
    """

    fps: float | None = None
    long_side: int | None = None
    size: tuple[int, int] | None = None


@dataclass(frozen=True)
class Audio:
    """Reads the mono PCM: of the task's chunk, or of the whole video."""


@dataclass(frozen=True)
class Result:
    """Reads another component's result: merged, or of the same chunk when ``chunks`` is set.

    ``output`` picks one of several outputs. ``optional``: None is handed over if it failed or is not in the profile.
    """

    component: str
    output: str | None = None
    optional: bool = False
    chunks: bool = False


Read = Source | Frames | Audio | Result
Scope = Whole | Chunk | ClosedRun


@dataclass(frozen=True)
class Output:
    """One of several results a component makes; ``params`` names the parameters that its key depends on."""

    spec: ArtifactSpec
    params: tuple[str, ...] = ()


@dataclass(frozen=True)
class Each:
    """One output for each item of the list parameter ``param``; an item's ``name`` names it and the item alone is its key's params."""

    param: str
    spec: ArtifactSpec


@dataclass(frozen=True)
class Resources:
    """What one task needs. ``seconds_per_minute``: measured cost on one core for a minute of media, before calibration."""

    cpu: float = 1.0
    memory_mb: int = 200
    gpu_memory_mb: int = 0
    seconds_per_minute: float = 0.5
    model_seconds_per_minute: Mapping[str, float] = field(default_factory=dict)
    """What models that only some parameters need add to it."""
    timeout_s: int = 3600
    batch: int = 1
    """Most tasks that a function of the service is sent in one request, which runs them one after the other."""
    batch_window_ms: int = 0
    """How long such a request waits for more tasks; without one it takes what is there."""

    def cost(self, models: Iterable[str]) -> float:
        """Seconds for a minute of media when these models are in use."""
        return self.seconds_per_minute + sum(self.model_seconds_per_minute.get(m, 0.0) for m in models)


@dataclass(frozen=True)
class Part:
    """One chunk's artifact as the merge sees it."""

    chunk: ChunkSpan
    artifact: Artifact


Makes = ArtifactSpec | Mapping[str, Output] | Each
Merge = Callable[..., Artifact]
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Component:
    """A registered component: its declaration beside the function itself."""

    name: str
    version: int
    stage: Stage
    scope: Scope
    reads: tuple[Read, ...]
    makes: Makes
    function: Callable[..., Any]
    params: type[Params]
    models: tuple[str, ...] = ()
    needs: Resources = field(default_factory=Resources)
    merge: Merge | None = None
    merge_version: int = 1
    merge_params: tuple[str, ...] = ()
    merge_models: tuple[str, ...] = ()
    parts: ArtifactSpec | None = None
    """What a chunk makes, when that differs from what the merge makes of it (``makes``)."""
    neutral: Mapping[str, Any] = field(default_factory=dict)
    """Parameters added after version 1 and the value that means "as before": left out of keys at that value."""
    model_params: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    """{parameter: {value: models}}: models that only that value of a parameter needs, e.g. ``{"detector": {"transnet": (...)}}``."""

    @property
    def doc(self) -> str:
        return inspect.getdoc(self.function) or ""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the function's parameters that take ``reads``, in order."""
        names = inspect.signature(self.function).parameters
        return tuple(n for n in names if n not in INJECTED)


INJECTED = frozenset({"params", "models", "chunk", "wanted", "run"})
REGISTRY: dict[str, Component] = {}


def component(
    name: str,
    *,
    version: int,
    stage: Stage,
    scope: Scope,
    reads: Read | Sequence[Read],
    makes: Makes,
    models: Sequence[str] = (),
    needs: Resources | None = None,
    merge: Merge | None = None,
    merge_version: int = 1,
    merge_params: Sequence[str] = (),
    merge_models: Sequence[str] = (),
    parts: ArtifactSpec | None = None,
    neutral: Mapping[str, Any] | None = None,
    model_params: Mapping[str, Mapping[str, tuple[str, ...]]] | None = None,
) -> Callable[[F], F]:
    """Register the decorated function as component ``name`` and return the function unchanged.

    Raises TypeError when the function's parameters do not match ``reads``.
    """

    def register(function: F) -> F:
        declared = Component(
            name=name,
            version=version,
            stage=stage,
            scope=scope,
            reads=(reads,) if isinstance(reads, Read) else tuple(reads),
            makes=makes,
            function=function,
            params=_params_type(function),
            models=tuple(models),
            needs=needs or Resources(),
            merge=merge,
            merge_version=merge_version,
            merge_params=tuple(merge_params),
            merge_models=tuple(merge_models),
            parts=parts,
            neutral=dict(neutral or {}),
            model_params=dict(model_params or {}),
        )
        if len(declared.inputs) != len(declared.reads):
            raise TypeError(
                f"{name}: the function takes {declared.inputs}, but reads names {len(declared.reads)} inputs"
            )
        if hidden := set(declared.merge_params) & set(declared.model_params):
            raise TypeError(
                f"{name}: {sorted(hidden)} choose models, so chunks must see them: not merge parameters"
            )
        REGISTRY[name] = declared
        return function

    return register


def _params_type(function: Callable[..., Any]) -> type[Params]:
    if "params" not in inspect.signature(function).parameters:
        return Params
    found = typing.get_type_hints(function)["params"]
    if not (isinstance(found, type) and issubclass(found, Params)):
        raise TypeError(
            f"{function.__name__}: params must be annotated with a subclass of Params, not {found}"
        )
    return found
