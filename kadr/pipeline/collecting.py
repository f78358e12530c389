"""Garbage: what of a store nobody needs, in groups that are removed name by name in the order given.

Safe beside running work. The payload of an intermediate is made again when somebody misses it; what an open run refers to is left
alone all the same while anything happens in that run. A kept result goes only when no run refers to it, looked at twice, and it is
older than GRACE_MS and the longest task. Its JSON goes first, and with it the result.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum

from kadr.contracts.artifact import Retention
from kadr.contracts.errors import InvalidObject, ObjectMissing
from kadr.contracts.run import Record, Request
from kadr.pipeline.admission import DAY_MS, load_objects, read_request
from kadr.pipeline.catalogue import Catalogue
from kadr.pipeline.epochs import Epochs
from kadr.storage import layout
from kadr.storage.results import ResultId, read_header
from kadr.storage.store import ObjectStore

GRACE_MS = DAY_MS


class Kind(StrEnum):
    EXPIRED = "payloads of intermediates"
    UNREFERENCED = "results of no run"
    RUN = "runs"
    VIDEO = "videos of no run"


@dataclass(frozen=True)
class Garbage:
    """Objects that go together; ``names`` in the order in which they are removed."""

    kind: Kind
    names: tuple[str, ...]


@dataclass(frozen=True)
class Ages:
    """From which age on, in ms: payloads of intermediates; closed runs (None: none); results that no run refers to."""

    payloads_ms: int
    runs_ms: int | None
    unreferenced_ms: int

    @classmethod
    def of(cls, catalogue: Catalogue, payloads_ms: int, runs_ms: int | None) -> Ages:
        longest_s = max((e.resources.timeout_s for e in catalogue.components.values()), default=0)
        return cls(payloads_ms, runs_ms, GRACE_MS + longest_s * 1000)


def garbage(store: ObjectStore, owner: str, ages: Ages, now_ms: int) -> Iterator[Garbage]:
    """What may go at ``now_ms`` by the store's clock, runs first: what only they refer to goes with them."""
    survey = _Survey(store, owner, ages, now_ms)
    yield from survey.old_runs()
    survey.look()
    survey.list_results()
    survey.look()
    yield from survey.unreferenced()
    yield from survey.expired()
    yield from survey.videos()


_At = tuple[str, str, str]
"""A result as records name it: component, key, digest."""


@dataclass
class _Survey:
    store: ObjectStore
    owner: str
    ages: Ages
    now_ms: int
    dropped: set[str] = field(default_factory=set)
    """Runs that go."""
    referred: set[_At] = field(default_factory=set)
    """Results that the other runs refer to."""
    at_work: set[_At] = field(default_factory=set)
    """Those of runs that are open and not abandoned."""
    in_use: set[str] = field(default_factory=set)
    """Videos that runs looked at or that have results which stay."""
    results: dict[ResultId, list[str]] = field(default_factory=dict)
    """The objects of each."""

    def old_runs(self) -> Iterator[Garbage]:
        """Runs that were closed long enough ago, with their reports."""
        if self.ages.runs_ms is None:
            return
        for request in self._requests():
            names = list(self.store.list(layout.state_prefix(self.owner, request.run_id)))
            if self._closed(request) and self._age_ms(names) >= self.ages.runs_ms:
                self.dropped.add(request.run_id)
                first = layout.request(self.owner, request.run_id)  # without it there is no run
                made = list(self.store.list(layout.run_prefix(self.owner, request.run_id)))
                yield Garbage(
                    Kind.RUN, (first, *(n for n in names if n != first), *made, *self._marker(request))
                )

    def _marker(self, request: Request) -> tuple[str, ...]:
        video_id = request.video_id
        return (layout.run_marker(self.owner, video_id, request.run_id),) if video_id else ()

    def look(self) -> None:
        """Remember what the runs that stay refer to."""
        for request in self._requests():
            if request.run_id in self.dropped:
                continue
            if request.video_id:
                self.in_use.add(request.video_id)
            objects = load_objects(self.store, request)
            names = self.store.list(layout.state_prefix(self.owner, request.run_id))
            at_work = not self._closed(request) and self._age_ms(names) < GRACE_MS
            for body in objects.values():
                if isinstance(body, Record):
                    found = {(body.task.partition(".")[0], r.key, r.digest) for r in body.results}
                    self.referred |= found
                    self.at_work |= found if at_work else set()

    def _requests(self) -> Iterator[Request]:
        names = self.store.list(layout.requests_prefix(self.owner))
        runs = {layout.run_of(n) for n in names if n.endswith("/request.json")}
        for run_id in sorted(r for r in runs if r is not None):
            # What a damaged request refers to is not known, and its results stay for GRACE_MS at least.
            with suppress(InvalidObject, ObjectMissing):
                yield read_request(self.store, self.owner, run_id)

    def _closed(self, request: Request) -> bool:
        return Epochs.read(request.graph, load_objects(self.store, request)).closed is not None

    def _age_ms(self, names: Iterable[str]) -> int:
        """Since the last of ``names`` was written; 0 if they were all removed meanwhile."""
        written = []
        for name in names:
            with suppress(ObjectMissing):
                written.append(self.store.modified_ms(name))
        return self.now_ms - max(written, default=self.now_ms)

    def list_results(self) -> None:
        for name in self.store.list(layout.all_results_prefix(self.owner)):
            if (found := layout.parse_result(name)) is not None:
                self.results.setdefault(ResultId(self.owner, *found), []).append(name)

    def unreferenced(self) -> Iterator[Garbage]:
        for result, names in list(self.results.items()):
            at = (result.component, result.key, result.digest)
            if at not in self.referred and self._age_ms(names) >= self.ages.unreferenced_ms:
                del self.results[result]
                yield Garbage(Kind.UNREFERENCED, tuple(n for n in (result.json, result.npz) if n in names))
            else:
                self.in_use.add(result.video_id)

    def expired(self) -> Iterator[Garbage]:
        for result, names in self.results.items():
            held = (result.component, result.key, result.digest) in self.at_work
            old = result.npz in names and self._age_ms([result.npz]) >= self.ages.payloads_ms
            if old and not held and self._is_intermediate(result):
                yield Garbage(Kind.EXPIRED, (result.npz,))

    def _is_intermediate(self, result: ResultId) -> bool:
        try:
            return bool(read_header(self.store, result).get("retention") == Retention.INTERMEDIATE)
        except (InvalidObject, ObjectMissing):
            return False

    def videos(self) -> Iterator[Garbage]:
        """References to files of which there is neither a run nor a result."""
        aliases: dict[str, list[str]] = {}
        for alias in self.store.list(layout.aliases_prefix(self.owner)):
            if (video_id := layout.video_id_of(alias)) is not None:
                aliases.setdefault(video_id, []).append(alias)
        for name in self.store.list(layout.videos_prefix(self.owner)):
            of = layout.video_id_of_reference(name)
            if of is None or of in self.in_use:
                continue
            if self._age_ms([name]) >= self.ages.unreferenced_ms:
                yield Garbage(Kind.VIDEO, (*aliases.get(of, ()), name))
