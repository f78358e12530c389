"""Artifacts: what components make and read. Named arrays with declared dtype, dimensions, unit and quantum, plus JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from kadr.contracts.errors import InvalidArtifact

Arrays = Mapping[str, np.ndarray]


class Retention(StrEnum):
    """KEPT results stay as long as the video; an INTERMEDIATE's payload may expire and be made again."""

    KEPT = "kept"
    INTERMEDIATE = "intermediate"


class ArraySpec(BaseModel):
    """One named array. ``dims`` are ints (fixed) or names (free, but equal names are equal lengths within an artifact)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dtype: str
    dims: tuple[int | str, ...]
    unit: str = ""
    quantum: float | None = None
    tolerance: float | None = None
    doc: str = ""

    def empty(self) -> np.ndarray:
        return np.zeros([d if isinstance(d, int) else 0 for d in self.dims], dtype=self.dtype)

    def quantised(self, array: np.ndarray) -> np.ndarray:
        """``array`` in this spec's dtype, rounded to its quantum; never lets -0.0 or a rounding mode reach a digest.

        A float beyond the dtype's range becomes infinite, an int wraps: :meth:`ArtifactSpec.checked` refuses both.
        """
        if self.quantum is None or not np.issubdtype(np.dtype(self.dtype), np.floating):
            with np.errstate(over="ignore"):
                return array.astype(self.dtype, copy=False)
        with np.errstate(over="ignore"):
            rounded = np.round(array.astype(np.float64) / self.quantum) * self.quantum + 0.0
            return rounded.astype(self.dtype)


class ArtifactSpec(BaseModel):
    """The shape of one kind of result. ``major`` is part of keys; ``minor`` changes are additive."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    major: int = 1
    minor: int = 0
    arrays: dict[str, ArraySpec] = {}
    timeline: str | None = None
    """Free dimension that runs along time: the default merge concatenates along it."""
    retention: Retention = Retention.KEPT
    doc: str = ""

    def empty(self, absent: str | None = None) -> Artifact:
        payload = {"absent": absent} if absent else {}
        return Artifact({name: spec.empty() for name, spec in self.arrays.items()}, payload)

    def checked(self, artifact: Artifact) -> Artifact:
        """``artifact`` quantised to this spec. Raises InvalidArtifact naming the array at fault."""
        extra = set(artifact.arrays) ^ set(self.arrays)
        if extra:
            raise InvalidArtifact(f"{self.name}: arrays {sorted(extra)} are declared or made, but not both")
        lengths: dict[str, int] = {}
        arrays = {name: self._checked_array(name, artifact.arrays[name], lengths) for name in self.arrays}
        return Artifact(arrays, dict(artifact.payload))

    def _checked_array(self, name: str, array: np.ndarray, lengths: dict[str, int]) -> np.ndarray:
        spec = self.arrays[name]
        if array.ndim != len(spec.dims):
            raise InvalidArtifact(
                f"{self.name}.{name}: shape {array.shape} does not fit dimensions {spec.dims}"
            )
        for dim, length in zip(spec.dims, array.shape, strict=True):
            expected = dim if isinstance(dim, int) else lengths.setdefault(dim, length)
            if expected != length:
                raise InvalidArtifact(f"{self.name}.{name}: dimension {dim} is {length}, expected {expected}")
        if not np.can_cast(array.dtype, np.dtype(spec.dtype), "same_kind") and array.size:
            raise InvalidArtifact(f"{self.name}.{name}: dtype {array.dtype} cannot become {spec.dtype}")
        quantised = spec.quantised(array)
        wrong = _lost(array, quantised)
        if wrong is not None:
            raise InvalidArtifact(
                f"{self.name}.{name}: the value {wrong} is NaN, infinite or beyond {spec.dtype}"
            )
        return quantised


def _lost(array: np.ndarray, kept: np.ndarray) -> Any:
    """A value of ``array`` that is no number, or that the dtype of ``kept``, made from it, cannot hold; None if all is well."""
    if np.issubdtype(kept.dtype, np.floating):
        bad = ~np.isfinite(kept)
        return array[bad][0] if bad.any() else None
    if (
        not array.size
        or not np.issubdtype(kept.dtype, np.integer)
        or np.can_cast(array.dtype, kept.dtype, "safe")
    ):
        return None
    limits = np.iinfo(kept.dtype)
    return next((v for v in (int(array.min()), int(array.max())) if not limits.min <= v <= limits.max), None)


@dataclass(frozen=True)
class Artifact:
    """What a component returns: arrays (see its ArtifactSpec) and a JSON payload (strings, lists, small facts)."""

    arrays: Arrays = field(default_factory=dict)
    payload: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    @property
    def absent(self) -> str | None:
        """Why this is empty by nature: ``no_audio`` or ``no_video``; None for an ordinary result."""
        value = self.payload.get("absent")
        return str(value) if value else None
