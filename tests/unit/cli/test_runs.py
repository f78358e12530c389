"""A file and its copies: the runs about the one that is named come first."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from cli.compose import Machine
from cli.options import Choice
from cli.runs import find, newest_two
from kadr.contracts.run import CaptionsFile
from kadr.pipeline.admission import Asked, admit, identify


@pytest.fixture
def machine(home: Path) -> Machine:
    return Machine()


def asked(machine: Machine, path: Path, to_ms: int) -> str:
    """Ask a question about ``path``, another one for each ``to_ms``; returns the id of the run that answers."""
    time.sleep(0.005)  # two questions of one millisecond have no order
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


def test_a_video_means_the_run_that_answered_last(machine: Machine, tmp_path: Path) -> None:
    """Wherever its files went: nothing lies beside the video here."""
    talk, other = tmp_path / "talk.mp4", tmp_path / "other.mp4"
    first, second, third = (asked(machine, talk, i) for i in (1, 2, 3))
    assert asked(machine, talk, 1) == first
    assert find(machine.store, str(talk)).request.run_id == first
    assert two(machine, talk) == [(third, "talk.mp4"), (first, "talk.mp4")]
    fourth = asked(machine, talk, 4)
    assert two(machine, talk) == [(first, "talk.mp4"), (fourth, "talk.mp4")]
    assert asked(machine, other, 5) == find(machine.store, None).request.run_id
    assert asked(machine, talk, 2) == second == find(machine.store, None).request.run_id


def test_a_run_tells_of_no_captions_file_that_was_not_asked_about(machine: Machine, tmp_path: Path) -> None:
    talk = tmp_path / "talk.mp4"
    talk.write_bytes(b"the same bytes")
    question = machine.question(Choice("fast", {}, ("captions",)).profile())
    files = [None, CaptionsFile(name="a.srt", unread="it is not text"), CaptionsFile(name="b.srt"), None]
    runs = []
    for file in files:
        video_id, source = identify(machine.store, talk, lambda _: None)
        request = Asked(talk, question.profile, question.graph, question.models, captions_file=file)
        runs.append(admit(machine.store, request, video_id, source).request)
    assert [r.captions_file for r in runs] == files
    assert runs[3].run_id == runs[0].run_id
    assert len({r.run_id for r in runs}) == 3
