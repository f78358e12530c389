"""From a normal profile to the graph of a run: each component's inputs, outputs and what its keys are made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import Any

from kadr.contracts.errors import InvalidProfile
from kadr.contracts.packs import pack_item, pack_name, view_of
from kadr.contracts.profile import Chosen, NormalProfile
from kadr.contracts.run import Edge, Graph, MergeNode, Node, OutputNode, Request
from kadr.pipeline.catalogue import Catalogue, Entry, OutputEntry, ReadEntry
from kadr.pipeline.profiles import frames_of


def build(profile: NormalProfile, catalogue: Catalogue) -> Graph:
    """The graph of a run of ``profile``. Raises InvalidProfile for a cycle or a read that nobody can serve."""
    entries = {name: catalogue.components[name] for name in profile.components}
    nodes = {name: _node(entry, profile.components[name], entries) for name, entry in entries.items()}
    order = _order({name: _before(entry, entries) for name, entry in entries.items()})
    return Graph(catalogue=catalogue.digest, nodes=tuple(nodes[n] for n in order), required=profile.required)


def same_work(one: Graph, other: Graph) -> bool:
    """Whether two graphs compute the same: what else their catalogues had, and which parts were required, is no matter."""
    return [n.model_dump(mode="json") for n in one.nodes] == [n.model_dump(mode="json") for n in other.nodes]


def holds(request: Request, catalogue: Catalogue) -> bool:
    """Whether the components of a run are declared as they were when it was asked: then the same question finds it again."""
    profile = NormalProfile(
        name=request.profile_name,
        components=request.profile["components"],
        required=request.graph.required,
        cache_ttl_days=None,
    )
    known = catalogue.components
    settable = {n: {*known[n].params.get("properties", {})} for n in profile.components if n in known}
    if settable != {n: {*chosen.params} for n, chosen in profile.components.items()}:
        return False
    try:
        return same_work(request.graph, build(profile, catalogue))
    except InvalidProfile:
        return False


def _order(before: Mapping[str, Iterable[str]]) -> list[str]:
    sorter = TopologicalSorter({n: sorted(b) for n, b in sorted(before.items())})
    try:
        return list(sorter.static_order())
    except CycleError as error:
        raise InvalidProfile(
            f"components read each other in a circle: {' → '.join(error.args[1])}"
        ) from error


def _before(entry: Entry, entries: Mapping[str, Entry]) -> set[str]:
    names = {r.component for r in entry.reads if r.component} | ({entry.plan} if entry.plan else set())
    return {n for n in names if n in entries}


def _node(entry: Entry, chosen: Chosen, entries: Mapping[str, Entry]) -> Node:
    params = _keyed_params(entry, chosen.params)
    merge_only = set(entry.merge.params) if entry.merge else set()
    chunk_params = {k: v for k, v in params.items() if k not in merge_only}
    merge_models = set(entry.merge.models) if entry.merge else set()
    return Node(
        component=entry.name,
        version=entry.version,
        stage=entry.stage.value,
        plan=entry.plan,
        edges=tuple(_edge(entry, r, chosen, entries) for r in entry.reads),
        outputs=tuple(o for out in entry.outputs for o in _outputs(entry, out, chunk_params)),
        params=chunk_params,
        models={k: v for k, v in chosen.models.items() if k not in merge_models},
        merge=_merge(entry, params, chosen),
    )


def _keyed_params(entry: Entry, params: Mapping[str, Any]) -> dict[str, Any]:
    """Without parameters that stand at the value which means "as before they were added"."""
    return {k: v for k, v in params.items() if not (k in entry.neutral and entry.neutral[k] == v)}


def _merge(entry: Entry, params: Mapping[str, Any], chosen: Chosen) -> MergeNode | None:
    if entry.merge is None:
        return None
    models = {name: chosen.models[name] for name in entry.merge.models if name in chosen.models}
    return MergeNode(
        version=entry.merge.version, params=dict(params), models=models, major=entry.merge.spec.major
    )


def _outputs(entry: Entry, out: OutputEntry, params: Mapping[str, Any]) -> list[OutputNode]:
    """An output named like its component has the component's own key; others carry their name in theirs."""
    if out.each is not None:
        return [OutputNode(name=i["name"], params=dict(i), major=out.spec.major) for i in params[out.each]]
    name = out.name or entry.name
    used = dict(params) if out.params is None else {k: v for k, v in params.items() if k in out.params}
    if out.params is not None:
        used["output"] = name
    return [OutputNode(name=name, params=used, major=out.spec.major)]


def _edge(entry: Entry, read: ReadEntry, chosen: Chosen, entries: Mapping[str, Entry]) -> Edge:
    if read.kind == "source" or read.component is None:
        return Edge(name="source", mode="source")
    maker = entries.get(read.component)
    if read.kind == "frames":
        frames = frames_of(read, chosen.frames)
        return Edge(
            name=f"{read.component}.{pack_name(frames.fps, frames.long_side, frames.size)}",
            component=read.component,
            output=pack_item(frames)["name"],
            mode="chunk",
            view=view_of(frames),
        )
    name = f"{read.component}.{read.output}" if read.output else read.component
    if maker is None:
        return Edge(name=name, optional=True)
    _check_readable(entry, read, maker)
    return Edge(
        name=name,
        component=read.component,
        output=read.output,
        mode="chunk" if read.chunks else "whole",
        optional=read.optional,
    )


def _check_readable(entry: Entry, read: ReadEntry, maker: Entry) -> None:
    if read.chunks and (entry.plan is None or entry.plan != maker.plan):
        raise InvalidProfile(f"{entry.name} reads chunks of {maker.name}, but has not the same chunk plan")
    if not read.chunks and maker.scope == "chunk" and maker.merge is None:
        raise InvalidProfile(f"{entry.name} reads the whole of {maker.name}, which is never merged")
