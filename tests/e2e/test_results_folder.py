"""What lies where results go: a person's own files stay, Kadr's are brought to the newest state."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.outputs import FILES, MARK, REPORT
from tests.e2e.conftest import Kadr
from tests.media_files import numbered, write_video


@pytest.fixture
def video(tmp_path: Path) -> Path:
    write_video(tmp_path / "talk.mp4", numbered(10))
    return tmp_path / "talk.mp4"


@pytest.mark.parametrize("name", ["captions.vtt", MARK])
def test_a_persons_own_file_is_refused_before_anything_is_spent(
    kadr: Kadr, video: Path, name: str, tmp_path: Path
) -> None:
    own = tmp_path / "out" / name
    own.parent.mkdir()
    own.write_text('{"my": "own"}')
    said = kadr("analyze", video, "--only", "probe", "--out", own.parent)
    assert said.code == 1
    assert f"{own} was not written by Kadr: name another folder by --out" in said.err
    assert (own.read_text(), [p.name for p in own.parent.iterdir()]) == ('{"my": "own"}', [name])
    assert not list((kadr.home / "store").glob("state/*/*"))


def test_a_delivery_cut_short_is_done_again(kadr: Kadr, video: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = ("analyze", video, "--only", "probe", "--out", out)
    assert kadr(*asked).code == 0
    first = json.loads((out / MARK).read_text())
    assert sorted(first["files"]) == sorted(FILES)
    in_the_way = out / "insights.schema.json"
    in_the_way.unlink()
    in_the_way.mkdir()
    assert kadr(*asked, "--refresh").code == 1
    in_the_way.rmdir()
    said = kadr(*asked)
    assert said.code == 0, said.err
    again = json.loads((out / MARK).read_text())
    assert sorted(p.name for p in out.iterdir()) == sorted([MARK, *FILES])
    assert json.loads((out / "insights.json").read_text())["run"]["run_id"] == again["run_id"]
    assert again["run_id"] != first["run_id"]


def test_an_upgrade_of_the_report_alone_draws_it_anew(own_kadr: Kadr, video: Path, tmp_path: Path) -> None:
    """The run stays finished: neither another version of the report nor a component that is added disturbs it."""
    page, asked = tmp_path / "out" / REPORT, ("analyze", video, "--only", "probe", "--out", tmp_path / "out")
    assert own_kadr(*asked).code == 0
    first = json.loads((tmp_path / "out" / MARK).read_text())
    page.write_text("as it was drawn before")
    assert own_kadr(*asked).code == 0
    assert page.read_text() == "as it was drawn before"
    name, _, version = first["drawn_by"].rpartition("-")
    own_kadr.edit(f"functions/{name}/component.py", f"version={version}", f"version={version}0")
    own_kadr.edit("functions/probe/component.py", '    """', '    """In other words: ')
    own_kadr.module("kadr.pipeline.catalogue")
    said = own_kadr(*asked, "--json")
    assert (said.video["how"], said.video["run_id"]) == ("finished", first["run_id"])
    assert page.read_text() != "as it was drawn before"
    again = json.loads((tmp_path / "out" / MARK).read_text())
    assert again == first | {"drawn_by": f"{name}-{version}0"}
