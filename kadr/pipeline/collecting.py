"""Garbage: what of a store nobody needs, in groups that are removed name by name in the order given.

Safe beside running work. The payload of an intermediate is made again when somebody misses it; what an open run refers to is left
alone all the same while anything happens in that run. A kept result goes only when no run refers to it and it is older than
GRACE_MS and the longest task; who finds it again makes it young. Removing takes its time, so each group is looked at once more
just before it is given out. A result's JSON goes first, and with it the result.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from enum import StrEnum

from kadr.contracts.artifact import Retention
from kadr.contracts.errors import InvalidObject, ObjectMissing
from kadr.contracts.run import Done, Record, Request
from kadr.pipeline.admission import DAY_MS, read_request
from kadr.pipeline.catalogue import Catalogue
from kadr.pipeline.epochs import Epochs, Stored, parse
from kadr.pipeline.manifests import lost_records
from kadr.storage import layout
from kadr.storage.newest import written
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


Later = Callable[[Garbage, int], None]
"""Told of what only waits for its age, and how many ms it is short of it."""


def garbage(
    store: ObjectStore,
    owner: str,
    ages: Ages,
    now_ms: int,
    alone: Callable[[str], AbstractContextManager[bool]],
    later: Later = lambda group, left_ms: None,
) -> Iterator[Garbage]:
    """What may go at ``now_ms`` by the store's clock, runs first: what only they refer to goes with them.

    ``alone``: of a run's id, a context that says whether nobody works on it and keeps others from beginning to. Each group is to be
    removed before the next is asked for.
    """
    survey = _Survey(store, owner, ages, now_ms, alone, later)
    yield from survey.runs()
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
    alone: Callable[[str], AbstractContextManager[bool]]
    later: Later
    dropped: set[str] = field(default_factory=set)
    """Runs that go."""
    seen: dict[str, set[str]] = field(default_factory=dict)
    """By run, the objects of its state that were read: they do not change."""
    refers: dict[str, set[_At]] = field(default_factory=dict)
    """By run that stays, the results that its records name."""
    readable: dict[str, dict[str, Done | None]] = field(default_factory=dict)
    """By run: the objects that can be read, and what the marks of its closed epochs list."""
    referred: set[_At] = field(default_factory=set)
    """All of these."""
    at_work: set[_At] = field(default_factory=set)
    """Those of runs that are open and not abandoned."""
    in_use: set[str] = field(default_factory=set)
    """Videos that runs looked at or that have results which stay."""
    results: dict[ResultId, list[str]] = field(default_factory=dict)
    """The objects of each."""

    def runs(self) -> Iterator[Garbage]:
        """Runs that were closed long enough ago, with their reports; and what is left of runs without a request."""
        markers: dict[str, list[str]] = {}
        for name in self.store.list(layout.videos_prefix(self.owner)):
            if (run_id := layout.run_of(name)) is not None:
                markers.setdefault(run_id, []).append(name)
        for run_id in sorted({*self._run_ids(), *markers}):
            names = self._state(run_id)
            first = layout.request(self.owner, run_id)  # without it there is no run
            made = list(self.store.list(layout.run_prefix(self.owner, run_id)))
            rest = (*(n for n in names if n != first), *made, *markers.get(run_id, ()))
            left_ms = self._until_ended(run_id, names) if first in names else GRACE_MS - self._age_ms(rest)
            if left_ms is None:
                continue
            with self.alone(run_id) as free:
                if free and left_ms <= 0:
                    self.dropped.add(run_id)
                    yield Garbage(Kind.RUN, (first, *rest))
                elif free:
                    self.later(Garbage(Kind.RUN, (first, *rest)), left_ms)

    def _run_ids(self) -> set[str]:
        prefixes = layout.requests_prefix(self.owner), layout.runs_prefix(self.owner)
        found = {layout.run_of(name) for prefix in prefixes for name in self.store.list(prefix)}
        return {run_id for run_id in found if run_id is not None}

    def _state(self, run_id: str) -> list[str]:
        return list(self.store.list(layout.state_prefix(self.owner, run_id)))

    def _until_ended(self, run_id: str, names: list[str]) -> int | None:
        """What is missing until the run was closed long enough ago, in ms; None if it is not closed, or runs do not go."""
        if self.ages.runs_ms is None or (request := self._request(run_id)) is None:
            return None
        return self.ages.runs_ms - self._age_ms(names) if self._closed(request, names) else None

    def _request(self, run_id: str) -> Request | None:
        # What a damaged request refers to is not known, and its results stay for GRACE_MS at least.
        with suppress(InvalidObject, ObjectMissing):
            return read_request(self.store, self.owner, run_id)
        return None

    def _closed(self, request: Request, names: Iterable[str]) -> bool:
        prefix = layout.state_prefix(self.owner, request.run_id)
        marks = (n for n in names if isinstance(layout.parse_state(n.removeprefix(prefix)), layout.MarkName))
        read = {n.removeprefix(prefix): self._read(prefix, n) for n in marks}
        return Epochs.read(request.graph, {n: b for n, b in read.items() if b is not None}).closed is not None

    def _read(self, prefix: str, name: str) -> Stored | None:
        with suppress(InvalidObject, ObjectMissing):
            return parse(name.removeprefix(prefix), self.store.get(name))
        return None

    def look(self) -> None:
        """Remember what the runs that stay refer to."""
        for run_id in sorted(self._run_ids()):
            self._look_at(run_id)

    def _look_again(self, video_id: str) -> None:
        """Take in what runs of the video have written since the last look, and runs that are new."""
        for marker in self.store.list(layout.run_markers(self.owner, video_id)):
            if (run_id := layout.run_of(marker)) is not None:
                self._look_at(run_id)

    def _look_at(self, run_id: str) -> None:
        names = self._state(run_id)
        seen = self.seen.get(run_id, set())
        if run_id in self.dropped or seen.issuperset(names) or (request := self._request(run_id)) is None:
            return
        if request.video_id:
            self.in_use.add(request.video_id)
        found = self.refers.setdefault(run_id, set())
        readable = self.readable.setdefault(run_id, {})
        prefix = layout.state_prefix(request.owner, request.run_id)
        for name in names:
            if name in seen or (body := self._read(prefix, name)) is None:
                continue
            readable[name.removeprefix(prefix)] = body if isinstance(body, Done) else None
            if isinstance(body, Record):
                found |= _results(body)
        # What was lost or damaged is still referred to, by the manifest that lists it.
        for lost in lost_records(self.store, request, readable).values():
            if isinstance(lost, Record):
                found |= _results(lost)
        self.seen[run_id] = {*names}
        self.referred |= found
        if not self._closed(request, names) and self._age_ms(names) < GRACE_MS:
            self.at_work |= found

    def _age_ms(self, names: Iterable[str]) -> int:
        """Since the last of ``names`` was written; 0 if they were all removed meanwhile."""
        return self.now_ms - max((ms for ms, _ in written(self.store, names)), default=self.now_ms)

    def list_results(self) -> None:
        for name in self.store.list(layout.all_results_prefix(self.owner)):
            if (found := layout.parse_result(name)) is not None:
                self.results.setdefault(ResultId(self.owner, *found), []).append(name)

    def unreferenced(self) -> Iterator[Garbage]:
        for result, names in list(self.results.items()):
            if self._is_unreferenced(result, names):
                del self.results[result]
                yield Garbage(Kind.UNREFERENCED, tuple(n for n in (result.json, result.npz) if n in names))
            else:
                self.in_use.add(result.video_id)

    def _is_unreferenced(self, result: ResultId, names: list[str]) -> bool:
        at = self._at(result)
        if at in self.referred:
            return False
        if (left_ms := self.ages.unreferenced_ms - self._age_ms(names)) > 0:
            self.later(Garbage(Kind.UNREFERENCED, tuple(names)), left_ms)
            return False
        self._look_again(result.video_id)
        return at not in self.referred and self._age_ms(names) >= self.ages.unreferenced_ms

    def expired(self) -> Iterator[Garbage]:
        for result, names in self.results.items():
            if (
                result.npz not in names
                or self._at(result) in self.at_work
                or not self._is_intermediate(result)
            ):
                continue
            left_ms = self.ages.payloads_ms - self._age_ms([result.npz])
            if left_ms > 0:
                if self._at(result) in self.referred:
                    self.later(Garbage(Kind.EXPIRED, (result.npz,)), left_ms)
                continue
            self._look_again(result.video_id)
            if self._at(result) not in self.at_work and self._age_ms([result.npz]) >= self.ages.payloads_ms:
                yield Garbage(Kind.EXPIRED, (result.npz,))

    @staticmethod
    def _at(result: ResultId) -> _At:
        return result.component, result.key, result.digest

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
            if of is not None and of not in self.in_use and not self._is_looked_at(of):
                names = (*aliases.get(of, ()), name)
                if self._age_ms(names) >= self.ages.unreferenced_ms:
                    yield Garbage(Kind.VIDEO, names)

    def _is_looked_at(self, video_id: str) -> bool:
        """Whether a run that stays has marked the video."""
        markers = self.store.list(layout.run_markers(self.owner, video_id))
        return any(layout.run_of(marker) not in {*self.dropped, None} for marker in markers)


def _results(record: Record) -> set[_At]:
    return {(record.task.partition(".")[0], r.key, r.digest) for r in record.results}
