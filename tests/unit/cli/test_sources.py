"""What people name on the command line is what is analysed, whatever the files are called."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cli.sources import Video, resolve
from kadr.contracts.errors import VideoUnreadable

ODD = (
    "plain.mp4",
    "with space.mp4",
    "кадр 1.mp4",
    "a[1].mp4",
    "-x.mp4",
    "100%.mp4",
    "q?.mp4",
    "日本.mp4",
    ".hidden.mp4",
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ODD:
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "sub/deep").mkdir(parents=True)
    (tmp_path / "sub/deep/far.mp4").write_bytes(b"x")
    (tmp_path / "folder.mp4").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(*named: str) -> list[str]:
    return [v.path.name for v in resolve(named, Path("nowhere"), print)]


@pytest.mark.parametrize("name", ODD)
def test_any_name_is_taken_as_it_is(folder: Path, name: str) -> None:
    assert resolve([name], folder, print) == [Video(Path(name), name, Path())]
    assert resolve([str(folder / name)], folder, print)[0].home == folder


def test_globs_are_sorted_files_and_leave_folders_out(folder: Path) -> None:
    assert names("*.mp4") == sorted(set(ODD) - {".hidden.mp4"})
    assert names("**/far.mp4") == ["far.mp4"]
    assert names("[ap]*.mp4") == ["a[1].mp4", "plain.mp4"]


def test_a_file_named_twice_is_one(folder: Path) -> None:
    assert names("plain.mp4", "pl*.mp4", str(folder / "plain.mp4")) == ["plain.mp4"]


def test_order_is_the_order_of_the_names(folder: Path) -> None:
    assert names("with space.mp4", "plain.mp4") == ["with space.mp4", "plain.mp4"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("sub", r"sub is a folder: name its videos, e\.g\. 'sub/\*\.mp4'"),
        ("sub/", r"sub/ is a folder: name its videos, e\.g\. 'sub/\*\.mp4'"),
        ("*.avi", r"no file matches \*\.avi"),
        ("folder*", r"no file matches folder\*"),
    ],
)
def test_what_means_no_video_is_said(folder: Path, name: str, text: str) -> None:
    with pytest.raises(VideoUnreadable, match=text):
        resolve([name], folder, print)


def test_a_missing_file_is_left_to_admission_which_says_so_beside_the_others(folder: Path) -> None:
    assert names("not there.mp4", "plain.mp4") == ["not there.mp4", "plain.mp4"]


@pytest.mark.parametrize(("beside", "found"), [((".srt",), ".srt"), ((".vtt", ".srt"), ".srt"), ((), None)])
def test_captions_of_the_same_name_belong_to_the_video(
    tmp_path: Path, beside: tuple[str, ...], found: str | None
) -> None:
    for suffix in beside:
        (tmp_path / f"a.b{suffix}").touch()
    (tmp_path / "a.srt").touch()
    sidecar = Video(tmp_path / "a.b.mp4", "a.b.mp4", tmp_path).sidecar
    assert sidecar == (tmp_path / f"a.b{found}" if found else None)


def test_a_fetched_video_is_fetched_once_and_its_results_stay_here(folder: Path) -> None:
    import hashlib

    url = "https://example.invalid/watch?v=1"
    kept = folder / "downloads" / hashlib.sha256(url.encode()).hexdigest()[:16]
    kept.mkdir(parents=True)
    (kept / "video.mp4").write_bytes(b"x")
    (kept / "video.webm.part").write_bytes(b"x")
    notes: list[str] = []
    assert resolve([url], folder / "downloads", notes.append) == [Video(kept / "video.mp4", url, Path.cwd())]
    assert notes == []


@pytest.mark.skipif(os.name != "posix", reason="bytes in names are a matter of POSIX")
def test_a_name_that_is_not_utf8_is_taken(folder: Path) -> None:
    raw = os.fsencode(folder) + b"/\xff\xfe.mp4"
    try:
        Path(os.fsdecode(raw)).write_bytes(b"x")
    except OSError as error:
        pytest.skip(f"this file system refuses names that are not UTF-8: {error}")
    assert resolve([os.fsdecode(raw)], folder, print)[0].path.exists()
