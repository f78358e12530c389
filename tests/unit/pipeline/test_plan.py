"""The plan: what is there costs nothing, and what others remove meanwhile is no trouble."""

from __future__ import annotations

import os
from pathlib import Path

from cli.compose import Machine
from cli.options import Choice
from kadr.contracts.keys import jcs
from kadr.contracts.run import Graph, Request, TaskState
from kadr.pipeline.admission import Asked, draft
from kadr.pipeline.plan import Row, play, rounded, rows
from kadr.pipeline.remaking import remade
from kadr.pipeline.spec import SourceRef
from kadr.pipeline.state import Wanted
from kadr.settings import Settings
from kadr.storage.files import FileStore
from kadr.storage.newest import newest
from kadr.storage.results import ResultId
from tests.unit.pipeline import toy

MACHINE = Machine(Settings())
SOURCE = SourceRef("/v.mp4", 1, 1)


def asked(*only: str) -> Request:
    question = MACHINE.question(Choice("standard", only=only).profile())
    path = Path(SOURCE.path)
    return draft(Asked(path, question.profile, question.graph, question.models), "0" * 64, SOURCE)


def row(store: FileStore, request: Request, component: str) -> Row:
    made = rows(store, MACHINE.catalogue, play(store, request, SOURCE), 60_000, {component: (30.0, 30.0)})
    return next(r for r in made if r.component == component)


def stored(store: FileStore, request: Request, component: str, output: Wanted, arrays: bool = False) -> str:
    """Make ``output`` be there, with arrays as an intermediate whose payload is not; returns the name of that."""
    digest = "d" * 64
    header = {
        "schema": {"major": 1},
        "retention": "intermediate" if arrays else "kept",
        "digest": digest,
        "arrays": {"samples": {"dtype": "int16", "shape": [1]}} if arrays else {},
        "payload": {},
        "ingredients": dict(output.ingredients),
    }
    at = ResultId("local", request.video_id or "", component, output.key, digest)
    store.put(at.json, jcs(header))
    return at.npz


def test_what_has_expired_is_free_until_somebody_reads_it(tmp_path: Path) -> None:
    store, request, payload = FileStore(tmp_path), asked("voice"), ""
    for component in ("probe", "pcm"):
        for output in play(store, request, SOURCE).missing[component].wanted:
            if output.name != "plan":
                there = stored(store, request, component, output, arrays=output.name == "pcm")
                payload = there if output.name == "pcm" else payload
    expired = row(store, request, "pcm")
    assert (expired.verdict, expired.hits, expired.misses) == ("miss", 0, 1)
    assert (expired.seconds_low, expired.seconds_high) == (30.0, 30.0)
    assert expired.why == ("its payload has expired",)
    levels = asked("loudness")  # which reads what else the sound was made into
    assert row(store, levels, "loudness").verdict == "miss"
    assert row(store, levels, "pcm") == Row("pcm", expired.stage, hits=1)
    store.put(payload, b"samples")
    assert row(store, request, "pcm") == Row("pcm", expired.stage, hits=1)


def test_what_only_waits_may_read_what_has_expired(tmp_path: Path) -> None:
    """z reads x and y, and x is made of w: if y comes out as z knows it already, nothing is made again."""
    store = FileStore(tmp_path)
    nodes = (
        toy.node("w", toy.SOURCE),
        toy.node("x", toy.whole("w")),
        toy.node("y", toy.SOURCE),
        toy.node("z", toy.whole("x"), toy.whole("y")),
    )
    request = toy.request(Graph(catalogue="c" * 64, nodes=nodes, required=()))
    for name in ("w", "x"):
        (output,) = play(store, request, SOURCE).missing[name].wanted
        stored(store, request, name, output, arrays=True)

    def names() -> tuple[list[str], list[str]]:
        played = play(store, request, SOURCE)
        waiting = [t for t in played.state.tasks.values() if t.state is TaskState.WAITING]
        found = remade(store, played.owner, played.state, played.missing, waiting)
        return sorted(found.sure), sorted(found.perhaps)

    assert names() == ([], ["w", "x"])
    (y,) = play(store, request, SOURCE).missing["y"].wanted
    stored(store, request, "y", y)
    assert names() == (["w", "x"], [])


def test_a_task_that_misses_one_of_its_outputs_costs_a_share_at_least_and_the_whole_at_most(
    tmp_path: Path,
) -> None:
    store, request = FileStore(tmp_path), asked("loudness")
    cold = row(store, request, "probe")
    assert (cold.misses, cold.seconds_low, cold.seconds_high) == (1, 30.0, 30.0)
    wanted = play(store, request, SOURCE).missing["probe"].wanted
    assert len(wanted) == 3
    for output in (w for w in wanted if w.name != "plan"):
        stored(store, request, "probe", output)
    assert [w.name for w in play(store, request, SOURCE).missing["probe"].wanted] == ["plan"]
    assert row(store, request, "pcm").verdict == "miss"  # it reads what is there, not the plan
    warm = row(store, request, "probe")
    assert (warm.misses, warm.seconds_low, warm.seconds_high) == (1, 10.0, 30.0)


def test_the_newest_of_what_is_still_there(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    for age_s, name in enumerate(("x/c", "x/a", "x/b")):
        store.put(name, b"{}")
        os.utime(tmp_path / name, (1e9 - age_s, 1e9 - age_s))
    names = [*store.list("x/"), "x/gone"]
    assert newest(store, names, 9) == ["x/c", "x/a", "x/b"]
    assert newest(store, names, 2) == ["x/c", "x/a"]


def test_only_what_costs_nothing_is_said_to() -> None:
    assert [rounded(s) for s in (0.0, 0.004, 0.0472, 0.26, 31.04)] == [0.0, 0.004, 0.05, 0.3, 31.0]
