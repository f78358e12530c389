"""One pass over an audio stream: aligned with the timeline, mixed to 16 kHz mono, and measured."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.layout import AudioLayout
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer

from kadr.contracts.errors import VideoUnreadable
from kadr.contracts.media import AUDIO_RATE, SourceFile
from kadr.media.blob import Blob
from kadr.media.clock import Clock, credible_ms
from kadr.media.joins import joins_of
from kadr.media.levels import LevelMeter, Levels
from kadr.media.source import is_custom, open_container, packets

_TOLERANCE_MS = 40
"""Time stamps may disagree with the count of samples by so much before silence is filled in or samples are dropped."""
_RATES = (8_000, 192_000)
_HIGHEST_RATE = 3_000_000
"""Sound is sampled less often (DSD512 comes as 2.8 MHz); a resampler's filter from billions a second takes gigabytes."""
_MIXABLE_CHANNELS = 8
_PLANES = 7
"""Channels that PyAV can hand over as a plane each: from eight on, 18.1 runs past the end of FFmpeg's list of them."""
_LONG_SILENCE_S = 10
_BLOCKS = 10
"""Of levels, a second."""
_SEEK_MS = 2_000


@dataclass(frozen=True)
class Heard:
    """``samples``: int16 [N], 16 kHz mono from ``start_ms`` on. ``levels``: of all channels at the stream's own rate."""

    samples: np.ndarray[Any, Any]
    levels: Levels
    start_ms: int
    rate: int
    channels: int
    decode_errors: int


def hear(
    source: SourceFile,
    probe: Mapping[str, Any],
    index: int,
    from_ms: int | None = None,
    to_ms: int | None = None,
) -> Heard:
    """Decode the audio stream ``index`` once, within [from_ms, to_ms) of the timeline.

    The first sample is heard at ``from_ms`` or 0: a later start of the stream and gaps in it are silence, what comes
    before is cut off. Memory does not grow with length. Raises VideoUnreadable when nothing can be decoded.
    """
    with open_container(source) as container:
        stream = next((s for s in container.streams.audio if s.index == index), None)
        if stream is None:
            raise VideoUnreadable(
                f"The file has no audio stream {index} any more: was it changed while Kadr read it?"
            )
        last_ms = int(probe["duration_ms"]) or credible_ms(source.size)
        end_ms = last_ms if to_ms is None else min(to_ms, last_ms)
        listener = _Listener(stream, probe, from_ms or 0, end_ms, last_ms)
        if from_ms:
            listener.seek(container, from_ms)
        for frame in listener.frames(container):
            if listener.take(frame):
                break
        return listener.finish()


class _Listener:
    """Keeps samples and clock together: what is the next sample of the timeline, and where do decoded ones belong?"""

    def __init__(
        self, stream: AudioStream, probe: Mapping[str, Any], from_ms: int, to_ms: int, last_ms: int
    ) -> None:
        self._stream, self._joins = stream, joins_of(probe)
        self._clock = Clock(stream.time_base or Fraction(1, stream.rate or AUDIO_RATE), probe["origin_us"])
        self._rate = min(max(stream.rate or 48_000, _RATES[0]), _RATES[1])
        self._from_ms, self._last_us = from_ms, last_ms * 1000
        self._limit = max(0, to_ms - from_ms) * self._rate // 1000
        self._written = 0
        self._errors = 0
        self._begun = False
        self._shape: _Shape | None = None
        self._mixer: _Mixer | None = None

    def seek(self, container: InputContainer, from_ms: int) -> None:
        if from_ms > _SEEK_MS and not self._joins:
            try:
                container.seek(self._clock.ticks_after(from_ms - _SEEK_MS), stream=self._stream)
            except av.error.FFmpegError:
                return

    def frames(self, container: InputContainer) -> Iterator[AudioFrame]:
        for packet in packets(container, self._stream, joins=self._joins):
            try:
                found: list[Any] = packet.decode()
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                self._errors += 1
                continue
            for layout in (f.layout for f in found if is_custom(f.layout)):
                # A list that the decoder itself made would be freed with its frame and with its layout: so never with the latter.
                ctypes.pythonapi.Py_IncRef(ctypes.py_object(layout))
            yield from found

    def take(self, frame: AudioFrame) -> bool:
        """Hear ``frame``; True when the end of what is wanted has been reached."""
        if not 0 < frame.sample_rate <= _HIGHEST_RATE:
            self._errors += 1
            return False
        if self._shape is None:
            self._shape = _Shape(frame, self._rate)
        try:
            for samples, ticks in self._shape.floats(frame):
                self._mixer = self._mixer or _Mixer(self._rate, self._shape.channels, self._shape.layout)
                self._place(self._mixer, samples, ticks)
        except av.error.FFmpegError:
            self._errors += 1
        return self._written >= self._limit

    def _place(self, mixer: _Mixer, samples: np.ndarray[Any, Any], ticks: int | None) -> None:
        where = self._sample_at(ticks)
        tolerance = self._rate * _TOLERANCE_MS // 1000 if self._begun else 0
        if abs(where - self._written) > tolerance:
            gap = min(where, self._limit) - self._written
            self._written += mixer.silence(gap) if gap > 0 else 0
            samples = samples[:, max(0, -gap) :]
        samples = samples[:, : max(0, self._limit - self._written)]
        if samples.shape[1]:
            self._begun = True
            self._written += samples.shape[1]
            mixer.push(samples)

    def _sample_at(self, ticks: int | None) -> int:
        """Where it belongs; without a time stamp, or with one beyond the video's end, behind what was heard before."""
        us = self._last_us + 1 if ticks is None else self._clock.us(ticks)
        if us > self._last_us:
            return self._written
        return (us - self._from_ms * 1000) * self._rate // 1_000_000

    def finish(self) -> Heard:
        if self._mixer is None:
            if self._errors:
                raise VideoUnreadable(
                    f"The audio stream {self._stream.index} cannot be decoded: all its packets are damaged"
                )
            nothing = Levels(np.zeros(0), np.zeros(0, dtype=np.float32))
            return Heard(np.zeros(0, dtype=np.int16), nothing, self._from_ms, self._rate, 0, 0)
        samples, levels = self._mixer.finish()
        return Heard(samples, levels, self._from_ms, self._rate, self._mixer.channels, self._errors)


class _Shape:
    """Brings frames to float32 at the rate and in the layout of the first: streams may change in the middle."""

    def __init__(self, first: AudioFrame, rate: int) -> None:
        self.channels = first.layout.nb_channels
        self.layout = _named(first.layout)
        self._rate = rate
        self._other: AudioResampler | None = None
        self._other_key: tuple[str, int, str] | None = None

    def floats(self, frame: AudioFrame) -> Iterator[tuple[np.ndarray[Any, Any], int | None]]:
        """(float32 [C, N], time stamp) of what ``frame`` holds."""
        key = (_named(frame.layout), frame.sample_rate, frame.format.name)
        legible = not frame.format.is_planar or frame.layout.nb_channels <= _PLANES
        if key[:2] == (self.layout, self._rate) and legible:
            yield _as_float(frame), frame.pts
            return
        if key != self._other_key:
            self._other_key, self._other = key, AudioResampler("flt", self.layout, self._rate)
        assert self._other is not None
        for number, made in enumerate(self._other.resample(frame)):
            yield _as_float(made), frame.pts if number == 0 else None


class _Mixer:
    """Measures the levels of all channels and mixes them to 16 kHz mono, a second at a time."""

    def __init__(self, rate: int, channels: int, layout: str) -> None:
        self.channels = channels
        mixable = f"{channels} channels" if layout.startswith("ambisonic") else layout
        self._rate, self._layout = rate, mixable if channels <= _MIXABLE_CHANNELS else "mono"
        self._meter = LevelMeter(rate, channels)
        self._resampler = AudioResampler("s16", "mono", AUDIO_RATE)
        self._blob = Blob("int16")
        self._waiting: list[np.ndarray[Any, Any]] = []
        self._waits = 0
        self._sent = 0
        self._measured: list[Levels] = []

    def push(self, samples: np.ndarray[Any, Any]) -> None:
        self._waiting.append(samples)
        self._waits += samples.shape[1]
        if self._waits >= self._rate:
            self._flush()

    def silence(self, count: int) -> int:
        """``count`` samples of silence; of a long one whole seconds cost nothing, as no filter remembers what was before."""
        if count >= _LONG_SILENCE_S * self._rate:
            # A second of it sounds out what came before; the skip lies between full seconds, as blocks of levels do.
            total = self._sent + self._waits + count
            self._zeros(-(self._sent + self._waits) % self._rate + self._rate)
            self._skip((total - self._sent - self._waits) // self._rate)
            self._zeros(total - self._sent - self._waits)
        else:
            self._zeros(count)
        return count

    def finish(self) -> tuple[np.ndarray[Any, Any], Levels]:
        self._flush()
        self._keep(self._resampler.resample(None))
        measured = [*self._measured, self._meter.finish()]
        power, peak = (np.concatenate([getattr(m, name) for m in measured]) for name in ("power", "peak"))
        return self._blob.finish(), Levels(power, peak)

    def _zeros(self, count: int) -> None:
        for at in range(0, count, self._rate):
            self.push(np.zeros((self.channels, min(self._rate, count - at)), dtype=np.float32))

    def _skip(self, seconds: int) -> None:
        """From a full second to another, with filters that start anew behind it."""
        self._flush()
        self._keep(self._resampler.resample(None))
        blocks = seconds * _BLOCKS
        self._measured += [self._meter.finish(), Levels(np.zeros(blocks), np.zeros(blocks, dtype=np.float32))]
        self._meter = LevelMeter(self._rate, self.channels)
        self._resampler = AudioResampler("s16", "mono", AUDIO_RATE)
        self._sent += seconds * self._rate
        self._blob.pad(self._sent * AUDIO_RATE // self._rate - len(self._blob))

    def _flush(self) -> None:
        if not self._waits:
            return
        joined = np.concatenate(self._waiting, axis=1)
        self._waiting, self._waits = [], 0
        self._meter.push(joined.T)
        mixable = joined if self.channels <= _MIXABLE_CHANNELS else joined.mean(axis=0, keepdims=True)
        packed = np.ascontiguousarray(mixable.T).reshape(1, -1)
        frame = AudioFrame.from_ndarray(packed, format="flt", layout=self._layout)
        frame.sample_rate, frame.pts, frame.time_base = self._rate, self._sent, Fraction(1, self._rate)
        self._sent += joined.shape[1]
        self._keep(self._resampler.resample(frame))

    def _keep(self, frames: list[AudioFrame]) -> None:
        for frame in frames:
            self._blob.append(frame.to_ndarray().reshape(-1))


def _named(layout: AudioLayout) -> str:
    return f"{layout.nb_channels} channels" if is_custom(layout) else layout.name


def _as_float(frame: AudioFrame) -> np.ndarray[Any, Any]:
    """float32 [C, N] in [-1, 1] of a frame in any sample format; what is not finite becomes silence.

    Of a planar one at most _PLANES channels.
    """
    raw = frame.to_ndarray()
    planes = raw if frame.format.is_planar else raw.reshape(-1, frame.layout.nb_channels).T
    if planes.dtype == np.uint8:
        return (planes.astype(np.float32) - 128) / 128
    if np.issubdtype(planes.dtype, np.integer):
        return planes.astype(np.float32) / np.float32(2.0 ** (8 * planes.dtype.itemsize - 1))
    return np.nan_to_num(planes.astype(np.float32), posinf=0.0, neginf=0.0)
