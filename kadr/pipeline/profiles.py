"""From a profile as written to the normal profile: parameters checked and completed, dependencies added."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from kadr.contracts.component import Frames
from kadr.contracts.errors import InvalidProfile
from kadr.contracts.faults import faults, inexact, meant
from kadr.contracts.keys import sha256_json
from kadr.contracts.packs import pack_item, snapped
from kadr.contracts.profile import Chosen, NormalProfile, Profile, narrowed_name
from kadr.pipeline import catalogue as catalogues
from kadr.pipeline.catalogue import FRAMES_FROM, Catalogue, Entry, ReadEntry

FOLDER = Path(__file__).parents[1] / "profiles"
SAMPLING: Mapping[str, Any] = {
    "fps": {"type": "number", "exclusiveMinimum": 0},
    "long_side": {"type": "integer", "exclusiveMinimum": 0},
}
"""Parameters, and their schemas, of every component that reads frames sampled in time."""
SUFFIXES = (".toml", ".json")
LISTED = 3
"""Components that the name of a narrowed profile lists, at most."""

Signature = Callable[[str], str]
"""A model's name to its signature. Raises InvalidProfile for a model without a card."""


def load_profile(name_or_path: str) -> Profile:
    """The built-in profile of that name, or the TOML/JSON file at that path. Raises InvalidProfile with every fault."""
    path = FOLDER / f"{name_or_path}.toml"
    if not os.path.isfile(path):
        path = Path(name_or_path)
    if not os.path.isfile(path):
        raise InvalidProfile(_no_profile(name_or_path))
    written = {"name": path.stem, **_read(path)}
    if found := _misspelt(written):
        raise _faulty(path, [*found, *_beside(written, catalogues.load())])
    profile = Profile.model_validate(written)
    if path.parent != FOLDER and (found := list(_own_faults(profile, catalogues.load()))):
        raise _faulty(path, found)
    return profile


def _no_profile(named: str) -> str:
    known = sorted(p.stem for p in FOLDER.glob("*.toml"))
    if os.path.isdir(named):
        return f"profile {named} is a folder: name a .toml or .json file, or one of {', '.join(known)}"
    if Path(named).suffix in SUFFIXES or Path(named).name != named:
        return f"profile {named}: there is no such file; name one that is there, or one of {', '.join(known)}"
    return (
        f"there is no profile {named!r}{meant(named, known)}: "
        f"name one of {', '.join(known)}, or a .toml or .json file"
    )


def _read(path: Path) -> dict[str, Any]:
    kind = "JSON" if path.suffix == ".json" else "TOML"
    try:
        text = path.read_text(encoding="utf-8")
        written = json.loads(text) if kind == "JSON" else tomllib.loads(text)
    except OSError as error:
        raise _faulty(path, [f"cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise _faulty(path, ["is not UTF-8 text"]) from error
    except (ValueError, RecursionError) as error:
        raise _faulty(path, [f"is not valid {kind}: {error}"]) from error
    if not isinstance(written, dict):
        raise _faulty(path, ['is not a table of names and values, such as {"components": ["ocr"]}'])
    return written


def _faulty(path: Path, found: Iterable[str]) -> InvalidProfile:
    return InvalidProfile("\n".join(f"profile {path}: {fault}" for fault in found))


def _misspelt(written: Mapping[str, Any]) -> list[str]:
    """What of a profile's file is not as a profile is written."""
    schema = Profile.model_json_schema()
    known = [*schema["properties"]]
    listed = f"a profile may have {', '.join(known)}"
    found = [f"there is no key {k!r}{meant(k, known)}: {listed}" for k in written if k not in known]
    if "components" not in written:
        found.append('components is missing: list what to compute, such as components = ["speech", "ocr"]')
    return found + faults(schema, written)


def _beside(written: Mapping[str, Any], catalogue: Catalogue) -> list[str]:
    """What is wrong with components and their parameters in a profile's file that has other faults as well."""
    schema = Profile.model_json_schema()
    tables = written.get("set")
    params = {c: p for c, p in tables.items() if isinstance(p, dict)} if isinstance(tables, dict) else {}
    listed = {k: written[k] for k in ("components", "required") if k in written}
    sound = {k: v for k, v in listed.items() if not faults(schema, {k: v})}
    profile = Profile.model_construct(**{"components": (), "required": (), **sound, "set": params})
    return [*_unknown(profile, catalogue), *_params(profile, catalogue)]


def _own_faults(profile: Profile, catalogue: Catalogue) -> Iterator[str]:
    """What of a profile's file cannot be met, or would say nothing."""
    if found := [*_unknown(profile, catalogue)]:
        yield from (*found, *_params(profile, catalogue))
        return
    names = components_of(profile, catalogue)
    yield from _problems(profile, names, catalogue)
    for name in sorted(n for n in profile.set if n not in names and catalogue.components[n].scope != "run"):
        yield f"set.{name}: {absent(name, names)}"
    if "required" in profile.model_fields_set:
        for name in (n for n in profile.required if n not in names):
            yield f"required: {absent(name, names)}"


def with_settings(profile: Profile, settings: Mapping[str, Mapping[str, Any]]) -> Profile:
    """``profile`` with parameters changed: {component: {parameter: value}}."""
    merged = {name: dict(values) for name, values in profile.set.items()}
    for name, values in settings.items():
        merged.setdefault(name, {}).update(values)
    return profile.model_copy(update={"set": merged})


def only(profile: Profile, components: Iterable[str]) -> Profile:
    """``profile`` narrowed to ``components`` (and what they read); its name says so."""
    asked = tuple(dict.fromkeys(components))
    rest = f" and {len(asked) - LISTED} more" if len(asked) > LISTED else ""
    name = narrowed_name(profile.name, ", ".join(asked[:LISTED]) + rest)
    return profile.model_copy(update={"components": asked, "name": name})


def normalise(profile: Profile, catalogue: Catalogue, signature: Signature) -> NormalProfile:
    """Complete and check ``profile``. Raises InvalidProfile naming each component, parameter and value at fault."""
    known = catalogue.components
    names = components_of(profile, catalogue)
    if found := [*_unknown(profile, catalogue), *_problems(profile, names, catalogue)]:
        raise InvalidProfile("\n".join(found))
    chosen = {n: _choose(known[n], profile.set.get(n, {})) for n in names if n != FRAMES_FROM}
    if FRAMES_FROM in names:
        chosen[FRAMES_FROM] = _choose(known[FRAMES_FROM], {"packs": packs_of(chosen, catalogue)})
    with_models = {
        n: c.model_copy(update={"models": {m: signature(m) for m in models_of(known[n], c.params)}})
        for n, c in sorted(chosen.items())
    }
    required = tuple(sorted(set(profile.required) & set(with_models)))
    return NormalProfile(
        name=profile.name, components=with_models, required=required, cache_ttl_days=profile.cache_ttl_days
    )


def components_of(profile: Profile, catalogue: Catalogue) -> list[str]:
    """Names of all that ``profile`` runs: what it lists and what that reads, report apart. Raises InvalidProfile."""
    if unknown := [_no_component(n, catalogue) for n in profile.components if n not in catalogue.components]:
        raise InvalidProfile("\n".join(unknown))
    return closure(profile.components, catalogue)


def absent(name: str, names: Collection[str]) -> str:
    return f"{name} is not in this run, which has {', '.join(sorted(names))}"


def _no_component(name: str, catalogue: Catalogue) -> str:
    known = catalogue.components
    return f"there is no component {name!r}{meant(name, known)}: known are {', '.join(sorted(known))}"


def _unknown(profile: Profile, catalogue: Catalogue) -> Iterator[str]:
    named = dict.fromkeys([*profile.components, *profile.required, *profile.set])
    return (_no_component(name, catalogue) for name in named if name not in catalogue.components)


def _problems(profile: Profile, names: Collection[str], catalogue: Catalogue) -> Iterator[str]:
    """Why a run of ``names``, which are known, with these parameters cannot be."""
    if not names:
        made = ", ".join(profile.components)
        yield f"nothing is left to compute: {made} is made of what others find, so name others"
    yield from _params(profile, catalogue)
    for name in names:
        reads = catalogue.components[name].reads
        if reads and all(r.optional and r.component not in names for r in reads):
            sources = ", ".join(r.component for r in reads if r.component)
            yield f"{name} is made of {sources}, and none of them is in the run: name one beside it"


def _params(profile: Profile, catalogue: Catalogue) -> Iterator[str]:
    """What is wrong with parameters of components that there are."""
    for name, params in profile.set.items():
        if name in catalogue.components:
            yield from _param_faults(catalogue.components[name], params)


def _param_faults(entry: Entry, params: Mapping[str, Any]) -> Iterator[str]:
    if entry.scope == "run":
        yield (
            f"{entry.name} has no parameters to set: it is made of every closed run, in the same way each time"
        )
        return
    if entry.name == FRAMES_FROM:
        yield f"{entry.name} has no parameters to set: set fps or long_side of the components that read frames"
        return
    known = {**(SAMPLING if _sampled(entry) else {}), **entry.params.get("properties", {})}
    for name in (n for n in params if n not in known):
        has = f"it has {', '.join(sorted(known))}" if known else "it has none"
        yield f"{entry.name} has no parameter {name!r}{meant(name, known)}: {has}"
    given = {name: value for name, value in params.items() if name in known}
    if vague := [fault for name, value in given.items() for fault in inexact(value, f"{entry.name}.{name}")]:
        yield from vague
    elif given:
        yield from faults({**entry.params, "properties": known}, given, entry.name)


def config_hash(profile: NormalProfile) -> str:
    return sha256_json(profile.hashed())


def models_of(entry: Entry, params: Mapping[str, Any]) -> tuple[str, ...]:
    """The models that a component needs with these parameters."""
    chosen = [by_value.get(str(params.get(param)), ()) for param, by_value in entry.model_params.items()]
    return tuple(dict.fromkeys((*entry.models, *(m for models in chosen for m in models))))


def frames_of(read: ReadEntry, sampling: Mapping[str, Any] | None) -> Frames:
    """What a Frames read asks for, on the ladder, with the profile's sampling in place of its own."""
    if read.size is not None or read.fps is None:
        return snapped(Frames(fps=read.fps, long_side=read.long_side, size=read.size))
    s = sampling or {}
    return snapped(Frames(fps=s.get("fps", read.fps), long_side=s.get("long_side", read.long_side)))


def closure(wanted: Iterable[str], catalogue: Catalogue) -> list[str]:
    found: dict[str, None] = {}
    open_names = list(wanted)
    while open_names:
        name = open_names.pop()
        if name in found:
            continue
        entry = catalogue.components[name]
        found[name] = None
        open_names += [r.component for r in entry.reads if r.component and not r.optional]
        open_names += [entry.plan] if entry.plan else []
    return [n for n in found if catalogue.components[n].scope != "run"]


def packs_of(chosen: Mapping[str, Chosen], catalogue: Catalogue) -> list[dict[str, Any]]:
    reads = [
        pack_item(frames_of(read, c.frames))
        for name, c in chosen.items()
        for read in catalogue.components[name].reads
        if read.kind == "frames"
    ]
    return [pack for _, pack in sorted({p["name"]: p for p in reads}.items())]


def _sampled(entry: Entry) -> ReadEntry | None:
    """The read whose sampling a profile may change."""
    return next((r for r in entry.reads if r.kind == "frames" and r.size is None and r.fps is not None), None)


def _choose(entry: Entry, given: Mapping[str, Any]) -> Chosen:
    """Every parameter of ``entry`` spelt out; ``given`` is known to be valid."""
    properties = entry.params.get("properties", {})
    sampled = _sampled(entry)
    sampling = {k: v for k, v in given.items() if sampled and k in SAMPLING and k not in properties}
    params = {k: v for k, v in given.items() if k not in sampling}
    complete = {n: p["default"] for n, p in properties.items() if "default" in p} | params
    if sampled is None:
        return Chosen(params=complete)
    frames = frames_of(sampled, sampling)
    return Chosen(params=complete, frames={k: getattr(frames, k) for k in SAMPLING})
