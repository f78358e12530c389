"""Profiles: which components run, with which parameters. What of a profile shapes results gives ``config_hash``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

SAMPLING_POLICY_VERSION = "1"
DATAPROCESSOR_VERSION = "1"


_NARROWED = re.compile(r"(?s)(.*) \((?:only .*|part)\)")
"""Names that narrowed profiles have, and those that they had."""


class Profile(BaseModel):
    """A profile as people write it (TOML or JSON).

    ``components`` lists what is wanted; what those read is added by itself. ``set`` holds parameters by component.
    ``required``: components without which the run is failed rather than partial. ``cache_ttl_days``: within it a
    finished run answers the same question (0: always a new run, None: for ever).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = "custom"
    description: str = ""
    components: tuple[str, ...] = Field(min_length=1)
    required: tuple[str, ...] = ("probe",)
    set: dict[str, dict[str, Any]] = {}
    cache_ttl_days: int | None = Field(default=3, ge=0)


class Chosen(BaseModel):
    """One component of a normalised profile: every parameter spelt out, and the sampling of its frames, if it reads any."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    params: dict[str, Any]
    frames: dict[str, Any] | None = None
    models: dict[str, str] = {}


class NormalProfile(BaseModel):
    """A profile with nothing left implicit. ``config_hash`` is the hash of :meth:`hashed`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    components: dict[str, Chosen]
    required: tuple[str, ...]
    cache_ttl_days: int | None

    def hashed(self) -> dict[str, Any]:
        """What shapes values: components, parameters, models, policy versions. Not the name, ``required`` or the TTL."""
        return {
            "components": {n: c.model_dump(mode="json") for n, c in self.components.items()},
            "sampling_policy_version": SAMPLING_POLICY_VERSION,
            "dataprocessor_version": DATAPROCESSOR_VERSION,
        }


def part_asked(profile: Mapping[str, Any], duration_ms: int) -> tuple[int, int]:
    """[start_ms, end_ms) of a video that a normal profile (its :meth:`NormalProfile.hashed`) asks about."""
    params = profile.get("components", {}).get("probe", {}).get("params", {})
    start, end = params.get("from_ms") or 0, params.get("to_ms") or duration_ms
    return min(start, duration_ms), max(min(start, duration_ms), min(end, duration_ms))


def narrowed_name(name: str, asked: str) -> str:
    """What a profile is called of which only ``asked``, in words, was asked."""
    return f"{name} (only {asked})"


def whole_name(name: str) -> str:
    """The name of the profile that was narrowed to the one called ``name``; ``name`` if none was."""
    found = _NARROWED.fullmatch(name)
    return found[1] if found else name
