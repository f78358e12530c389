"""Results go where people look for them, and never half-written."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli import outputs
from cli.sources import Video
from kadr.contracts.errors import StoreFailure


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
