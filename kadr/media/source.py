"""Opening the video's bytes: a file object only, ordinary containers only, nothing that a file refers to."""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from os import SEEK_CUR, SEEK_END, SEEK_SET
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import av
import av.error
from av.audio.layout import AudioLayout
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from kadr.contracts.errors import VideoUnreadable
from kadr.contracts.media import SourceFile
from kadr.media.joins import Continued, Join

FORMATS = [
    "mov",
    "mp4",
    "m4a",
    "3gp",
    "3g2",
    "mj2",
    "matroska",
    "webm",
    "avi",
    "mpegts",
    "mpeg",
    "mpegvideo",
    "flv",
    "ogg",
    "wav",
    "w64",
    "aiff",
    "caf",
    "mp3",
    "flac",
    "aac",
    "ac3",
    "eac3",
    "dts",
    "amr",
    "au",
    "ape",
    "wv",
    "tta",
    "asf",
    "mxf",
    "gif",
    "ivf",
    "h264",
    "hevc",
    "m4v",
    "obu",
    "av1",
    "dv",
    "rm",
    "swf",
    "nut",
    "y4m",
    "yuv4mpegpipe",
    "vob",
]
"""Demuxers that read one file and nothing else. Left out: playlists and everything that names other files or addresses."""

MAX_PIXELS = 8192 * 8192
"""Pictures above this are refused before a byte of them is decoded (8K is 33 million pixels)."""

_OPTIONS = {
    "format_whitelist": ",".join(FORMATS),
    "protocol_whitelist": "",
    "enable_drefs": "0",
    # Opening may decode a picture to learn its size.
    "max_pixels": str(MAX_PIXELS),
}
_HEAD = 4096
_REACH = 1 << 44
"""No file reaches here: 16 TiB, where Linux' most common file system ends."""
_PLAYLISTS = (b"#EXTM3U", b"ffconcat", b"<MPD", b"v=0\r\n", b"v=0\n")


@dataclass(frozen=True)
class FileSource:
    """A video in a file on this machine. Raises VideoUnreadable on open when it is missing or no regular file."""

    path: Path

    @property
    def size(self) -> int:
        return int(self._stat().st_size)

    def open(self) -> BinaryIO:
        self._stat()
        try:
            return self.path.open("rb")
        except OSError as error:
            raise VideoUnreadable(f"{self.path.name}: cannot be opened: {error.strerror}") from error

    def _stat(self) -> Any:
        try:
            found = self.path.stat()
        except OSError as error:
            raise VideoUnreadable(f"{self.path.name}: cannot be opened: {error.strerror}") from error
        if not stat.S_ISREG(found.st_mode):
            raise VideoUnreadable(f"{self.path.name}: is not a file. Give the path of one video file")
        return found


@contextmanager
def open_container(source: SourceFile) -> Iterator[InputContainer]:
    """The demuxer over ``source``'s bytes. FFmpeg gets a file object and may open nothing else.

    Raises VideoUnreadable saying what the bytes are when they are not a video.
    """
    with source.open() as file:
        container = _opened(file)
        try:
            yield container
        finally:
            container.close()


def video_stream(container: InputContainer, index: int) -> VideoStream:
    """The video stream with this index in the container. Raises VideoUnreadable when there is none."""
    found = next((s for s in container.streams.video if s.index == index), None)
    if found is None:
        raise VideoUnreadable(
            f"The file has no video stream {index} any more: was it changed while Kadr read it?"
        )
    return found


def packets(
    container: InputContainer, *streams: Stream, said: list[str] | None = None, joins: Sequence[Join] = ()
) -> Iterator[Packet[Any]]:
    """The packets of ``streams`` until the file ends or cannot be read further; why it cannot is appended to ``said``.

    Their time stamps run on over ``joins``.
    """
    continued = Continued(joins)
    try:
        for packet in container.demux(*streams):
            if joins:
                continued.move(packet)
            yield packet
    except IndexError:
        # PyAV 18.1 stumbles at the end over streams that it met only on the way; all packets are out by then.
        return
    except (av.error.FFmpegError, OSError) as error:
        if said is not None:
            said.append(str(error))


class _Readable:
    """``file`` as FFmpeg expects it: seeking only notes the place, and the file moves when it is read.

    FFmpeg seeks several times for each box of a file, mostly to ask how long it is. Damaged offsets lead where no file
    reaches: that fails by a number, as in C. By an exception PyAV would end the reading of the whole file.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._size = file.seek(0, SEEK_END)
        self._at = self._there = file.seek(0)

    def read(self, size: int) -> bytes:
        if self._at >= self._size:
            return b""
        if self._there != self._at:
            self._there = self._file.seek(self._at)
        found = self._file.read(size)
        self._at = self._there = self._at + len(found)
        return found

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = SEEK_SET) -> int:
        if whence:
            offset += self._at if whence == SEEK_CUR else self._size
        if not 0 <= offset < _REACH:
            return -errno.EINVAL
        self._at = offset
        return offset


def _opened(file: BinaryIO) -> InputContainer:
    head = file.read(_HEAD)
    if not head:
        raise VideoUnreadable("The file is empty (0 bytes)")
    if head.lstrip()[:8].startswith(tuple(p[:8] for p in _PLAYLISTS)):
        raise VideoUnreadable("This is a playlist, not a video: give the video file itself")
    try:
        container = av.open(
            _Readable(file), mode="r", options=_OPTIONS, metadata_errors="replace", io_open=_refuse
        )
    except (av.error.FFmpegError, PermissionError, ValueError) as error:
        raise VideoUnreadable(_diagnosis(head, error)) from error
    except OSError as error:
        words = (
            f"The file cannot be read ({error.strerror}): check the disk that it lies on, or copy it again"
        )
        raise VideoUnreadable(words) from error
    for stream in container.streams.audio:
        _plain_layout(stream)
    return container


def _plain_layout(stream: AudioStream) -> None:
    """Have ``stream`` decoded to a layout without an order of its own, as "2 channels" for right and left.

    PyAV 18.1 copies layouts by their pointers: it would free a list of channels once for each frame that names it.
    """
    if stream.codec_context is None:
        return
    layout = stream.codec_context.layout
    if is_custom(layout):
        stream.codec_context.layout = (
            f"{layout.nb_channels} channels"  # ``layout`` is the list's only owner now
        )


def is_custom(layout: AudioLayout) -> bool:
    """Whether it lists its channels one by one, as FFmpeg describes them: ``2 channels (FR+FL)``."""
    return "(" in layout.name


def _refuse(url: str, flags: int, options: dict[str, Any]) -> NoReturn:
    raise PermissionError(f"the video refers to {url!r}, which Kadr does not open")


def _diagnosis(head: bytes, error: BaseException) -> str:
    if _is_text(head):
        return "This is text, not a video: check that the right file was given"
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"wide", b"free"):
        return (
            "The MP4 index (moov atom) is missing or damaged: the file was cut off or is still being written. "
            "Copy or download it again"
        )
    reason = getattr(error, "strerror", None) or error
    return f"This is no video or audio format that Kadr reads ({reason}): convert it, for example to MP4, or check the file"


def _is_text(head: bytes) -> bool:
    if b"\0" in head:
        return False
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:
            return False
        text = head[: error.start].decode("utf-8")
    return sum(c.isprintable() or c.isspace() for c in text) >= 0.98 * len(text)
