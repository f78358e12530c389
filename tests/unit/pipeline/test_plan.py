"""The plan: what is there costs nothing, and what others remove meanwhile is no trouble."""

from __future__ import annotations

import os
from pathlib import Path

from cli.compose import Machine
from cli.options import Choice
from kadr.contracts.keys import jcs
from kadr.contracts.run import Request
from kadr.pipeline.admission import Asked, draft
from kadr.pipeline.plan import Row, newest, play, rows
from kadr.pipeline.spec import SourceRef
from kadr.settings import Settings
from kadr.storage import layout
from kadr.storage.files import FileStore

MACHINE = Machine(Settings())
SOURCE = SourceRef("/v.mp4", 1, 1)


def asked(*only: str) -> Request:
    question = MACHINE.question(Choice("standard", only=only).profile())
    path = Path(SOURCE.path)
    return draft(Asked(path, question.profile, question.graph, question.models), "0" * 64, SOURCE)


def row(store: FileStore, request: Request, component: str) -> Row:
    made = rows(store, MACHINE.catalogue, play(store, request, SOURCE), 60_000, {component: 30.0})
    return next(r for r in made if r.component == component)


def test_a_task_that_misses_one_of_its_outputs_costs_a_share_at_least_and_the_whole_at_most(
    tmp_path: Path,
) -> None:
    store, request = FileStore(tmp_path), asked("loudness")
    cold = row(store, request, "probe")
    assert (cold.misses, cold.seconds_low, cold.seconds_high) == (1, 30.0, 30.0)
    wanted = play(store, request, SOURCE).missing["probe"].wanted
    assert len(wanted) == 3
    for output in (w for w in wanted if w.name != "plan"):
        digest = "d" * 64
        header = {"schema": {"major": 1}, "retention": "kept", "digest": digest, "arrays": {}, "payload": {}}
        name = layout.result_json("local", "0" * 64, "probe", output.key, digest)
        store.put(name, jcs({**header, "ingredients": dict(output.ingredients)}))
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
