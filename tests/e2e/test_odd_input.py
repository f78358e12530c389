"""Odd but honest files, hostile ones, and machines that run out of something: what can be had is had, the rest is said."""

from __future__ import annotations

import ctypes
import json
import os
import random
import shutil
import socket
import struct
import subprocess
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from tests.e2e.conftest import Kadr, Said
from tests.fuzz.seeds import RECIPES, Recipe, made
from tests.fuzz.units import units
from tests.media_files import colour, numbered, scenery, write_video

CHEAP = ("--only", "quality,loudness,captions")


# -- odd files, all in one call ------------------------------------------------------------------------------------------


def cover_only(path: Path) -> None:
    path.write_bytes(made(RECIPES["mp3-cover"]))


def variable_rate(path: Path) -> None:
    times = [0, 40, 80, 700, 705, 710, 1900, 2500, 2510, 2999]
    write_video(path, numbered(len(times)), times_ms=times)


def one_pixel(path: Path) -> None:
    write_video(path, [colour(200, 90, 30, (1, 1))] * 25, codec="ffv1", pix_fmt="bgr0", tone_s=1.0)


def odd_size(path: Path) -> None:
    write_video(path, [scenery(i // 9, (33, 17)) for i in range(25)], pix_fmt="yuv444p")


def eight_k(path: Path) -> None:
    write_video(path, [scenery(1, (7680, 4320))] * 3, codec="mjpeg", pix_fmt="yuvj420p", fps=3)


def high_dynamic_range(path: Path, transfer: int) -> None:
    frame = av.VideoFrame.from_ndarray(scenery(3, (64, 48)), format="rgb24").reformat(format="yuv420p10le")
    container: Any
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p10le"
        context = stream.codec_context
        context.color_trc, context.color_primaries, context.colorspace = transfer, 9, 9
        for number in range(5):
            frame.pts, frame.time_base = number, Fraction(1, 5)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def blink(path: Path) -> None:
    write_video(path, numbered(5), tone_s=0.2)


def shuffled_times(path: Path) -> None:
    """Every block says a time of its own fancy."""
    data, chance = bytearray(made(RECIPES["mkv-everything"])), random.Random(5)
    for unit in units(bytes(data)):
        if data[unit.kind_at : unit.kind_at + unit.kind_bytes] == b"\xa3":
            data[unit.body + 1 : unit.body + 3] = chance.randbytes(2)
    path.write_bytes(data)


def no_times(path: Path) -> None:
    path.write_bytes(made(RECIPES["raw-h264"]))


def three_sounds(path: Path) -> None:
    container: Any
    with av.open(path, "w") as container:
        streams = [container.add_stream("pcm_s16le", rate=16_000, layout="mono") for _ in range(3)]
        for stream, language in zip(streams, ("eng", "deu", "rus"), strict=True):
            stream.metadata["language"] = language
        streams[1].disposition = av.stream.Disposition.default
        for number, stream in enumerate(streams):
            loudness = 3000 * 3**number
            wave = (loudness * np.sin(np.arange(32_000) / 5)).astype(np.int16).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 16_000, 0, Fraction(1, 16_000)
            container.mux(stream.encode(frame))
            container.mux(stream.encode())


ODD = {
    "cover.mp3": cover_only,
    "variable.mkv": variable_rate,
    "turned90.mp4": lambda p: write_video(p, numbered(25), rotation=90),
    "turned180.mp4": lambda p: write_video(p, numbered(25), rotation=180),
    "turned270.mp4": lambda p: write_video(p, numbered(25), rotation=270),
    "pixel.mkv": one_pixel,
    "odd.mp4": odd_size,
    "eight_k.avi": eight_k,
    "pq.mkv": lambda p: high_dynamic_range(p, 16),
    "hlg.mkv": lambda p: high_dynamic_range(p, 18),
    "blink.mp4": blink,
    "shuffled.mkv": shuffled_times,
    "untimed.h264": no_times,
    "sounds.mkv": three_sounds,
}


@pytest.fixture(scope="module")
def odd(shared_kadr: Kadr, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What the insights say of each odd file."""
    folder = tmp_path_factory.mktemp("odd")
    for name, make in ODD.items():
        make(folder / name)
    said = shared_kadr(
        "analyze", *(folder / n for n in ODD), *CHEAP, "--out", folder / "out", "--json", timeout=600
    )
    assert said.code == 0, said.out[-3000:] + said.err
    return {n: json.loads((folder / f"out/{n}.kadr/insights.json").read_text()) for n in ODD}


@pytest.mark.parametrize(
    ("name", "size", "duration_ms"),
    [
        ("variable.mkv", (64, 48), 3020),
        ("turned90.mp4", (48, 64), 1000),
        ("turned180.mp4", (64, 48), 1000),
        ("turned270.mp4", (48, 64), 1000),
        ("pixel.mkv", (1, 1), 1000),
        ("odd.mp4", (33, 17), 1000),
        ("eight_k.avi", (7680, 4320), 1000),
        ("pq.mkv", (64, 48), 1000),
        ("hlg.mkv", (64, 48), 1000),
        ("blink.mp4", (64, 48), 200),
        ("untimed.h264", (64, 48), 2200),
    ],
)
def test_odd_pictures_are_read_whole(
    odd: dict[str, dict[str, Any]], name: str, size: tuple[int, int], duration_ms: int
) -> None:
    found = odd[name]
    assert found["status"] == "complete"
    picture = found["video"]["picture"]
    assert (picture["width"], picture["height"]) == size
    assert found["video"]["duration_ms"] == pytest.approx(duration_ms, abs=60)
    assert picture["hdr"] == (name in ("pq.mkv", "hlg.mkv"))


def test_cover_art_is_no_video(odd: dict[str, dict[str, Any]]) -> None:
    found = odd["cover.mp3"]
    assert found["video"]["picture"] is None
    assert found["quality"] == []
    assert found["loudness"]["integrated_lufs"] < 0


def test_times_in_disorder_end_no_later_than_the_file_can(odd: dict[str, dict[str, Any]]) -> None:
    found = odd["shuffled.mkv"]
    assert 0 < found["video"]["duration_ms"] < 60_000
    assert found["loudness"] is not None


def test_of_several_sounds_the_default_is_heard_or_the_one_asked_for(
    shared_kadr: Kadr, odd: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    assert [s["language"] for s in odd["sounds.mkv"]["video"]["sound"]] == ["eng", "deu", "rus"]
    three_sounds(tmp_path / "sounds.mkv")
    ask = ("analyze", tmp_path / "sounds.mkv", "--only", "loudness", "--out", tmp_path / "out")
    assert shared_kadr(*ask, "--set", "pcm.audio_stream=2").code == 0
    louder = json.loads((tmp_path / "out/insights.json").read_text())["loudness"]["integrated_lufs"]
    # Each is three times the amplitude of the one before, which is 9.5 dB.
    assert louder - odd["sounds.mkv"]["loudness"]["integrated_lufs"] == pytest.approx(9.5, abs=0.3)


@pytest.mark.parametrize(
    "name", ["..mp4", "...", "-rf", 'a b\'s "c" 🎬.mp4', "line\nbreak.mp4", "%20$HOME`id`.mp4", "*.mp4"]
)
def test_names_are_only_names(shared_kadr: Kadr, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    path = folder / name
    write_video(tmp_path / "plain.mp4", numbered(25))
    (tmp_path / "plain.mp4").rename(path)
    before = set(tmp_path.iterdir())
    said = shared_kadr("analyze", "--only", "quality", "--json", "--", f"{folder}/../inner/{name}")
    assert said.code == 0, said.out + said.err
    assert (folder / f"{name}.kadr/report.html").is_file()
    assert {p.name for p in folder.iterdir()} == {name, f"{name}.kadr"}
    assert set(tmp_path.iterdir()) == before


# -- what a file refers to stays closed ----------------------------------------------------------------------------------


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


# -- a machine that runs out of something ---------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system in memory of its own, for whoever may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = (
        os.geteuid() == 0
        and shutil.which("mount")
        and _mount(folder, "-t", "tmpfs", "-o", "size=64k", "tmpfs")
    )
    if not mounted:
        pytest.skip("only root may mount a small file system; RLIMIT_FSIZE is tried in test_bad_input")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def _mount(folder: Path, *arguments: str) -> bool:
    return (
        subprocess.run(["mount", *arguments, str(folder)], capture_output=True, check=False).returncode == 0
    )


def test_a_disk_that_is_full_at_any_write_is_said_and_the_run_goes_on(
    small_disk: Path, weights: Path, tmp_path: Path
) -> None:
    """The disk grows a little each time the command is given again: it fills up somewhere else each time."""
    video = tmp_path / "v.mp4"
    write_video(video, [scenery(i // 5) for i in range(75)], tone_s=3.0)
    kadr = Kadr(small_disk / "home", weights)
    ask = ("analyze", video, "--only", "quality,loudness", "--out", small_disk / "out", "--json")
    sizes, said = iter((100, 170, 240, 310, 400, 600, 64_000)), kadr(*ask)
    full = 0
    while said.code != 0:
        full += 1
        assert said.code == 1, said.out
        assert "no space" in (said.out + said.err).lower(), said.out + said.err
        assert "Traceback" not in said.out + said.err
        assert _mount(small_disk, "-o", f"remount,size={next(sizes)}k")
        said = kadr(*ask)
    assert full > 2
    undisturbed = Kadr(tmp_path / "home", weights)
    undisturbed("analyze", video, "--only", "quality,loudness", "--out", tmp_path / "out")
    assert kadr.results() == undisturbed.results()


def test_a_video_in_a_folder_that_cannot_be_written(kadr: Kadr, small_disk: Path, tmp_path: Path) -> None:
    video = small_disk / "v.mp4"
    write_video(video, numbered(25))
    assert _mount(small_disk, "-o", "remount,ro")
    said = kadr("analyze", video, "--only", "quality")
    assert said.code == 1
    assert "cannot write results to" in said.err
    assert "--out" in said.err
    assert kadr("analyze", video, "--only", "quality", "--out", tmp_path / "out").code == 0


def failed(kadr: Kadr, video: Path, out: Path, **environment: str) -> Said:
    """One component of two fails."""
    said = kadr(
        "analyze", video, "--only", "captions,loudness", "--out", out, "--json", timeout=120, **environment
    )
    assert said.code == 3, said.out + said.err
    assert "Traceback" not in said.err
    assert "loudness" not in said.video["missing"]
    return said


def test_a_reader_of_files_that_takes_all_memory_is_stopped(own_kadr: Kadr, tmp_path: Path) -> None:
    glutton = "    hoard = []\n    while True:\n        hoard.append(bytearray(b'x') * (16 << 20))\n"
    own_kadr.edit(
        "functions/captions/component.py",
        "    if params.sidecar is not None:",
        f"{glutton}    if params.sidecar:",
    )
    video = tmp_path / "v.mp4"
    write_video(video, numbered(25), tone_s=1.0)
    said = failed(own_kadr, video, tmp_path / "o", KADR_MEDIA_MEMORY_MB="700")
    assert "out of memory" in said.video["missing"]["captions"]


def test_what_asks_for_more_memory_than_there_is_fails_alone(own_kadr: Kadr, tmp_path: Path) -> None:
    own_kadr.edit(
        "functions/loudness/component.py", "    power = levels", "    np.ones(1 << 46)\n    power = levels"
    )
    video = tmp_path / "v.mp4"
    write_video(video, numbered(25), tone_s=1.0)
    said = own_kadr(
        "analyze", video, "--only", "loudness,quality", "--out", tmp_path / "o", "--json", timeout=120
    )
    assert said.code == 3, said.out + said.err
    assert list(said.video["missing"]) == ["loudness"]
    assert "out of memory" in said.video["missing"]["loudness"]


def test_a_component_that_hangs_is_ended(own_kadr: Kadr, tmp_path: Path) -> None:
    own_kadr.edit("functions/captions/component.py", "memory_mb=100,", "memory_mb=100, timeout_s=2,")
    own_kadr.edit(
        "functions/captions/component.py",
        "    if params.sidecar is not None:",
        "    while True:\n        pass\n    if params.sidecar:",
    )
    own_kadr.module("kadr.pipeline.catalogue")
    video = tmp_path / "v.mp4"
    write_video(video, numbered(25), tone_s=1.0)
    said = failed(own_kadr, video, tmp_path / "o")
    assert "did not finish within 2 s" in said.video["missing"]["captions"]
