"""What people name on the command line is what is analysed, whatever the files are called."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from cli.sources import Video, label_of, path_of, resolve
from kadr.contracts.errors import VideoUnavailable, VideoUnreadable

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


def no_network(url: str) -> Path:
    raise VideoUnavailable(f"{url}: no network")


def names(*named: str) -> list[str]:
    return [v.path.name for v in resolve(named, no_network)]


@pytest.mark.parametrize("name", ODD)
def test_any_name_is_taken_as_it_is(folder: Path, name: str) -> None:
    assert resolve([name], no_network) == [Video(Path(name), name, Path())]
    assert resolve([str(folder / name)], no_network)[0].home == folder


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
        ("ftp://host/v.mp4", r"^ftp://host/v\.mp4: only addresses with http or https are fetched, not ftp$"),
        ("file:///a%20b.mp4", r"not file: name the file itself, as /a b\.mp4$"),
    ],
)
def test_what_means_no_video_is_said(folder: Path, name: str, text: str) -> None:
    wrong, right = resolve([name, "plain.mp4"], no_network)
    assert isinstance(wrong.error, VideoUnreadable)
    assert re.search(text, str(wrong.error))
    assert (right.title, right.error) == ("plain.mp4", None)


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


def test_a_dead_url_is_one_video_that_failed(folder: Path) -> None:
    dead, right = resolve(["https://example.invalid/x", "plain.mp4"], no_network)
    assert str(dead.error) == "https://example.invalid/x: no network"
    assert right.error is None


def test_what_was_fetched_is_called_after_its_url_and_its_results_stay_here(folder: Path) -> None:
    urls = [
        "https://a.invalid/watch?v=1",
        "https://a.invalid/watch?v=2",
        "https://b.invalid/%D0%BA%20.mp4",
        "https://b.invalid",
    ]
    found = resolve(urls, lambda url: folder / f"{hash(url)}.mp4")
    assert [v.title for v in found] == urls
    assert {v.home for v in found} == {Path.cwd()}
    labels = [v.label for v in found]
    assert len(set(labels)) == 4
    for label, readable in zip(labels, ("watch-", "watch-", "к-.mp4-", "b.invalid-"), strict=True):
        assert label.startswith(readable)
        assert len(label) == len(readable) + 8
    assert labels == [v.label for v in resolve(urls, lambda url: folder / f"{hash(url)}.mp4")]


@pytest.mark.parametrize(
    "url", ["http://[bad", "https://", "https://a.invalid/" + "x" * 500, "https://a.invalid/.."]
)
def test_a_label_is_one_short_name_whatever_the_url(url: str) -> None:
    label = label_of(url)
    assert "/" not in label
    assert not label.startswith(".")
    assert len(label.encode()) < 200


@pytest.mark.skipif(os.name != "posix", reason="bytes in names are a matter of POSIX")
def test_a_name_that_is_not_utf8_is_taken(folder: Path) -> None:
    raw = os.fsencode(folder) + b"/\xff\xfe.mp4"
    try:
        Path(os.fsdecode(raw)).write_bytes(b"x")
    except OSError as error:
        pytest.skip(f"this file system refuses names that are not UTF-8: {error}")
    video = resolve([os.fsdecode(raw)], no_network)[0]
    assert video.path.exists()
    assert video.title == "??.mp4"


@pytest.mark.parametrize("name", [*(os.fsencode(n) for n in ODD), b"caf\xff.mp4", b"a#b;c.mp4"])
def test_a_stored_uri_names_the_same_bytes(name: bytes) -> None:
    path = Path(os.fsdecode(b"/videos/" + name))
    assert os.fsencode(path_of(path.as_uri())) == b"/videos/" + name
