"""A file and its copies: the runs about the one that is named come first."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli.compose import Machine
from cli.options import Choice
from cli.runs import newest_two
from kadr.pipeline.admission import Asked, admit, identify


@pytest.fixture
def machine(home: Path) -> Machine:
    return Machine()


def asked(machine: Machine, path: Path, to_ms: int) -> str:
    """Ask a question about ``path`` that nobody asked before; returns the run's id."""
    path.write_bytes(b"the same bytes")
    question = machine.question(Choice("fast", {"probe": {"to_ms": to_ms}}, ("shots",)).profile())
    video_id, source = identify(machine.store, path, lambda _: None)
    request = Asked(path, question.profile, question.graph, question.models)
    return admit(machine.store, request, video_id, source).request.run_id


def two(machine: Machine, path: Path) -> list[tuple[str, str] | None]:
    found = newest_two(machine.store, str(path))
    return [(n.request.run_id, n.title) if n else None for n in found]


def test_of_two_runs_about_a_file_neither_is_about_its_copy(machine: Machine, tmp_path: Path) -> None:
    talk, copy = tmp_path / "talk.mp4", tmp_path / "copy of talk.mp4"
    first, other, last = (asked(machine, p, i) for i, p in enumerate((talk, copy, talk), start=1))
    assert two(machine, talk) == [(first, "talk.mp4"), (last, "talk.mp4")]
    assert two(machine, copy) == [(first, "talk.mp4"), (other, "copy of talk.mp4")]


def test_a_run_about_a_copy_has_the_copys_name(machine: Machine, tmp_path: Path) -> None:
    talk, copy, third = (tmp_path / f"{name}.mp4" for name in ("talk", "copy", "third"))
    first = asked(machine, copy, 1)
    assert two(machine, copy) == [None, (first, "copy.mp4")]
    last = asked(machine, talk, 2)
    assert two(machine, talk) == [(first, "copy.mp4"), (last, "talk.mp4")]
    third.write_bytes(talk.read_bytes())
    assert two(machine, third) == [(first, "copy.mp4"), (last, "talk.mp4")]
