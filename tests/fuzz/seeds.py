"""Small whole files of the containers and codecs that Kadr meets, made with PyAV: what the fuzzer mutates."""

from __future__ import annotations

import os
import struct
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.subtitles.subtitle import SubtitleSet

from tests.media_files import scenery

FPS, SECONDS = 10, 2.2
_TICK = Fraction(1, 1000)
_ASS = (
    b"[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize\nStyle: Default,Arial,16\n\n\
[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
)
_FAST = {
    "libx264": {"preset": "ultrafast", "x264-params": "threads=1"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none:pools=none:frame-threads=1"},
    "libvpx": {"deadline": "realtime", "cpu-used": "8"},
    "libvpx-vp9": {"deadline": "realtime", "cpu-used": "8"},
    "libsvtav1": {"preset": "13", "svtav1-params": "lp=1"},
}


@dataclass(frozen=True)
class Recipe:
    """``muxer`` options, the codecs (None: no such stream) and what else is put into the container."""

    muxer: str
    video: str | None = None
    audio: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    pixels: str = "yuv420p"
    size: tuple[int, int] = (64, 48)
    rate: int = 32_000
    layout: str = "stereo"
    b_frames: int = 0
    rotation: int = 0
    subtitles: str | None = None
    chapters: bool = False
    attachment: bool = False
    cover: str | None = None
    fps: int = FPS
    seconds: float = SECONDS


RECIPES: dict[str, Recipe] = {
    "mp4-h264-aac": Recipe("mp4", "libx264", "aac", b_frames=2, subtitles="mov_text", chapters=True),
    "mp4-faststart": Recipe("mp4", "libx264", "aac", {"movflags": "+faststart"}, rotation=90),
    "mp4-fragmented": Recipe(
        "mp4", "libx264", "aac", {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    ),
    "mp4-hevc-10bit": Recipe("mp4", "libx265", None, {"movflags": "+faststart"}, pixels="yuv420p10le"),
    "mp4-av1": Recipe("mp4", "libsvtav1", "libopus", rate=48_000),
    "mp4-mpeg4": Recipe("mp4", "mpeg4", "mp3", b_frames=1),
    "mov-prores-pcm": Recipe("mov", "prores_ks", "pcm_s16le", pixels="yuv422p10le", chapters=True),
    "mov-mjpeg-alac": Recipe("mov", "mjpeg", "alac", pixels="yuvj420p"),
    "mov-qtrle": Recipe("mov", "qtrle", "adpcm_ima_qt", pixels="rgb24"),
    "3gp": Recipe("3gp", "h263", "aac", size=(176, 144), layout="mono"),
    "m4a-cover": Recipe("mp4", None, "aac", cover="mjpeg"),
    "mkv-everything": Recipe(
        "matroska", "libx264", "flac", b_frames=2, subtitles="subrip", chapters=True, attachment=True
    ),
    "mkv-ass-font": Recipe("matroska", "ffv1", "pcm_s16le", subtitles="ass", attachment=True),
    "mkv-hevc": Recipe("matroska", "libx265", "ac3"),
    "mkv-mpeg2": Recipe("matroska", "mpeg2video", "wavpack"),
    "webm-vp8-vorbis": Recipe("webm", "libvpx", "vorbis"),
    "webm-vp9-opus": Recipe("webm", "libvpx-vp9", "libopus", rate=48_000, subtitles="webvtt"),
    "avi-mpeg4-mp3": Recipe("avi", "mpeg4", "mp3"),
    "avi-mjpeg": Recipe("avi", "mjpeg", "pcm_s16le", pixels="yuvj420p"),
    "avi-msmpeg4": Recipe("avi", "msmpeg4", "adpcm_ms"),
    "avi-huffyuv": Recipe("avi", "huffyuv", "pcm_u8", pixels="yuv422p", layout="mono"),
    "ts-h264-aac": Recipe("mpegts", "libx264", "aac", b_frames=2),
    "ts-mpeg2-mp2": Recipe("mpegts", "mpeg2video", "mp2"),
    "m2ts-hevc-ac3": Recipe("mpegts", "libx265", "ac3", {"mpegts_m2ts_mode": "1"}),
    "mpg": Recipe("mpeg", "mpeg1video", "mp2", fps=25),
    "vob": Recipe("vob", "mpeg2video", "ac3", fps=25),
    "flv-h264": Recipe("flv", "libx264", "aac"),
    "flv-sorenson": Recipe("flv", "flv", "mp3", rate=44_100),
    "asf-wmv": Recipe("asf", "wmv2", "wmav2"),
    "mxf": Recipe("mxf", "mpeg2video", "pcm_s16le", pixels="yuv420p", rate=48_000, layout="mono", fps=25),
    "nut": Recipe("nut", "mpeg4", "pcm_s16le", chapters=True),
    "gif": Recipe("gif", "gif", None, pixels="rgb8"),
    "ivf": Recipe("ivf", "libvpx-vp9", None),
    "y4m": Recipe("yuv4mpegpipe", "wrapped_avframe", None),
    "raw-h264": Recipe("h264", "libx264", None),
    "raw-hevc": Recipe("hevc", "libx265", None),
    "raw-av1": Recipe("obu", "libsvtav1", None),
    "rm": Recipe("rm", "rv20", "ac3", size=(176, 144)),
    "swf": Recipe("swf", "flv", "mp3", rate=44_100),
    "dv": Recipe("dv", "dvvideo", "pcm_s16le", size=(720, 576), rate=48_000, fps=25, seconds=0.3),
    "ogg-vorbis": Recipe("ogg", None, "vorbis", chapters=True),
    "ogg-opus": Recipe("ogg", None, "libopus", rate=48_000),
    "ogv-vp8": Recipe("ogv", "libvpx", "vorbis"),
    "ogg-flac": Recipe("ogg", None, "flac"),
    "wav": Recipe("wav", None, "pcm_s16le"),
    "wav-float-8ch": Recipe("wav", None, "pcm_f32le", layout="7.1", rate=48_000, seconds=0.3),
    "w64": Recipe("w64", None, "pcm_s24le"),
    "aiff": Recipe("aiff", None, "pcm_s16be"),
    "caf": Recipe("caf", None, "alac"),
    "au": Recipe("au", None, "pcm_mulaw", layout="mono", rate=8_000),
    "flac": Recipe("flac", None, "flac", cover="png"),
    "mp3-cover": Recipe("mp3", None, "mp3", cover="mjpeg"),
    "aac": Recipe("adts", None, "aac"),
    "ac3": Recipe("ac3", None, "ac3", layout="5.1", rate=48_000),
    "tta": Recipe("tta", None, "tta"),
    "wv": Recipe("wv", None, "wavpack"),
    "amr": Recipe("amr", None, "libopencore_amrnb", layout="mono", rate=8_000),
}


def all_made() -> dict[str, bytes]:
    """Every seed by its name."""
    seeds = {name: made(recipe) for name, recipe in RECIPES.items()}
    plain = made(Recipe("caf", None, "pcm_s16be"))
    return seeds | {"caf-right-left": labelled(plain, 2, 1), "caf-discrete": labelled(plain, 1 << 16, 42)}


def labelled(caf: bytes, *labels: int) -> bytes:
    """A CAF file whose channels are listed by ``labels`` (Core Audio's: 1 left, 2 right, 42 mono)."""
    described = b"".join(struct.pack(">II12x", label, 0) for label in labels)
    chunk = struct.pack(">4sQIII", b"chan", 12 + len(described), 0, 0, len(labels)) + described
    at = caf.index(b"chan")
    (size,) = struct.unpack_from(">Q", caf, at + 4)
    return caf[:at] + chunk + caf[at + 12 + size :]


def made(recipe: Recipe) -> bytes:
    """The whole file."""
    with tempfile.NamedTemporaryFile() as file:  # a name, as faststart reads again what it wrote
        _write(Path(file.name), recipe)
        if recipe.video == "libsvtav1" and hasattr(os, "sched_setscheduler"):
            # For root it makes the caller a real-time process, which would starve the machine, and leaves it one.
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        return Path(file.name).read_bytes()


def _write(path: Path, recipe: Recipe) -> None:
    options = {**recipe.options, "fflags": "+bitexact"}
    container: Any
    with av.open(path, "w", format=recipe.muxer, options=options) as container:
        video = _video(container, recipe) if recipe.video else None
        audio = _audio(container, recipe) if recipe.audio else None
        cover = _cover(container, recipe.cover) if recipe.cover else None
        subtitles = container.add_stream(recipe.subtitles) if recipe.subtitles else None
        if subtitles is not None:
            subtitles.codec_context.subtitle_header = _ASS
        if recipe.chapters:
            container.set_chapters([_chapter(n) for n in range(3)])
        if recipe.attachment:
            container.add_attachment("odd.ttf", "application/x-truetype-font", bytes(range(256)) * 4)
        if cover is not None:
            container.mux(cover.encode(_frame(0, (32, 32), cover.pix_fmt)))
        _interleave(container, recipe, video, audio, subtitles)
        for stream in (video, audio, cover):
            if stream is not None:
                container.mux(stream.encode())


def _video(container: Any, recipe: Recipe) -> Any:
    stream = container.add_stream(recipe.video, rate=recipe.fps)
    stream.width, stream.height = recipe.size
    stream.pix_fmt = recipe.pixels
    stream.codec_context.thread_count = 1
    stream.options = {
        "g": "5",
        "bf": str(recipe.b_frames),
        "flags": "+bitexact",
        **_FAST.get(recipe.video or "", {}),
    }
    if recipe.video == "libsvtav1":
        del stream.options["bf"]
    if recipe.rotation:
        stream.set_display_rotation(recipe.rotation)
    return stream


def _audio(container: Any, recipe: Recipe) -> Any:
    stream = container.add_stream(recipe.audio, rate=recipe.rate, layout=recipe.layout)
    stream.options = {"flags": "+bitexact", "strict": "-2"}
    if recipe.audio == "wmav2":
        stream.options, stream.bit_rate = {}, 64_000
    return stream


def _cover(container: Any, codec: str) -> Any:
    stream = container.add_stream(codec, rate=1)
    stream.width = stream.height = 32
    stream.pix_fmt = {"mjpeg": "yuvj420p", "png": "rgb24"}[codec]
    stream.disposition = av.stream.Disposition.attached_pic
    return stream


def _chapter(number: int) -> Any:
    start = number * 700
    title = {"title": f"part {number}"}
    return {"id": number, "start": start, "end": start + 700, "time_base": _TICK, "metadata": title}


def _interleave(container: Any, recipe: Recipe, video: Any, audio: Any, subtitles: Any) -> None:
    tone = _tone(recipe) if audio else None
    pictures = round(recipe.seconds * recipe.fps) if video else 0
    for number in range(pictures):
        frame = _frame(number, recipe.size, recipe.pixels)
        frame.pts, frame.time_base = number, Fraction(1, recipe.fps)
        container.mux(video.encode(frame))
        if subtitles is not None and number % 6 == 0:
            _caption(container, subtitles, number * 1000 // recipe.fps)
    for at in range(0, 0 if tone is None else tone.shape[1], 1152):
        assert tone is not None
        packed = np.ascontiguousarray(tone[:, at : at + 1152].T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=recipe.layout)
        frame.sample_rate, frame.pts, frame.time_base = recipe.rate, at, Fraction(1, recipe.rate)
        container.mux(audio.encode(frame))


def _caption(container: Any, stream: Any, at_ms: int) -> None:
    event = rf"{at_ms},0,Default,,0,0,0,,Said at {{\i1}}{at_ms}{{\i0}}".encode()
    subtitle = SubtitleSet.create(event, 0, 500, pts=at_ms * 1000)
    packet = stream.codec_context.encode_subtitle(subtitle)
    packet.stream, packet.pts, packet.dts, packet.duration, packet.time_base = (
        stream,
        at_ms,
        at_ms,
        500,
        _TICK,
    )
    container.mux(packet)


def _frame(number: int, size: tuple[int, int], pixels: str) -> Any:
    """A picture of blocks that move, in the format that the encoder wants."""
    picture = np.roll(scenery(number // 8, size), 3 * number, axis=1)
    return av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=pixels)


def _tone(recipe: Recipe) -> np.ndarray[Any, Any]:
    """int16 [C, N]: two notes and a pause."""
    t = np.arange(int(recipe.seconds * recipe.rate)) / recipe.rate
    wave = 0.4 * np.sin(2 * np.pi * np.where(t < 1, 440, 660) * t) * (np.abs(t - 1.4) > 0.2)
    channels = av.AudioLayout(recipe.layout).nb_channels
    return np.tile((wave * 32767).astype(np.int16), (channels, 1))
