"""Write pictures and sound into an MP4 file whose bytes depend on nothing but its input."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

import av
import numpy as np
from av.audio.stream import AudioStream
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream

from reel_kit.drawing import HEIGHT, WIDTH, Picture
from reel_kit.pictures import FPS
from reel_kit.sound import RATE, Sound

BT709 = 1
KEY_FRAME_EVERY = 3 * FPS
SAMPLES_A_FRAME = RATE // FPS


@dataclass(frozen=True)
class Quality:
    """How hard H.264 tries: its rate factor, its preset, and the threads it may use."""

    crf: int = 26
    preset: str = "slow"
    threads: int = 1


class Mp4Writer:
    """An MP4 file under construction: H.264 yuv420p at 25 fps, AAC stereo at 48 kHz, index first.

    One video frame and the 1,920 samples that go with it are written at a time.
    """

    def __init__(self, path: Path, quality: Quality) -> None:
        options = {"movflags": "+faststart", "fflags": "+bitexact"}
        self._container = av.open(str(path), "w", format="mp4", options=options)
        self._video = self._add_video(quality)
        self._audio: AudioStream = self._container.add_stream("aac", rate=RATE)
        self._audio.codec_context.layout = "stereo"
        self._audio.codec_context.bit_rate = 96_000
        self._audio.codec_context.options = {"flags": "+bitexact"}
        self._frames = 0

    def _add_video(self, quality: Quality) -> VideoStream:
        stream: VideoStream = self._container.add_stream("libx264", rate=FPS)
        context = stream.codec_context
        context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        context.gop_size = KEY_FRAME_EVERY
        context.color_primaries = context.color_trc = context.colorspace = BT709
        context.color_range = ColorRange.MPEG.value
        context.thread_count = quality.threads
        context.options = {"crf": str(quality.crf), "preset": quality.preset, "flags": "+bitexact"}
        return stream

    def write(self, frame: av.VideoFrame, sound: Sound) -> None:
        """Append a picture and its sound, float32 [1920, 2]."""
        frame.pts, frame.time_base = self._frames, Fraction(1, FPS)
        self._container.mux(self._video.encode(frame))
        piece = av.AudioFrame.from_ndarray(np.ascontiguousarray(sound.T), format="fltp", layout="stereo")
        piece.rate, piece.pts = RATE, self._frames * SAMPLES_A_FRAME
        self._container.mux(self._audio.encode(piece))
        self._frames += 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._container.mux(self._video.encode(None))
            self._container.mux(self._audio.encode(None))
        self._container.close()


def yuv_frame(picture: Picture) -> av.VideoFrame:
    """An RGB picture as a BT.709 yuv420p frame."""
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    return frame.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG)


def write_mp4(path: Path, pictures: Iterable[Picture], sound: Sound, quality: Quality) -> int:
    """Write a whole video and return how many frames it has; sound is padded or cut to the pictures."""
    count = 0
    with Mp4Writer(path, quality) as out:
        for picture, piece in zip(pictures, _pieces(sound), strict=False):
            out.write(yuv_frame(picture), piece)
            count += 1
    return count


def _pieces(sound: Sound) -> Iterator[Sound]:
    silence = np.zeros((SAMPLES_A_FRAME, 2), np.float32)
    for first in range(0, len(sound), SAMPLES_A_FRAME):
        piece = sound[first : first + SAMPLES_A_FRAME]
        yield np.concatenate([piece, silence])[:SAMPLES_A_FRAME]
    while True:
        yield silence
