"""The catalogue: every component's declaration as data. Planner, router, API and manifests read only this.

It is generated from the declarations (``python -m kadr.pipeline.catalogue``), committed as ``kadr/catalog.json`` and
checked for drift by a test, so that planning imports no component and none of its libraries.
"""

from __future__ import annotations

import functools
import importlib
import json
import sys
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from kadr.contracts.artifact import ArtifactSpec, Retention
from kadr.contracts.component import (
    REGISTRY,
    Audio,
    Chunk,
    ClosedRun,
    Component,
    Each,
    Frames,
    Output,
    Read,
    Resources,
    Result,
    Source,
    Stage,
)
from kadr.contracts.keys import sha256_json

PATH = Path(__file__).parents[1] / "catalog.json"
FUNCTIONS = Path(__file__).parents[2] / "functions"
FRAMES_FROM, AUDIO_FROM = "decode", "pcm"
"""The components that make frame packs and PCM: what Frames() and Audio() read."""


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ReadEntry(_Frozen):
    """One read: ``component`` None is the source itself; frames and audio are reads of their makers."""

    kind: Literal["source", "frames", "audio", "result"]
    component: str | None = None
    output: str | None = None
    optional: bool = False
    chunks: bool = False
    fps: float | None = None
    long_side: int | None = None
    size: tuple[int, int] | None = None


class OutputEntry(_Frozen):
    """One result, or one for each item of list parameter ``each``. ``params`` None: all of them are in its key."""

    name: str | None = None
    each: str | None = None
    params: tuple[str, ...] | None = None
    spec: ArtifactSpec


class MergeEntry(_Frozen):
    version: int
    params: tuple[str, ...]
    models: tuple[str, ...]
    spec: ArtifactSpec


class Entry(_Frozen):
    """A component's declaration as data."""

    name: str
    version: int
    stage: Stage
    scope: Literal["whole", "chunk", "run"]
    plan: str | None = None
    reads: tuple[ReadEntry, ...]
    outputs: tuple[OutputEntry, ...]
    merge: MergeEntry | None = None
    params: dict[str, Any]
    neutral: dict[str, Any] = {}
    models: tuple[str, ...] = ()
    model_params: dict[str, dict[str, tuple[str, ...]]] = {}
    needs: dict[str, Any]
    doc: str

    @property
    def resources(self) -> Resources:
        return Resources(**self.needs)


class Catalogue(_Frozen):
    components: dict[str, Entry]

    @functools.cached_property
    def digest(self) -> str:
        return sha256_json(self.model_dump(mode="json", exclude_defaults=True))

    def text(self) -> str:
        return (
            json.dumps(self.model_dump(mode="json", exclude_defaults=True), indent=1, sort_keys=True) + "\n"
        )


@functools.cache
def load(path: Path = PATH) -> Catalogue:
    return Catalogue.model_validate_json(path.read_text())


def component(name: str) -> Component:
    """The registered component ``name``, importing just its folder."""
    importlib.import_module(f"functions.{name}.component")
    return REGISTRY[name]


def generate(folder: Path = FUNCTIONS) -> Catalogue:
    """The catalogue of every folder below ``functions/`` that has a component.py."""
    names = sorted(path.parent.name for path in folder.glob("*/component.py"))
    return Catalogue(components={name: _entry(component(name)) for name in names})


def _entry(c: Component) -> Entry:
    return Entry(
        name=c.name,
        version=c.version,
        stage=c.stage,
        scope="chunk" if isinstance(c.scope, Chunk) else "run" if isinstance(c.scope, ClosedRun) else "whole",
        plan=c.scope.plan if isinstance(c.scope, Chunk) else None,
        reads=tuple(_read(r) for r in c.reads),
        outputs=_outputs(c),
        merge=_merge(c),
        params=c.params.model_json_schema(),
        neutral=dict(c.neutral),
        models=c.models,
        model_params={p: dict(v) for p, v in c.model_params.items()},
        needs={k: v for k, v in vars(c.needs).items() if v != getattr(Resources(), k)},
        doc=c.doc,
    )


def _read(read: Read) -> ReadEntry:
    match read:
        case Source():
            return ReadEntry(kind="source")
        case Frames(fps, long_side, size):
            return ReadEntry(kind="frames", component=FRAMES_FROM, fps=fps, long_side=long_side, size=size)
        case Audio():
            return ReadEntry(kind="audio", component=AUDIO_FROM)
        case Result(name, output, optional, chunks):
            return ReadEntry(kind="result", component=name, output=output, optional=optional, chunks=chunks)


def _outputs(c: Component) -> tuple[OutputEntry, ...]:
    match c.makes:
        case Each(param, spec):
            return (OutputEntry(each=param, spec=spec),)
        case ArtifactSpec() as spec:
            return (OutputEntry(name=c.name, spec=c.parts or spec),)
        case many:
            return tuple(_output(n, o) for n, o in many.items())


def _output(name: str, output: Output) -> OutputEntry:
    return OutputEntry(name=name, params=output.params, spec=output.spec)


def _merge(c: Component) -> MergeEntry | None:
    """Chunked results are merged unless they are intermediate (packs): nobody keeps those."""
    if not isinstance(c.scope, Chunk) or not isinstance(c.makes, ArtifactSpec):
        return None
    if c.makes.retention is Retention.INTERMEDIATE:
        return None
    return MergeEntry(version=c.merge_version, params=c.merge_params, models=c.merge_models, spec=c.makes)


def main() -> None:
    """Write kadr/catalog.json anew from the declarations; with ``--check`` only say whether it is up to date."""
    text = generate().text()
    if "--check" not in sys.argv:
        PATH.write_text(text)
    elif not PATH.is_file() or PATH.read_text() != text:
        sys.exit(f"{PATH} does not say what the declarations say: run `make catalog` and commit it")


if __name__ == "__main__":
    main()
