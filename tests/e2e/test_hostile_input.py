"""Files that refer to others: what a file only refers to stays closed, and what it brings along is data."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import pytest

from tests.e2e.conftest import Kadr
from tests.fuzz.seeds import RECIPES, Recipe, made
from tests.fuzz.units import units
from tests.media_files import numbered, scenery, write_video

CHEAP = ("--only", "quality,loudness,captions")


class Watched:
    """A folder of files that nobody may open, and a port that nobody may reach. Needs inotify(7)."""

    _IN_OPEN, _IN_ACCESS, _IN_NONBLOCK = 0x20, 0x1, 0x800

    def __init__(self, folder: Path) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._handle = self._libc.inotify_init1(self._IN_NONBLOCK)
        watch = self._libc.inotify_add_watch(
            self._handle, os.fsencode(folder), self._IN_OPEN | self._IN_ACCESS
        )
        assert watch >= 0, os.strerror(ctypes.get_errno())
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]

    def touched(self) -> bool:
        """Whether a file of the folder was opened since the last call."""
        try:
            return bool(os.read(self._handle, 65536))
        except BlockingIOError:
            return False

    def reached(self) -> bool:
        try:
            self._listener.accept()[0].close()
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        os.close(self._handle)
        self._listener.close()


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    folder = tmp_path / "secrets"
    folder.mkdir()
    write_video(folder / "secret.mp4", numbered(25), tone_s=1.0)
    shutil.copy(write_video(tmp_path / "s.ts", numbered(25)).path, folder / "secret.ts")
    (folder / "secret.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nsecret\n")
    for number in range(3):
        container: Any
        with av.open(
            folder / f"frame{number:03}.png", "w", format="image2", options={"update": "1"}
        ) as container:
            stream = container.add_stream("png", rate=1)
            stream.width, stream.height, stream.pix_fmt = 32, 32, "rgb24"
            container.mux(stream.encode(av.VideoFrame.from_ndarray(scenery(1, (32, 32)), format="rgb24")))
            container.mux(stream.encode())
    return folder


@pytest.fixture
def watched(secrets: Path) -> Iterator[Watched]:
    if not hasattr(ctypes.CDLL(None), "inotify_init1"):
        pytest.skip("no inotify here to watch files with")
    one = Watched(secrets)
    (secrets / "secret.srt").read_text()
    assert one.touched(), "the watch does not watch"
    yield one
    one.close()


def texts_that_refer(secret: Path, url: str) -> dict[str, str]:
    folder = secret.parent
    return {
        "hls": f"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{secret}\n#EXTINF:5,\n{url}\n#EXT-X-ENDLIST\n",
        "hls-key": f'#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{url}"\n#EXTINF:5,\n{secret}\n#EXT-X-ENDLIST\n',
        "hls-spaced": f"\n \n#EXTM3U\n#EXTINF:5,\nfile://{secret}\n#EXT-X-ENDLIST\n",
        "concat": f"ffconcat version 1.0\nfile '{secret}'\nfile '{url}'\n",
        "concat-bare": f"file '{secret}'\nfile '{url}'\n",
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
        "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet mimeType='
        f'"video/mp4"><Representation id="1" bandwidth="1"><BaseURL>{url}</BaseURL></Representation></AdaptationSet></Period></MPD>',
        "imf": f'<?xml version="1.0"?><CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016"><Id>{url}</Id>'
        "</CompositionPlaylist>",
        "asx": f'<ASX version="3.0"><Entry><Ref href="{url}"/></Entry></ASX>',
        "pls": f"[playlist]\nFile1={url}\nFile2={secret}\nNumberOfEntries=2\n",
        "reference": f"[Reference]\nRef1={url}\n",
        "ram": f"rtsp://{url.removeprefix('http://')}\n{url}\n",
        "vobsub": "# VobSub index file, v7 (do not modify this line!)\nid: en, index: 0\ntimestamp: 00:00:00:000, filepos: 0\n",
        "smil": f'<smil><body><video src="{url}"/><ref src="{secret}"/></body></smil>',
        "rtsptext": f"RTSPtext{url}\n",
        "avisynth": f'DirectShowSource("{secret}")\nAviSource("{secret}")\n',
        "ass": f"[Script Info]\nScriptType: v4.00+\nVideo File: {secret}\nAudio URI: {url}\n[V4+ Styles]\nFormat: Name, Fontname\n"
        f"Style: Default,{secret}\n[Events]\nFormat: Start, End, Text\nDialogue: 0:00:00.00,0:00:01.00,x\n",
        "webvtt": f"WEBVTT\n\nSTYLE\n@import url({url});\n\n00:00.000 --> 00:01.000\n<img src={url}>\n",
        "ttml": f'<tt xmlns="http://www.w3.org/ns/ttml"><head><image src="{url}"/></head><body><p>x</p></body></tt>',
        "image-pattern": f"{folder}/frame%03d.png\n",
        "image-list": "\n".join(str(folder / f"frame{n:03}.png") for n in range(3)),
    }  # fmt: skip


def boxed(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", 8 + len(content)) + kind + content


def movie_elsewhere(whole: bytes, reference: bytes) -> bytes:
    """A movie without data of its own; ``reference``: the box that says where the data are."""

    def put(data: bytes, path: tuple[bytes, ...]) -> bytes:
        out, at = b"", 0
        while at < len(data):
            size, kind = struct.unpack(">I4s", data[at : at + 8])
            inside = data[at + 8 : at + size]
            if kind == path[0]:
                inside = (
                    put(inside, path[1:]) if len(path) > 1 else bytes(4) + struct.pack(">I", 1) + reference
                )
            out += boxed(kind, inside)
            at += size
        return out

    return put(whole, (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref")).replace(b"mdat", b"free")


def element(kind: str, content: bytes) -> bytes:
    return bytes.fromhex(kind) + (len(content) | 1 << 56).to_bytes(8, "big") + content


def linked_segment(whole: bytes, secret: Path) -> bytes:
    """A Matroska file that goes on in another segment, by its identifier and by an ordered chapter (RFC 9559, 17)."""
    uid, name = element("3eb923", b"\7" * 16), str(secret).encode()
    info = element(
        "1549a966", uid + element("3e83bb", name) + element("3c83ab", name) + element("3cb923", b"\7" * 16)
    )
    chapter = element("b6", element("91", b"\0") + element("6e67", b"\7" * 16) + element("73c4", b"\1"))
    chapters = element("1043a770", element("45b9", element("45dd", b"\1") + chapter))
    segment = next(
        u for u in units(whole) if whole[u.kind_at : u.kind_at + u.kind_bytes] == bytes.fromhex("18538067")
    )
    inside = info + chapters + whole[segment.body : segment.end]
    return whole[: segment.start] + element("18538067", inside)


def referring(folder: Path, secrets: Path, port: int) -> list[Path]:
    """Files named .mp4 of every kind that names other files and addresses."""
    secret, url = secrets / "secret.mp4", f"http://127.0.0.1:{port}/video.mp4"
    made_of: dict[str, bytes] = {
        k: v.encode() for k, v in texts_that_refer(secrets / "secret.ts", url).items()
    }
    whole = secret.read_bytes()
    made_of["dref-url"] = movie_elsewhere(whole, boxed(b"url ", bytes(4) + url.encode() + b"\0"))
    made_of["dref-file"] = movie_elsewhere(
        whole, boxed(b"url ", bytes(4) + f"file://{secret}".encode() + b"\0")
    )
    made_of["dref-urn"] = movie_elsewhere(whole, boxed(b"urn ", bytes(4) + b"x\0" + url.encode() + b"\0"))
    data_reference = boxed(
        b"rdrf", bytes(4) + b"url " + struct.pack(">I", len(url) + 1) + url.encode() + b"\0"
    )
    made_of["reference-movie"] = boxed(b"ftyp", b"qt  \0\0\0\0qt  ") + boxed(
        b"moov", boxed(b"rmra", boxed(b"rmda", data_reference))
    )
    made_of["linked"] = linked_segment(made(RECIPES["mkv-everything"]), secret)
    paths = []
    for name, data in made_of.items():
        paths.append(folder / f"{name}.mp4")
        paths[-1].write_bytes(data)
    # Names that FFmpeg would take for patterns and protocols if it were given names.
    for name in ("frame%03d.png", "concat:secrets|secrets", "subfile,,start,0,end,9,,:x.mp4"):
        paths.append(folder / name)
        paths[-1].write_bytes(made(Recipe("mpegts", "libx264", None)))
    return paths


def test_nothing_is_opened_that_a_file_only_refers_to(
    kadr: Kadr, tmp_path: Path, secrets: Path, watched: Watched
) -> None:
    paths = referring(tmp_path, secrets, watched.port)
    watched.touched()
    said = kadr("analyze", *paths, *CHEAP, "--out", tmp_path / "out", "--json", timeout=600)
    assert "Traceback" not in said.err
    assert not watched.touched(), "a file was opened that was only referred to"
    assert not watched.reached(), "an address was connected to that was only referred to"
    videos = {v["video"]: v for v in said.events("summary")[0]["videos"]}
    assert len(videos) == len(paths)
    for name in texts_that_refer(secrets, ""):
        assert videos[f"{name}.mp4"]["status"] == "failed", name
    for name in ("linked.mp4", "frame%03d.png", "concat:secrets|secrets", "subfile,,start,0,end,9,,:x.mp4"):
        assert videos[name]["status"] == "complete", videos[name]


def test_subtitles_fonts_and_attachments_are_data(kadr: Kadr, tmp_path: Path) -> None:
    whole = made(RECIPES["mkv-ass-font"])
    hostile = whole.replace(b"odd.ttf", b"../x.sh")
    assert hostile != whole
    path = tmp_path / "in" / "v.mkv"
    path.parent.mkdir()
    path.write_bytes(hostile)
    said = kadr("analyze", path, *CHEAP, "--out", tmp_path / "out", "--json")
    assert said.code == 0, said.out
    found = json.loads((tmp_path / "out/insights.json").read_text())
    assert [c["text"] for c in found["captions"]][:2] == ["Said at 0", "Said at 600"]
    assert not [p for p in tmp_path.rglob("*") if p.name in ("x.sh", "odd.ttf")]
