"""One decoded frame and what is made of it: upright 8-bit pictures at the packs' sizes, and their JPEG files, each made once."""

from __future__ import annotations

import threading
from typing import Any

import av.error
import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from kadr.contracts.errors import VideoUnreadable
from kadr.contracts.packs import EXACT_QUALITY, SMALL
from kadr.media.geometry import turned, upright

_BT709, _BT2020, _BT601 = 1, 9, 5
_UNSPECIFIED = 2
_MATRICES = (0, 1, 2, 4, 5, 6, 7, 9)
_PRIMARIES = (1, 2, *range(4, 13), 22)
"""Matrix coefficients and colour primaries (ITU-T H.273) that swscale can convert. Given others it fails, or takes the
process down (FFmpeg 8.1, tone mapping with reserved primaries): they are taken as not said.
"""
_HDR_TRANSFERS = (16, 18)
_HD_HEIGHT = 720
_SCALING = "AREA"
_local = threading.local()


class Picture:
    """``frame`` with its conversions, made on demand and kept while the frame is on display."""

    def __init__(self, frame: VideoFrame, orientation: int) -> None:
        self.frame = frame
        self._orientation = orientation
        self._pixels: dict[tuple[int, int], np.ndarray[Any, Any]] = {}
        self._files: dict[tuple[int, int, int], bytes] = {}

    def pixels(self, size: tuple[int, int]) -> np.ndarray[Any, Any]:
        """uint8 [H, W, 3], BGR, upright, of ``size`` (width, height)."""
        if size not in self._pixels:
            flat = _converted(self.frame, turned(*size, self._orientation))
            self._pixels[size] = upright(flat, self._orientation)
        return self._pixels[size]

    def jpeg(self, size: tuple[int, int], quality: int) -> bytes:
        """The picture as a JPEG file; at EXACT_QUALITY and above with full colour resolution, and beginning like all others."""
        key = (*size, quality)
        if key not in self._files:
            self._files[key] = jpeg_file(self.pixels(size), quality)
        return self._files[key]


def jpeg_file(bgr: np.ndarray[Any, Any], quality: int) -> bytes:
    """``bgr`` (uint8 [H, W, 3]) as a JPEG file: the same pixels in fewer bytes where that is worth its time.

    Huffman tables of its own make a picture 3 % smaller, progressive order larger ones 5 %; tiny ones for signals have
    standard tables, so that all begin alike.
    """
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    if quality >= EXACT_QUALITY:
        options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    elif max(bgr.shape) > SMALL[1]:
        options += [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]
    else:
        options += [cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    return cv2.imencode(".jpg", bgr, options)[1].tobytes()


def common_beginning(file: bytes) -> bytes:
    """What all JPEG files of this size and quality with standard tables begin with: all before the coded pixels."""
    scan = file.index(b"\xff\xda")
    return file[: scan + 2 + int.from_bytes(file[scan + 2 : scan + 4], "big")]


def size_of(file: bytes) -> tuple[int, int] | None:
    """(width, height) that a JPEG file's frame header says (ITU-T T.81, B.2.2), without decoding; None if it has none."""
    at = 2
    while at + 9 <= len(file) and file[at] == 0xFF:
        kind = file[at + 1]
        if 0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(file[at + 7 : at + 9], "big"), int.from_bytes(file[at + 5 : at + 7], "big")
        at += 2 + int.from_bytes(file[at + 2 : at + 4], "big")
    return None


def _converted(frame: VideoFrame, size: tuple[int, int]) -> np.ndarray[Any, Any]:
    """Scale by area averaging and convert to BGR; PQ and HLG are mapped to BT.709 by swscale's perceptual tone mapping.

    Raises VideoUnreadable for pixels that swscale does not know.
    """
    if frame.colorspace not in _MATRICES:
        frame.colorspace = _UNSPECIFIED
    if frame.color_primaries not in _PRIMARIES:
        frame.color_primaries = _UNSPECIFIED
    try:
        return _bgr(frame, *size)
    except av.error.FFmpegError as error:
        raise VideoUnreadable(
            f"Pictures of the pixel format {frame.format.name} cannot be converted"
        ) from error


def _bgr(frame: VideoFrame, width: int, height: int) -> np.ndarray[Any, Any]:
    size = width, height
    if frame.color_trc in _HDR_TRANSFERS:
        small = _reformatter("scale", size).reformat(frame, width, height, interpolation=_SCALING, threads=1)
        if small.color_primaries == _UNSPECIFIED:
            small.color_primaries = _BT2020
        made = _reformatter("tone", (size, small.color_trc)).reformat(
            small, format="bgr24", dst_color_trc=_BT709, dst_color_primaries=_BT709, threads=1
        )
    else:
        made = _reformatter("bgr", size).reformat(
            frame, width, height, "bgr24", src_colorspace=_matrix(frame), interpolation=_SCALING, threads=1
        )
    return np.asarray(made.to_ndarray(), dtype=np.uint8)


def _matrix(frame: VideoFrame) -> int | None:
    """Colour matrix to assume where the video does not say: BT.709 from 720 lines on, else BT.601."""
    if frame.colorspace != _UNSPECIFIED:
        return None
    return _BT709 if frame.height >= _HD_HEIGHT else _BT601


def _reformatter(use: str, key: Any) -> VideoReformatter:
    """One scaler for each use and size in each thread: building one, above all a tone map, costs far more than using it."""
    known: dict[Any, VideoReformatter] = _local.__dict__.setdefault("reformatters", {})
    if len(known) > 64:
        known.clear()
    return known.setdefault((use, key), VideoReformatter())
