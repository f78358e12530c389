"""What components cost on this machine, as earlier runs measured it; never one number from one run of something else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from kadr.contracts.errors import InvalidObject, ObjectMissing
from kadr.contracts.manifest import Manifest
from kadr.contracts.profile import part_asked
from kadr.contracts.run import Graph, Record, RunStatus
from kadr.pipeline.admission import runs_of
from kadr.pipeline.catalogue import Catalogue
from kadr.storage import layout
from kadr.storage.files import FileStore
from kadr.storage.newest import newest
from kadr.storage.results import ResultId, read_header

LOOKED_AT = 20
"""Manifests read, at most, to learn what components cost, and as many again of the video itself."""
SHORT_MS = 5_000
"""Of less media the time is that of beginning, not of computing."""


@dataclass(frozen=True)
class Sample:
    """What all of a component took once. ``seconds``: for a minute of media. ``idle``: it found nothing to work on."""

    video_id: str
    span: tuple[int, int]
    settings: Any
    models: frozenset[str]
    seconds: float
    idle: bool


@dataclass
class Costs:
    """Samples of the machine's newest runs, and of the newest of each video that is asked about."""

    store: FileStore
    samples: dict[str, list[Sample]] = field(default_factory=lambda: defaultdict(list))
    read: set[str] = field(default_factory=set)

    @classmethod
    def measured(cls, store: FileStore) -> Costs:
        costs = cls(store)
        prefix = layout.runs_prefix(layout.LOCAL_OWNER)
        costs._add(n for n in store.list(prefix) if n.endswith("/manifest.json"))
        return costs

    def of(
        self,
        video_id: str,
        span: tuple[int, int],
        graph: Graph,
        asked: Mapping[str, Any],
        catalogue: Catalogue,
    ) -> dict[str, tuple[float, float]]:
        """The least and the most seconds for a minute of media, by component; ``asked``: the profile's components.

        The same question about the same video costs what it cost. For another one, what is declared counts as well as
        what this video took; of a video that was never measured, as well as what others took.
        """
        owner = layout.LOCAL_OWNER
        self._add(layout.manifest_copy(owner, r.run_id) for r in runs_of(self.store, owner, video_id))
        found = {}
        for node in graph.nodes:
            name, models = node.component, frozenset(node.models)
            declared = catalogue.components[name].resources.cost(models)
            alike = [s for s in self.samples[name] if s.models == models]
            mine = [s for s in alike if s.video_id == video_id]
            same = [s.seconds for s in mine if (s.settings, s.span) == (asked.get(name), span)]
            worked = [s.seconds for s in mine if not s.idle] or [s.seconds for s in alike if not s.idle]
            seconds = same or [*worked, declared]
            found[name] = (min(seconds), max(seconds))
        return found

    def _add(self, names: Iterable[str]) -> None:
        for name in newest(self.store, (n for n in names if n not in self.read), LOOKED_AT):
            self.read.add(name)
            try:
                manifest = Manifest.model_validate_json(self.store.get(name))
            except (ValueError, ObjectMissing, InvalidObject):
                continue
            if manifest.status is not RunStatus.CANCELLED:
                for component, sample in _samples(self.store, manifest):
                    self.samples[component].append(sample)


def _samples(store: FileStore, manifest: Manifest) -> Iterator[tuple[str, Sample]]:
    """Of components of which every task was computed: their time over the time they worked on."""
    owner, video_id, asked = manifest.request.owner, manifest.video_id, manifest.request.profile
    span = None if video_id is None else _span(store, manifest, video_id)
    if span is None or video_id is None:
        return
    for node in manifest.graph.nodes:
        name, summary = node.component, manifest.components.get(node.component)
        record = manifest.final(name)
        if summary is None or record is None or summary.state != "succeeded":
            continue
        planned = manifest.final(node.plan) if node.plan else None
        chunks = planned.chunks() if planned is not None else ()
        length_ms = sum(c.end_ms - c.start_ms for c in chunks) if node.plan else span[1] - span[0]
        if summary.computed == summary.tasks and length_ms >= SHORT_MS:
            settings, models = asked.get("components", {}).get(name), frozenset(node.models)
            idle = _idle(store, owner, video_id, name, record)
            seconds = summary.seconds * 60_000 / length_ms
            yield name, Sample(video_id, span, settings, models, seconds, idle)


def _span(store: FileStore, manifest: Manifest, video_id: str) -> tuple[int, int] | None:
    """The part of the video that was asked about; None if nobody knows any more how long that is."""
    probe = manifest.final("probe")
    if probe is None:
        return None
    result = probe.result("probe")
    try:
        header = read_header(
            store, ResultId(manifest.request.owner, video_id, "probe", result.key, result.digest)
        )
        return part_asked(manifest.request.profile, int(header["payload"]["duration_ms"]))
    except (ObjectMissing, InvalidObject, KeyError, TypeError, ValueError):
        return None


def _idle(store: FileStore, owner: str, video_id: str, component: str, record: Record) -> bool:
    """Whether there was nothing of what the component looks for, or nobody knows any more."""
    if record.absent:
        return True
    try:
        made = [
            read_header(store, ResultId(owner, video_id, component, r.key, r.digest))["arrays"]
            for r in record.results
        ]
    except (ObjectMissing, InvalidObject, KeyError):
        return True
    times = [shape for arrays in made for shape in lengths(arrays)]
    return bool(times) and not any(times)


def lengths(arrays: Mapping[str, Mapping[str, Any]]) -> Iterator[int]:
    """How many moments each of a result's arrays of times has."""
    return (int(a["shape"][0]) for name, a in arrays.items() if name.endswith("_ms") and a["shape"])
