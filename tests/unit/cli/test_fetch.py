"""Videos behind URLs, from a real server on this machine: whole or not at all, once while fresh, never a list."""

from __future__ import annotations

import functools
import gc
import http.server
import os
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from cli.fetch import DAY_S, Fetcher
from kadr.contracts.errors import StoreFailure, VideoUnavailable
from tests.media_files import numbered, write_video

LIST = """<rss version="2.0"><channel><title>List</title>
<item><title>one</title><link>{0}/v.mp4</link></item><item><title>two</title><link>{0}/w.mp4</link></item>
</channel></rss>"""


@dataclass(frozen=True)
class Site:
    """A web site in ``folder`` and what was asked of it."""

    address: str
    folder: Path
    asked: Counter[str]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder, asked = tmp_path / "site", Counter[str]()
    folder.mkdir()
    write_video(folder / "v.mp4", numbered(50))

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            asked[self.path] += 1
            super().do_GET()

        def log_message(self, *_: object) -> None: ...

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield Site(f"http://127.0.0.1:{server.server_port}", folder, asked)
        server.shutdown()


@pytest.fixture
def fetch(tmp_path: Path) -> Fetcher:
    return Fetcher(tmp_path / "100% of %(downloads)s", print)


def test_a_video_is_fetched_whole_once_and_nothing_else_is_left(site: Site, fetch: Fetcher) -> None:
    found = fetch(f"{site.address}/v.mp4")
    assert found.read_bytes() == (site.folder / "v.mp4").read_bytes()
    before = site.asked.copy()
    assert fetch(f"{site.address}/v.mp4") == found
    assert site.asked == before
    assert [p for p in fetch.folder.rglob("*") if p.is_file()] == [found]


def test_it_is_fetched_again_when_it_is_no_longer_fresh(site: Site, fetch: Fetcher) -> None:
    url = f"{site.address}/v.mp4"
    found = fetch(url)
    old = found.stat().st_mtime - 2 * DAY_S
    os.utime(found, (old, old))
    write_video(site.folder / "v.mp4", numbered(25))
    now = (site.folder / "v.mp4").read_bytes()
    assert fetch(url).read_bytes() != now
    assert replace(fetch, ttl_days=None)(url).read_bytes() != now
    assert replace(fetch, ttl_days=1)(url).read_bytes() == now
    before = site.asked.copy()
    assert replace(fetch, ttl_days=0)(url).read_bytes() == now
    assert site.asked != before


def test_two_at_once_fetch_it_once(site: Site, fetch: Fetcher) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(fetch, [f"{site.address}/v.mp4"] * 4))
    assert len(found) == 1
    alone = replace(fetch, folder=fetch.folder.with_name("alone"))
    together = site.asked.copy()
    alone(f"{site.address}/v.mp4")
    assert site.asked - together == together


def test_what_is_too_large_is_refused_with_the_limit(site: Site, fetch: Fetcher) -> None:
    small = replace(fetch, max_bytes=1000)
    with pytest.raises(VideoUnavailable, match="is larger than 1e-06 GB: KADR_FETCH_GB lets in more"):
        small(f"{site.address}/v.mp4")
    assert not list(fetch.folder.glob("*/video.mp4"))


@pytest.fixture
def stream(site: Site) -> str:
    """A video in pieces (HTTP Live Streaming), whole if it has an end."""
    lines = ["#EXTM3U", "#EXT-X-VERSION:3", "#EXT-X-TARGETDURATION:2"]
    for i in range(3):
        write_video(site.folder / f"{i}.ts", numbered(25))
        lines += ["#EXTINF:1.0,", f"{i}.ts"]
    (site.folder / "live.m3u8").write_text("\n".join([*lines, ""]))
    (site.folder / "v.m3u8").write_text("\n".join([*lines, "#EXT-X-ENDLIST", ""]))
    return f"{site.address}/v.m3u8"


def test_a_video_in_pieces_is_put_together_without_ffmpeg(
    site: Site, stream: str, fetch: Fetcher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ffmpeg", "ffprobe"):
        (tmp_path / name).write_text(f"#!/bin/sh\necho $@ >> {tmp_path / 'called'}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found = fetch(stream)
    assert found.read_bytes() == b"".join((site.folder / f"{i}.ts").read_bytes() for i in range(3))
    calls = (tmp_path / "called").read_text() if (tmp_path / "called").exists() else ""
    assert set(calls.split()) <= {"-bsfs"}  # asked what it could do, never given anything


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # yt-dlp leaves a file to the collector
def test_the_limit_holds_for_pieces_too(site: Site, stream: str, fetch: Fetcher) -> None:
    limit = (site.folder / "0.ts").stat().st_size + 1000
    with pytest.raises(VideoUnavailable, match="KADR_FETCH_GB"):
        replace(fetch, max_bytes=limit)(stream)
    gc.collect()
    assert "/2.ts" not in site.asked


def test_what_has_no_end_is_refused(site: Site, stream: str, fetch: Fetcher) -> None:
    with pytest.raises(VideoUnavailable, match="is live: analyse it when it has ended"):
        fetch(f"{site.address}/live.m3u8")


def test_a_list_is_refused(site: Site, fetch: Fetcher) -> None:
    (site.folder / "list.rss").write_text(LIST.format(site.address))
    with pytest.raises(VideoUnavailable, match="is a list of videos"):
        fetch(f"{site.address}/list.rss")
    assert "/w.mp4" not in site.asked


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/none.mp4", "the server answered 404 (File not found)"),
        ("/text.html", "no video was found there (Unsupported URL)"),
    ],
)
def test_what_is_no_video_has_the_reason(site: Site, fetch: Fetcher, path: str, why: str) -> None:
    (site.folder / "text.html").write_text("<p>no video here")
    with pytest.raises(VideoUnavailable) as raised:
        fetch(site.address + path)
    assert str(raised.value) == f"{site.address}{path}: {why}"
    assert not list(fetch.folder.glob("*.part"))


NOWHERE = "this is no address that a video can be fetched from: "


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://[bad", f"{NOWHERE}Invalid IPv6 URL"),
        ("http://", f"{NOWHERE}it names no host"),
        ("http://127.0.0.1:1/v.mp4", "it cannot be reached: Connection refused"),
        ("https://127.0.0.1:99999/", f"{NOWHERE}Port out of range 0-65535"),
    ],
)
def test_addresses_that_lead_nowhere_are_said_in_one_sentence(fetch: Fetcher, url: str, why: str) -> None:
    with pytest.raises(VideoUnavailable) as raised:
        fetch(url)
    assert str(raised.value) == f"{url}: {why}"


def test_a_folder_that_cannot_be_written_is_named(fetch: Fetcher, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreFailure, match=r"cannot be kept in .*file"):
        replace(fetch, folder=tmp_path / "file")("http://127.0.0.1:1/v.mp4")
