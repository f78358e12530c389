"""From a profile as written to the normal profile: parameters checked and completed, dependencies added."""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kadr.contracts.component import Frames
from kadr.contracts.errors import InvalidProfile
from kadr.contracts.keys import jcs, sha256_json
from kadr.contracts.packs import pack_item
from kadr.contracts.profile import Chosen, NormalProfile, Profile
from kadr.pipeline.catalogue import FRAMES_FROM, Catalogue, Entry, ReadEntry

FOLDER = Path(__file__).parents[1] / "profiles"
SAMPLING = ("fps", "long_side")

Signature = Callable[[str], str]
"""A model's name to its signature. Raises InvalidProfile for a model without a card."""


def load_profile(name_or_path: str) -> Profile:
    """The built-in profile of that name, or the TOML/JSON file at that path. Raises InvalidProfile."""
    path = FOLDER / f"{name_or_path}.toml"
    if not os.path.isfile(path):
        path = Path(name_or_path)
    if not os.path.isfile(path):
        known = ", ".join(sorted(p.stem for p in FOLDER.glob("*.toml")))
        raise InvalidProfile(
            f"there is no profile {name_or_path!r}: name one of {known}, or a .toml or .json file"
        )
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            return Profile.model_validate_json(text)
        return Profile.model_validate({"name": path.stem, **tomllib.loads(text)})
    except (OSError, ValueError, ValidationError) as error:
        raise InvalidProfile(f"profile {path}: {error}") from error


def with_settings(profile: Profile, settings: Mapping[str, Mapping[str, Any]]) -> Profile:
    """``profile`` with parameters changed: {component: {parameter: value}}."""
    merged = {name: dict(values) for name, values in profile.set.items()}
    for name, values in settings.items():
        merged.setdefault(name, {}).update(values)
    return profile.model_copy(update={"set": merged})


def only(profile: Profile, components: Iterable[str]) -> Profile:
    """``profile`` narrowed to ``components`` (and what they read)."""
    return profile.model_copy(update={"components": tuple(components), "name": f"{profile.name} (part)"})


def normalise(profile: Profile, catalogue: Catalogue, signature: Signature) -> NormalProfile:
    """Complete and check ``profile``. Raises InvalidProfile naming the component, parameter and value at fault."""
    known = catalogue.components
    names = _closure(profile.components, catalogue)
    _check_names(profile, names, catalogue)
    chosen = {n: _choose(known[n], profile.set.get(n, {})) for n in names if n != FRAMES_FROM}
    if FRAMES_FROM in names:
        packs = _packs(chosen, catalogue)
        chosen[FRAMES_FROM] = _choose(
            known[FRAMES_FROM], {**profile.set.get(FRAMES_FROM, {}), "packs": packs}
        )
    with_models = {
        n: c.model_copy(update={"models": {m: signature(m) for m in models_of(known[n], c.params)}})
        for n, c in sorted(chosen.items())
    }
    required = tuple(sorted(set(profile.required) & set(with_models)))
    return NormalProfile(
        name=profile.name, components=with_models, required=required, cache_ttl_days=profile.cache_ttl_days
    )


def _check_names(profile: Profile, names: Iterable[str], catalogue: Catalogue) -> None:
    known = catalogue.components
    if unknown := sorted({*profile.set, *profile.required} - set(known)):
        raise InvalidProfile(f"there is no component {unknown[0]!r}: known are {', '.join(sorted(known))}")
    for name in sorted(n for n in profile.set if known[n].scope == "run"):
        raise InvalidProfile(
            f"{name} has no parameters to set: it is made of every closed run, in the same way each time"
        )
    if not names:
        made = ", ".join(profile.components)
        raise InvalidProfile(
            f"nothing is left to compute: {made} is made of what others find, so name others"
        )


def config_hash(profile: NormalProfile) -> str:
    return sha256_json(profile.hashed())


def models_of(entry: Entry, params: Mapping[str, Any]) -> tuple[str, ...]:
    """The models that a component needs with these parameters."""
    chosen = [by_value.get(str(params.get(param)), ()) for param, by_value in entry.model_params.items()]
    return tuple(dict.fromkeys((*entry.models, *(m for models in chosen for m in models))))


def frames_of(read: ReadEntry, sampling: Mapping[str, Any] | None) -> dict[str, Any]:
    """The frame pack that a Frames read takes, with the profile's sampling in place of its own."""
    if read.size is not None or read.fps is None:
        return pack_item(Frames(fps=read.fps, long_side=read.long_side, size=read.size))
    s = sampling or {}
    return pack_item(Frames(fps=s.get("fps", read.fps), long_side=s.get("long_side", read.long_side)))


def _closure(wanted: Iterable[str], catalogue: Catalogue) -> list[str]:
    found: dict[str, None] = {}
    open_names = list(wanted)
    while open_names:
        name = open_names.pop()
        if name in found:
            continue
        entry = catalogue.components.get(name)
        if entry is None:
            known = ", ".join(sorted(catalogue.components))
            raise InvalidProfile(f"there is no component {name!r}: known are {known}")
        found[name] = None
        open_names += [r.component for r in entry.reads if r.component and not r.optional]
        open_names += [entry.plan] if entry.plan else []
    return [n for n in found if catalogue.components[n].scope != "run"]


def _packs(chosen: Mapping[str, Chosen], catalogue: Catalogue) -> list[dict[str, Any]]:
    reads = [
        frames_of(read, c.frames)
        for name, c in chosen.items()
        for read in catalogue.components[name].reads
        if read.kind == "frames"
    ]
    return [pack for _, pack in sorted({p["name"]: p for p in reads}.items())]


def _choose(entry: Entry, given: Mapping[str, Any]) -> Chosen:
    properties = entry.params.get("properties", {})
    sampled = next(
        (r for r in entry.reads if r.kind == "frames" and r.size is None and r.fps is not None), None
    )
    sampling = {k: v for k, v in given.items() if sampled and k in SAMPLING and k not in properties}
    params = {k: v for k, v in given.items() if k not in sampling}
    _check_sampling(entry, sampling)
    complete = {n: p["default"] for n, p in properties.items() if "default" in p} | params
    _validate(entry, params, sampled is not None)
    frames = None
    if sampled is not None:
        pack = frames_of(sampled, sampling)
        frames = {k: pack[k] for k in SAMPLING}
    return Chosen(params=complete, frames=frames)


def _check_sampling(entry: Entry, sampling: Mapping[str, Any]) -> None:
    kinds = {"fps": (int, float), "long_side": (int,)}
    for name, value in sampling.items():
        number = isinstance(value, kinds[name]) and not isinstance(value, bool)
        if not number or not math.isfinite(value) or value <= 0:
            wanted = "a whole number of pixels" if name == "long_side" else "a number of frames a second"
            raise InvalidProfile(f"{entry.name}.{name}: {value!r} is not {wanted} above 0")


def _check_exact(entry: Entry, params: Mapping[str, Any]) -> None:
    """Parameters are hashed into keys: what canonical JSON cannot say (NaN, integers beyond 2^53) is refused."""
    for name, value in params.items():
        try:
            jcs(value)
        except ValueError as error:
            raise InvalidProfile(f"{entry.name}.{name}: {value!r} cannot be used: {error}") from error


def _validate(entry: Entry, params: Mapping[str, Any], sampled: bool) -> None:
    properties = entry.params.get("properties", {})
    for name in params:
        if name not in properties:
            names = sorted([*properties, *(SAMPLING if sampled else ())])
            raise InvalidProfile(
                f"{entry.name} has no parameter {name!r}: it has {', '.join(names) or 'none'}"
            )
    if not params:
        return
    _check_exact(entry, params)
    from jsonschema import (
        Draft202012Validator,
    )  # here, because only given parameters need it and it is slow to import

    error = next(iter(Draft202012Validator(entry.params).iter_errors(dict(params))), None)
    if error is not None:
        where = ".".join([entry.name, *(str(p) for p in error.path)])
        raise InvalidProfile(f"{where}: {error.message}")
