"""Pinning the catalogue anew: what a run was asked, as the components of today answer it."""

from __future__ import annotations

from collections.abc import Iterator

from kadr.contracts.errors import InvalidProfile
from kadr.contracts.profile import Chosen, NormalProfile
from kadr.contracts.run import Graph, Request
from kadr.pipeline.catalogue import FRAMES_FROM, Catalogue, Entry
from kadr.pipeline.graph import build
from kadr.pipeline.profiles import closure, models_of, packs_of


class AskedOtherwise(InvalidProfile):
    """The run's components are not any more as it was asked of them."""

    status = 409


def repinned(request: Request, required: tuple[str, ...], catalogue: Catalogue) -> Graph:
    """The graph of the same question by ``catalogue``: versions are today's, a parameter added since means "as before".

    Raises AskedOtherwise where a component, a parameter or a model is gone that the run was asked of.
    """
    asked = {name: Chosen.model_validate(c) for name, c in request.profile["components"].items()}
    if gone := [*_gone(asked, catalogue)]:
        raise AskedOtherwise(
            f"run {request.run_id} cannot be tried again as it was asked: {'; '.join(gone)}; ask for a new run"
        )
    names = closure([n for n in asked if n != FRAMES_FROM], catalogue)
    chosen = {n: _completed(catalogue.components[n], asked.get(n, Chosen(params={}))) for n in names}
    if FRAMES_FROM in chosen:
        packs = packs_of({n: c for n, c in chosen.items() if n != FRAMES_FROM}, catalogue)
        chosen[FRAMES_FROM] = chosen[FRAMES_FROM].model_copy(update={"params": {"packs": packs}})
    profile = NormalProfile(
        name=request.profile_name,
        components=dict(sorted(chosen.items())),
        required=tuple(n for n in required if n in chosen),
        cache_ttl_days=request.cache_ttl_days,
    )
    return build(profile, catalogue)


def _gone(asked: dict[str, Chosen], catalogue: Catalogue) -> Iterator[str]:
    for name, chosen in asked.items():
        if (entry := catalogue.components.get(name)) is None:
            yield f"there is no component {name} any more"
            continue
        if lost := sorted({*chosen.params} - {*entry.params.get("properties", {})}):
            yield f"{name} has no parameter {', '.join(lost)} any more"
            continue
        if {*models_of(entry, chosen.params)} != {*chosen.models}:
            yield f"{name} works with other models"


def _completed(entry: Entry, chosen: Chosen) -> Chosen:
    properties = entry.params.get("properties", {})
    defaults = {n: p["default"] for n, p in properties.items() if "default" in p}
    return chosen.model_copy(update={"params": {**defaults, **entry.neutral, **chosen.params}})
