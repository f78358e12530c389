"""What Kadr opens, what it refuses, and how it says so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kadr.contracts.errors import VideoUnreadable
from kadr.media.source import FileSource, open_container
from tests.media_files import numbered, write_video


def refused(path: Path) -> str:
    with pytest.raises(VideoUnreadable) as caught, open_container(FileSource(path)) as container:
        next(container.demux())
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"Dear diary,\nthis is a text file.\n" * 50, "text, not a video"),
        ("Дорогой дневник! ".encode() * 500, "text, not a video"),
        (np.random.default_rng(0).bytes(9000), "no video or audio format"),
    ],
)
def test_what_is_no_video_is_called_by_its_name(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    assert said in refused(path)


def test_a_cut_off_mp4_is_said_to_lack_its_index(tmp_path: Path) -> None:
    path = write_video(tmp_path / "whole.mp4", numbered(25)).path
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(path.read_bytes()[:700])
    assert "moov atom" in refused(cut)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    assert "cannot be opened" in refused(tmp_path / "none.mp4")
    assert "not a file" in refused(tmp_path)


@pytest.mark.parametrize(
    "text",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{target}\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile '{target}'\n",
        "  \n#EXTM3U\n{target}\n",
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{target}</BaseURL></MPD>',
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n",
    ],
)
@pytest.mark.parametrize("suffix", [".mp4", ".m3u8", ".sdp"])
def test_playlists_open_nothing(tmp_path: Path, text: str, suffix: str) -> None:
    target = write_video(tmp_path / "secret.ts", numbered(5)).path
    path = tmp_path / f"list{suffix}"
    path.write_text(text.format(target=target))
    assert refused(path)


def test_an_mp4_that_keeps_its_data_elsewhere_gets_nothing_from_there(tmp_path: Path) -> None:
    whole = write_video(tmp_path / "elsewhere.mp4", numbered(25)).path.read_bytes()
    url = b"url \x00\x00\x00\x01"  # a data reference that says: in this file
    assert url in whole
    path = tmp_path / "referring.mp4"
    path.write_bytes(whole.replace(url, b"url \x00\x00\x00\x00"))
    with open_container(FileSource(path)) as container:
        assert container.streams.video[0].width == 64
