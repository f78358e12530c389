"""Results go where people look for them, and never half-written."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli import outputs
from cli.sources import Video
from kadr.contracts.errors import KadrError, StoreFailure


def video(path: str) -> Video:
    return Video(Path(path), Path(path).name, Path(path).parent)


def test_results_lie_beside_the_video() -> None:
    assert outputs.folder(video("films/a b.mp4"), None, many=False) == Path("films/a b.mp4.kadr")
    assert outputs.folder(video("films/a b.mp4"), None, many=True) == Path("films/a b.mp4.kadr")


def test_out_is_the_folder_of_one_video_and_has_a_folder_for_each_of_several() -> None:
    assert outputs.folder(video("films/a.mp4"), Path("out"), many=False) == Path("out")
    assert outputs.folder(video("films/a.mp4"), Path("out"), many=True) == Path("out/a.mp4.kadr")


def test_videos_of_one_name_do_not_share_a_folder_by_default() -> None:
    places = {
        outputs.folder(video(f"{where}/a.{kind}"), None, True) for where in "xy" for kind in ("mp4", "mkv")
    }
    assert len(places) == 4


def test_a_fetched_video_has_its_results_where_the_command_was_given(tmp_path: Path) -> None:
    fetched = Video(Path("/downloads/0123/video.mp4"), "https://example.invalid/x", tmp_path)
    assert outputs.folder(fetched, None, many=False).parent == tmp_path


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_the_page_finds_the_video_whatever_its_name(name: str) -> None:
    if name in (".", ".."):
        return
    href = outputs.href(Path("films") / name, Path("films") / f"{name}.kadr")
    assert unquote(href) == f"../{name}"
    assert not set(href) & set("?#\"'<> ")


def test_a_folder_that_cannot_be_made_is_an_error_before_work_begins(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        StoreFailure, match=r"cannot write results to .*file/out: .*name another folder by --out"
    ):
        outputs.check_writable(tmp_path / "file/out")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_an_error_before_work_begins(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreFailure, match="permission denied"):
        outputs.check_writable(tmp_path)


def test_videos_of_one_name_have_a_folder_each_below_out() -> None:
    found = [video("x/a.mp4"), video("y/a.mp4"), video("y/A.mp4"), video("y/b.mp4")]
    places = outputs.folders(found, Path("out"))
    assert len({str(p).casefold() for p in places}) == 4
    assert {p.parent for p in places} == {Path("out")}
    assert places[3] == Path("out/b.mp4.kadr")
    assert places[0].name.startswith("a.mp4-")
    assert outputs.folders(found[::-1], Path("out")) == places[::-1]


def test_a_link_in_the_place_of_a_file_is_replaced_not_followed(tmp_path: Path) -> None:
    theirs, out = tmp_path / "theirs.txt", tmp_path / "out"
    theirs.write_text("mine")
    out.mkdir()
    for name in ("report.html", ".report.html.part"):
        (out / name).symlink_to(theirs)
    outputs._write(out / "report.html", b"page")
    assert (theirs.read_text(), (out / "report.html").read_bytes()) == ("mine", b"page")
    assert not (out / "report.html").is_symlink()


@pytest.mark.skipif(os.name != "posix", reason="bytes in names are a matter of POSIX")
def test_the_page_finds_a_video_whose_name_is_not_utf8() -> None:
    name = os.fsdecode(b"\xff.mp4")
    assert outputs.href(Path(name), Path(f"{name}.kadr")) == "../%FF.mp4"


MARK: Mapping[str, Any] = {"run_id": "r", "manifest": "m", "files": ["report.html", "insights.json"]}


@pytest.mark.parametrize("name", [outputs.MARK, *outputs.FILES])
def test_a_file_of_ones_own_is_not_taken_for_kadrs(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text("{}")
    with pytest.raises(StoreFailure, match=rf"{name} was not written by Kadr: name another folder by --out"):
        outputs.check_own(tmp_path)


@pytest.mark.parametrize(
    "mark",
    [
        {},
        [],
        {**MARK, "files": None},
        {**MARK, "files": [{}]},
        {k: v for k, v in MARK.items() if k != "manifest"},
    ],
)
def test_not_every_run_json_is_a_mark(mark: object, tmp_path: Path) -> None:
    for name in outputs.FILES:
        (tmp_path / name).write_text("")
    (tmp_path / outputs.MARK).write_text(json.dumps(mark))
    with pytest.raises(StoreFailure, match="was not written by Kadr"):
        outputs.check_own(tmp_path)
    assert outputs.run_shown(tmp_path) is None


def test_beside_a_mark_only_what_it_lists_is_kadrs(tmp_path: Path) -> None:
    (tmp_path / outputs.MARK).write_text(json.dumps(MARK))
    for name in MARK["files"]:
        (tmp_path / name).write_text("")
    (tmp_path / "notes.txt").write_text("")
    outputs.check_own(tmp_path)
    (tmp_path / "captions.vtt").write_text("my own")
    with pytest.raises(StoreFailure, match=r"captions\.vtt was not written by Kadr"):
        outputs.check_own(tmp_path)


def test_one_file_of_somebody_elses_keeps_all_from_being_written(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("mine")
    files = {tmp_path / "a": b"1", tmp_path / "b": b"2"}
    with pytest.raises(KadrError, match="b is there already and holds something else: name another --page"):
        outputs.hand_over(files, force=False, option="--page")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["b"]
    outputs.hand_over({tmp_path / "b": b"mine"}, force=False, option="--page")
    outputs.hand_over(files, force=True, option="--page")
    assert [(tmp_path / n).read_text() for n in "ab"] == ["1", "2"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes with names are a matter of POSIX")
def test_a_pipe_is_written_into_and_stays(tmp_path: Path) -> None:
    pipe, said = tmp_path / "pipe", list[bytes]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: said.append(pipe.read_bytes()), daemon=True)
    reader.start()
    outputs.hand_over({pipe: b"page"}, force=False, option="--page")
    reader.join(10)
    assert (said, pipe.is_fifo()) == ([b"page"], True)


@pytest.mark.skipif(sys.platform != "linux", reason="names of devices and open files as Linux has them")
def test_a_device_and_an_open_file_are_written_into_and_stay(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    null = Path("/dev/null").stat().st_rdev
    with (tmp_path / "open").open("wb") as file:
        file.write(b"before ")
        file.flush()
        for name in ("/dev/null", "/dev/stdout", f"/dev/fd/{file.fileno()}"):
            outputs.hand_over({Path(name): b"page"}, force=False, option="--page")
    assert Path("/dev/null").stat().st_rdev == null
    assert Path("/dev/stdout").is_symlink()
    assert capfdbinary.readouterr().out == b"page"
    assert (tmp_path / "open").read_bytes() == b"before page"
