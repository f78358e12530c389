"""What the bucket says in the end: runs lost, holes in manifests that say complete, and work that is on no record."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from index.check import check
from index.database import Database
from kadr.contracts.errors import KadrError
from kadr.contracts.manifest import Manifest
from kadr.contracts.run import Record, Request, RunStatus, TaskState
from kadr.pipeline.admission import load_objects, read_request
from kadr.pipeline.epochs import Stored
from kadr.pipeline.manifests import read_manifest
from kadr.pipeline.state import RunState, evaluate
from kadr.settings import Settings
from kadr.storage import layout
from kadr.storage.results import ResultId, read_result
from kadr.storage.store import ObjectStore
from tests.chaos.attacked import House
from tests.chaos.visitors import Visit
from tests.e2e.conftest import Kadr

INDEX_S = 30
Run = tuple[Request, RunState]


@dataclass
class Ledger:
    """Reads the bucket past the relay, by Kadr's own rules of what a run's objects mean."""

    store: ObjectStore
    known: dict[str, Mapping[str, Stored]] = field(default_factory=dict)

    def runs(self) -> list[Run]:
        found = []
        for name in self.store.list("state/"):
            at = layout.parse_run(name)
            if at is not None and at[2] == "request.json":
                asked = read_request(self.store, at[0], at[1])
                objects = load_objects(self.store, asked, self.known.get(at[1], {}))
                self.known[at[1]] = objects
                found.append((asked, evaluate(asked, objects)))
        return found

    def ended(self, run: Run) -> bool:
        """Closed for good, its report written."""
        asked, state = run
        if state.closed is None or state.closed.status is RunStatus.CANCELLED:
            return False
        if state.video_id is None:
            return True
        report = layout.report_file(asked.owner, asked.run_id, state.closed.manifest, "report.html")
        return self.store.exists(report)

    def holes(self, run: Run) -> list[str]:
        """What is missing from a run that is called complete."""
        asked, state = run
        if state.closed is None or state.closed.status is not RunStatus.COMPLETE:
            return []
        try:
            manifest = read_manifest(self.store, asked, state.closed.manifest)
        except KadrError as error:
            return [str(error)]
        listed = {entry.record.task: entry.record for entry in manifest.records if entry.record}
        prefix = layout.state_prefix(asked.owner, asked.run_id)
        gone = [e.name for e in manifest.records if not self.store.exists(prefix + e.name)]
        unfinished = [t.name for t in state.tasks.values() if t.state is not TaskState.SUCCEEDED]
        unlisted = [t for t in state.tasks if t not in listed]
        idle = [node.component for node in state.graph.nodes if not state.of(node.component)]
        named = (*gone, *unfinished, *unlisted, *idle, *state.unplanned)
        found = [f"{asked.run_id}: {name} is missing" for name in named]
        for record in listed.values():
            found += self._unreadable(asked, state.video_id or "", record)
        return found

    def _unreadable(self, asked: Request, video_id: str, record: Record) -> list[str]:
        found = []
        for made in record.results:
            component = record.task.partition(".")[0]
            try:
                result = ResultId(asked.owner, video_id, component, made.key, made.digest)
                read_result(self.store, result, verify=True)
            except KadrError as error:
                found.append(f"{asked.run_id}: {record.task}: {error}")
        return found

    def work(self, runs: list[Run]) -> tuple[Counter[tuple[str, ...]], list[str], set[tuple[str, ...]]]:
        """How many records say that they computed a key; results on no record; the keys that runs needed."""
        computed = Counter[tuple[str, ...]]()
        named, needed = set[str](), set[tuple[str, ...]]()
        for asked, state in runs:
            objects = self.known[asked.run_id].values()
            for record in (o for o in objects if isinstance(o, Record)):
                component = record.task.partition(".")[0]
                at = (asked.owner, state.video_id or "", component)
                named |= {layout.result_json(*at, r.key, r.digest) for r in record.results}
                if record.results:
                    needed.add((*at, record.key))
                    computed[(*at, record.key)] += any(not r.cached for r in record.results)
        there = (name for name in self.store.list("results/") if name.endswith(".json"))
        return computed, [name for name in there if name not in named], needed


def lost(visits: list[Visit], runs: list[Run]) -> list[Visit]:
    """Visits that no run answers."""
    told = [(asked.owner, asked.run_id, asked.source_name) for asked, _ in runs]
    return [visit for visit in visits if not any(visit.is_of(*one) for one in told)]


def digests(manifest: Manifest) -> dict[str, str]:
    """Task and output to the digest of what was made."""
    records = [entry.record for entry in manifest.records if entry.record]
    return {f"{r.task}/{made.name}": made.digest for r in records for made in r.results}


def undisturbed(home: Path, clips: Path, profile: Path) -> dict[str, dict[str, str]]:
    """The digests of the same videos by `kadr analyze` alone, by video."""
    kadr = Kadr(home, Settings().weights)
    done = kadr("analyze", *sorted(clips.iterdir()), "--profile", profile, "--out", home / "out", timeout=600)
    if done.code:
        raise SystemExit(f"kadr analyze, undisturbed, ended with {done.code}: {done.err[-2000:]}")
    found = {}
    for path in (home / "store/runs").glob("*/*/manifest.json"):
        manifest = Manifest.model_validate(json.loads(path.read_text()))
        found[manifest.request.video_id or ""] = digests(manifest)
    return found


def otherwise(store: ObjectStore, runs: list[Run], expected: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Complete runs whose digests are not those of an undisturbed one."""
    wrong = []
    for asked, state in runs:
        if state.closed is not None and state.closed.status is RunStatus.COMPLETE:
            manifest = read_manifest(store, asked, state.closed.manifest)
            if digests(manifest) != expected.get(state.video_id or ""):
                wrong.append(f"{asked.run_id} ({asked.source_name}): other digests than undisturbed")
    return wrong


def index_differs(house: House) -> list[str]:
    """What the index says otherwise than the bucket, when it had time to catch up."""
    deadline = time.monotonic() + INDEX_S
    database = Database(house.database_url)
    try:
        while True:
            try:
                found = [str(one) for one in check(house.objects, database)]
            except KadrError as error:
                found = [str(error)]
            if not found or time.monotonic() > deadline:
                return found
            time.sleep(2)
    finally:
        database.close()
