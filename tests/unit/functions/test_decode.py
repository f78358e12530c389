"""decode: the right frame at every grid time, the same whatever the chunks, upright and in true colours."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from kadr.contracts.artifact import Artifact
from kadr.contracts.component import Frames
from kadr.contracts.errors import InvalidArtifact, VideoUnreadable
from kadr.contracts.packs import FRAME_PACK
from kadr.media.pack import FramePack
from kadr.media.picture import Picture
from kadr.media.source import FileSource
from tests.media_files import colour, numbered, packs_of, probed, scenery, write_video

EVERY = Frames(size=(48, 27))


def shown(source: FileSource, frames: Frames, **params: int) -> dict[int, int]:
    """Grid time → mean brightness, over all chunks; each time stands in one chunk only."""
    found: dict[int, int] = {}
    for chunk, (pack,) in packs_of(source, frames, **params):
        for batch in FramePack(FRAME_PACK.checked(pack)):
            for t, image in zip(batch.t_ms.tolist(), batch.images, strict=True):
                if t < chunk.end_ms:
                    assert t not in found
                    found[t] = round(float(image.mean()))
    return found


def files(source: FileSource, frames: Frames, **params: int) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for chunk, (pack,) in packs_of(source, frames, **params):
        found |= {t: jpeg for t, jpeg in FramePack(pack).encoded() if t < chunk.end_ms}
    return found


def brightness(number: int) -> Any:
    return pytest.approx(20 + 4 * (number % 50), abs=2)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts", "avi", "h264"])
def test_the_frame_on_display_at_each_grid_time(tmp_path: Path, suffix: str) -> None:
    codec = "mpeg4" if suffix == "avi" else "libx264"
    source = write_video(tmp_path / f"v.{suffix}", numbered(50), codec=codec)
    found = shown(source, Frames(fps=8, long_side=320))
    assert list(found) == list(range(0, 2000, 125))
    assert all(value == brightness(t // 40) for t, value in found.items())


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
@pytest.mark.parametrize("frames", [EVERY, Frames(fps=8, long_side=320)])
@pytest.mark.parametrize("b_frames", [0, 3])
def test_chunks_give_what_one_piece_gives(tmp_path: Path, suffix: str, frames: Frames, b_frames: int) -> None:
    pictures = [scenery(i // 5) for i in range(150)]
    source = write_video(tmp_path / f"v.{suffix}", pictures, gop=17, b_frames=b_frames)
    whole = files(source, frames)
    assert len(whole) == (48 if frames.fps else 150)
    for chunk_ms in (500, 1700):
        assert files(source, frames, chunk_ms=chunk_ms) == whole


def test_part_of_a_video_gives_the_pictures_of_that_part(tmp_path: Path) -> None:
    source = write_video(tmp_path / "v.mp4", numbered(100), gop=25, b_frames=2)
    whole = files(source, Frames(fps=8))
    part = files(source, Frames(fps=8), from_ms=1130, to_ms=2500)
    assert part == {t: jpeg for t, jpeg in whole.items() if 1130 <= t < 2500}


def test_every_frame_packs_reach_into_the_next_chunk(tmp_path: Path) -> None:
    source = write_video(tmp_path / "v.mp4", numbered(200), gop=25)
    (chunk, (first,)), *_ = packs_of(source, EVERY, chunk_ms=2000)
    assert chunk.end_ms == 2000
    assert first["t_ms"].tolist() == list(range(0, 4500, 40))


def test_variable_rate_holds_pictures_and_stores_them_once(tmp_path: Path) -> None:
    times = [0, 40, 1000, 1030, 3000]
    source = write_video(tmp_path / "v.mkv", numbered(5), times_ms=times)
    ((_, (pack,)),) = packs_of(source, Frames(fps=4, long_side=320))
    shown_at = {t: max(i for i, at in enumerate(times) if at <= t) for t in pack["t_ms"].tolist()}
    assert list(shown_at) == list(range(0, 3001, 250))
    assert len(pack["offsets"]) - 1 == len(set(shown_at.values()))
    for batch in FramePack(pack, batch=3):
        for t, image in zip(batch.t_ms.tolist(), batch.images, strict=True):
            assert image.mean() == brightness(shown_at[t])


def test_still_pictures_are_stored_once_and_said_to_repeat(tmp_path: Path) -> None:
    source = write_video(tmp_path / "v.mp4", [colour(90, 90, 90)] * 100)
    ((_, (pack,)),) = packs_of(source, Frames(fps=2, long_side=320))
    repeated = np.concatenate([batch.repeated for batch in FramePack(pack, batch=3)])
    assert len(pack["offsets"]) - 1 < len(pack["t_ms"]) == 8
    assert not repeated[0]
    assert repeated.sum() == len(pack["t_ms"]) - (len(pack["offsets"]) - 1)


def quadrants(size: tuple[int, int] = (64, 48)) -> np.ndarray[Any, Any]:
    """Red, green / blue, white, clockwise from the upper left: red, green, white, blue."""
    picture = colour(255, 255, 255, size)
    half_w, half_h = size[0] // 2, size[1] // 2
    picture[:half_h, :half_w], picture[:half_h, half_w:] = (255, 0, 0), (0, 255, 0)
    picture[half_h:, :half_w] = (0, 0, 255)
    return picture


def corners(image: np.ndarray[Any, Any]) -> str:
    """Colours of the corners clockwise from the upper left."""
    h, w = image.shape[0] // 5, image.shape[1] // 5
    spots = [image[h, w], image[h, -w], image[-h, -w], image[-h, w]]
    named = {"r": (255, 0, 0), "g": (0, 255, 0), "b": (0, 0, 255), "w": (255, 255, 255)}
    return "".join(
        min(named, key=lambda n: float(np.abs(np.subtract(spot, named[n], dtype=float)).sum()))
        for spot in spots
    )


@pytest.mark.parametrize(("rotation", "seen"), [(0, "rgwb"), (-90, "brgw"), (180, "wbrg"), (90, "gwbr")])
def test_rotated_video_comes_out_upright(tmp_path: Path, rotation: int, seen: str) -> None:
    source = write_video(tmp_path / "v.mp4", [quadrants()] * 5, rotation=rotation)
    ((_, packs),) = packs_of(source, Frames(fps=1, long_side=320), EVERY)
    for pack in packs:
        (batch, *_) = FramePack(pack)
        assert corners(batch.images[0]) == seen
    assert (packs[0].payload["width"], packs[0].payload["height"]) == (
        (64, 48) if rotation in (0, 180) else (48, 64)
    )


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuvj420p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize("size", [(64, 48), (66, 50), (1280, 720)])
def test_colours_are_true(tmp_path: Path, pix_fmt: str, size: tuple[int, int]) -> None:
    source = write_video(tmp_path / "v.mkv", [quadrants(size)] * 2, pix_fmt=pix_fmt)
    ((_, (pack,)),) = packs_of(source, Frames(fps=1, long_side=320))
    image = next(iter(FramePack(pack))).images[0].astype(int)
    h, w = image.shape[0] // 4, image.shape[1] // 4
    # The file does not name its colour matrix; below 720 lines BT.601 is right, above it BT.709 is the custom.
    near = 45 if size[1] >= 720 else 12
    assert np.abs(image[h, w] - (255, 0, 0)).max() <= near
    assert np.abs(image[-h, -w] - 255).max() <= 6


def test_odd_sizes_and_wide_pixels(tmp_path: Path) -> None:
    source = write_video(tmp_path / "odd.mkv", [scenery(1, (53, 37))] * 3, pix_fmt="yuv444p")
    ((_, (odd, small)),) = packs_of(source, Frames(fps=1, long_side=320), EVERY)
    assert (odd.payload["width"], odd.payload["height"]) == (53, 37)
    assert (small.payload["width"], small.payload["height"]) == (48, 27)
    source = write_video(tmp_path / "wide.mp4", [scenery(1, (640, 480))] * 3, pixel_aspect=Fraction(4, 3))
    ((_, (wide,)),) = packs_of(source, Frames(fps=1, long_side=320))
    assert (wide.payload["width"], wide.payload["height"]) == (320, 180)
    assert (wide.payload["source_width"], wide.payload["source_height"]) == (853, 480)


def test_damage_is_counted_and_what_was_lost_is_missing(tmp_path: Path) -> None:
    source = write_video(
        tmp_path / "v.mov", [scenery(i) for i in range(75)], codec="mjpeg", pix_fmt="yuvj420p"
    )
    data = bytearray(source.path.read_bytes())
    at = len(data) * 2 // 5
    data[at : at + len(data) // 5] = bytes(len(data) // 5)
    source.path.write_bytes(bytes(data))
    ((_, (pack,)),) = packs_of(source, Frames(fps=8, long_side=320))
    times, missing = pack["t_ms"].tolist(), pack.payload["missing"]
    assert times[0] == 0
    assert times[-1] >= 2500
    assert pack.payload["decode_errors"] > 0
    lost = [t for t in range(0, times[-1], 125) if t not in times]
    assert all(any(start <= t < end for start, end in missing) for t in lost)


def test_a_truncated_file_gives_what_is_there(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mkv", numbered(100), gop=10).path
    data = path.read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(data[: len(data) // 2])
    found = shown(FileSource(cut), Frames(fps=8))
    assert len(found) > 3
    assert all(value == brightness(t // 40) for t, value in found.items())


def test_the_same_pack_does_not_depend_on_what_else_is_wanted(tmp_path: Path) -> None:
    source = write_video(tmp_path / "v.mp4", [scenery(i) for i in range(50)], b_frames=2)
    ((_, (alone,)),) = packs_of(source, Frames(fps=2, long_side=320))
    ((_, (together, _, _)),) = packs_of(
        source, Frames(fps=2, long_side=320), EVERY, Frames(fps=1, long_side=640)
    )
    assert bytes(alone["bytes"]) == bytes(together["bytes"])
    assert alone.payload == together.payload


@pytest.mark.parametrize("transfer", [16, 18])
def test_high_dynamic_range_is_mapped_to_ordinary_colours(tmp_path: Path, transfer: int) -> None:
    picture = colour(128, 128, 128, (128, 72))
    picture[:, 64:] = (200, 60, 60)
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    frame.color_trc, frame.color_primaries = 1, 1
    bright = frame.reformat(
        format="yuv420p10le", dst_colorspace="BT2020", dst_color_trc=transfer, dst_color_primaries=9
    )
    container: Any
    with av.open(tmp_path / "hdr.mkv", "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 128, 72, "yuv420p10le"
        context = stream.codec_context
        context.color_trc, context.color_primaries, context.colorspace, context.color_range = (
            transfer,
            9,
            9,
            1,
        )
        context.options = {"crf": "5"}
        for i in range(3):
            bright.pts, bright.time_base = i, Fraction(1, 25)
            container.mux(stream.encode(bright))
        container.mux(stream.encode())
    source = FileSource(tmp_path / "hdr.mkv")
    assert probed(source)[0].payload["video"]["hdr"]
    ((_, (pack,)),) = packs_of(source, Frames(fps=1, long_side=320))
    image = next(iter(FramePack(pack))).images[0].astype(int)
    assert np.abs(image[36, 20] - 128).max() < 25
    assert np.abs(image[36, 100] - (200, 60, 60)).max() < 35


def test_a_damaged_pack_is_said_to_be_one(tmp_path: Path) -> None:
    source = write_video(tmp_path / "v.mp4", numbered(10))
    ((_, (pack,)),) = packs_of(source, Frames(fps=1, long_side=320))
    broken = Artifact({**pack.arrays, "bytes": np.zeros_like(pack["bytes"])}, pack.payload)
    with pytest.raises(InvalidArtifact, match="picture 0"):
        next(iter(FramePack(broken)))


def tagged(matrix: int, primaries: int, transfer: int, pixels: str = "yuv420p") -> av.VideoFrame:
    frame = av.VideoFrame.from_ndarray(colour(200, 60, 30), format="rgb24").reformat(format=pixels)
    frame.colorspace, frame.color_primaries, frame.color_trc = matrix, primaries, transfer
    return frame


@pytest.mark.parametrize("matrix", [3, 8, 10, 14, 200])
def test_colours_that_are_said_in_no_way_we_know_are_taken_as_usual(matrix: int) -> None:
    odd, usual = (Picture(tagged(m, 250, 250), 1).pixels((64, 48)) for m in (matrix, 2))
    assert np.array_equal(odd, usual)


def test_reserved_primaries_of_hdr_do_not_take_the_process_down() -> None:
    red = Picture(tagged(9, 13, 16), 1).pixels((64, 48)).mean(axis=(0, 1))
    assert red[2] > 2 * red[0]


def test_pixels_that_cannot_be_converted_are_named() -> None:
    with pytest.raises(VideoUnreadable, match="pixel format bgr4 "):
        Picture(tagged(2, 2, 2, "bgr4"), 1).pixels((64, 48))
