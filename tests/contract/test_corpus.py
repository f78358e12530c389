"""What earlier versions wrote must be read for ever, and keys must not move: the corpora of tests/corpus, one a version."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kadr.contracts.keys import sha256_json
from kadr.contracts.manifest import Manifest
from kadr.contracts.profile import NormalProfile
from kadr.contracts.run import Node, Request, RunStatus, TaskState
from kadr.pipeline import catalogue
from kadr.pipeline.admission import load_objects, read_request
from kadr.pipeline.closing import compile_manifest
from kadr.pipeline.graph import build
from kadr.pipeline.manifests import read_manifest
from kadr.pipeline.render import StoredRun
from kadr.pipeline.state import counted, evaluate
from kadr.pipeline.verifying import Verdict, stored
from kadr.settings import Settings
from kadr.storage import layout
from kadr.storage.files import FileStore
from tests.e2e.conftest import Kadr


def number(corpus: Path) -> tuple[int, ...]:
    """0.10.0 comes after 0.9.0."""
    return tuple(int(part) for part in corpus.name.split("."))


FOLDER = Path(__file__).parents[1] / "corpus"
CORPORA = sorted((p for p in FOLDER.iterdir() if (p / "state").is_dir()), key=number)
CATALOGUE = catalogue.load()


@pytest.fixture(params=CORPORA, ids=lambda p: p.name)
def corpus(request: pytest.FixtureRequest, tmp_path: Path) -> FileStore:
    shutil.copytree(request.param, tmp_path / "home/store")
    return FileStore(tmp_path / "home/store")


def requests(store: FileStore) -> Iterator[Request]:
    for name in store.list(layout.requests_prefix(layout.LOCAL_OWNER)):
        if name.endswith("/request.json"):
            yield read_request(store, layout.LOCAL_OWNER, name.split("/")[2])


def manifests(store: FileStore) -> Iterator[Manifest]:
    for request in requests(store):
        state = evaluate(request, load_objects(store, request))
        assert state.closed is not None
        yield read_manifest(store, request, state.closed.manifest)


def test_the_newest_corpus_is_the_one_of_the_highest_version() -> None:
    names = [Path(name) for name in ("0.10.0", "0.2.0", "0.9.1", "1.0.0")]
    assert [p.name for p in sorted(names, key=number)] == ["0.2.0", "0.9.1", "0.10.0", "1.0.0"]


def test_there_is_one_of_every_component_as_it_is_now() -> None:
    """Else nothing would notice that its keys moved. Where versions have risen since: raise Kadr's, `python tests/corpus/make.py`."""
    store = FileStore(CORPORA[-1])
    versions = {(n.component, n.version) for m in manifests(store) for n in m.graph.nodes}
    today = {(name, e.version) for name, e in CATALOGUE.components.items() if e.scope != "run"}
    assert versions >= today


def test_every_run_is_as_it_was_closed(corpus: FileStore) -> None:
    """Golden keys: a record counts only for the key that is computed today from what it read."""
    epochs = set()
    for request in requests(corpus):
        assert request.config_hash == sha256_json(request.profile)
        state = evaluate(request, load_objects(corpus, request))
        assert state.status is RunStatus.COMPLETE
        assert {t.state for t in state.tasks.values()} == {TaskState.SUCCEEDED}
        assert state.closed is not None
        assert tuple(t.record_name for t in counted(state)) == state.closed.records
        again = compile_manifest(request, state)
        before = read_manifest(corpus, request, state.closed.manifest)
        assert before.digest == state.closed.manifest
        assert {**again.model_dump(), "kadr_version": before.kadr_version} == before.model_dump()
        epochs.add(state.epoch)
    assert epochs == {1, 2}


def test_every_result_has_the_content_of_its_digest(corpus: FileStore) -> None:
    found = [f for m in manifests(corpus) for f in stored(corpus, m)]
    assert {f.verdict for f in found} <= {Verdict.IDENTICAL, Verdict.EXPIRED}
    assert sum(f.verdict is Verdict.IDENTICAL for f in found) > 50


def test_the_planner_gives_components_of_the_same_version_the_same_keys(corpus: FileStore) -> None:
    """Else an upgrade would compute everything anew. A changed component says so by its version."""
    compared = 0
    for manifest in manifests(corpus):
        components = manifest.request.profile["components"]
        asked = NormalProfile(name="", components=components, required=(), cache_ttl_days=None)
        today = {n.component: n for n in build(asked, CATALOGUE).nodes}
        for node in manifest.graph.nodes:
            entry = CATALOGUE.components[node.component]
            merged = (
                node.merge.version if node.merge else None,
                entry.merge.version if entry.merge else None,
            )
            if node.version == entry.version and merged[0] == merged[1]:
                assert keyed(today[node.component]) == keyed(node), node.component
                compared += 1
    assert compared > 0


def keyed(node: Node) -> Node:
    """Without what no key is made of: which pack serves a read of frames."""
    packs = [e.model_copy(update={"output": None, "view": None}) for e in node.edges]
    pairs = zip(node.edges, packs, strict=True)
    return node.model_copy(
        update={"edges": tuple(p if e.component == catalogue.FRAMES_FROM else e for e, p in pairs)}
    )


def test_reports_are_made_of_old_results(corpus: FileStore) -> None:
    component = catalogue.component("report")
    for manifest in manifests(corpus):
        files = component.function(StoredRun(corpus, manifest, "", ""), component.params())
        insights = json.loads(files["insights.json"])
        assert insights["status"] == "complete"
        assert insights["shots"] or insights["objects"]


def test_the_commands_take_old_runs(corpus: FileStore) -> None:
    kadr = Kadr(corpus.root.parent, Settings.read().weights)
    listed = kadr("show", "--all", "--json")
    assert listed.code == 0, listed.err
    for request in requests(corpus):
        assert kadr("show", request.run_id, "--json").code == 0
        assert kadr("verify", request.run_id, "--stored").code == 0
    assert json.loads(kadr("gc", "--json").out)["removed"] == {}
