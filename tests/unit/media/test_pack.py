"""Frame packs: pictures of two sizes in one pack, what a component sees of them, and packs that were stored before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from functions.decode.component import Pack
from kadr.contracts.artifact import Artifact
from kadr.contracts.component import Frames
from kadr.contracts.errors import InvalidArtifact
from kadr.contracts.packs import FRAME_PACK, View, pack_item, view_of
from kadr.media.pack import FramePack
from kadr.media.picture import jpeg_file, size_of
from kadr.media.sampling import make_packs
from kadr.media.source import FileSource
from tests.media_files import colour, packs_of, probed, scenery, write_video

WIDE, HALF = Frames(fps=1, long_side=1280), Frames(fps=2, long_side=640)
SIZE = (1280, 720)
PHOTOGRAPH = Path(__file__).parents[2] / "data/pictures/cat.jpg"


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> FileSource:
    pictures = [scenery(i, SIZE) for i in range(6)]
    return write_video(
        tmp_path_factory.mktemp("pack") / "v.mkv", pictures, times_ms=[500 * i for i in range(6)]
    )


def shared(source: FileSource, **params: int) -> list[Artifact]:
    return [FRAME_PACK.checked(pack) for _, (pack,) in packs_of(source, HALF, **params)]


def seen(pack: Artifact, frames: Frames) -> dict[int, np.ndarray[Any, Any]]:
    stream = FramePack(pack, view_of(frames), batch=2)
    found = {t: image for batch in stream for t, image in zip(batch.t_ms.tolist(), batch.images, strict=True)}
    assert len(stream) == len(found)
    assert all(image.shape == (stream.height, stream.width, 3) for image in found.values())
    return found


def opened(file: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    image = cv2.imdecode(file, cv2.IMREAD_COLOR_RGB)
    assert image is not None
    return image


def grey(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)


def test_one_pack_serves_wide_and_frequent_readers(moving: FileSource) -> None:
    (pack,) = shared(moving)
    wide, half = seen(pack, WIDE), seen(pack, HALF)
    assert (list(wide), wide[0].shape) == ([0, 1000, 2000], (720, 1280, 3))
    assert (list(half), half[0].shape) == ([0, 500, 1000, 1500, 2000, 2500], (360, 640, 3))
    for t, image in half.items():
        drawn = cv2.resize(scenery(t // 500, SIZE), (640, 360), interpolation=cv2.INTER_AREA)
        assert cv2.PSNR(drawn, image) > 28
    for t, image in wide.items():
        assert cv2.PSNR(scenery(t // 500, SIZE), image) > 28


def test_what_is_there_wide_is_not_stored_again(moving: FileSource) -> None:
    (pack,) = shared(moving)
    files = np.split(pack["bytes"], pack["offsets"][1:-1])
    sizes = [opened(file).shape[1] for file in files]
    assert sizes == [1280, 640] * 3


def test_the_shared_pack_is_the_same_in_chunks(moving: FileSource) -> None:
    whole = {t: p.tobytes() for pack in shared(moving) for t, p in seen(pack, HALF).items()}
    parts = shared(moving, chunk_ms=1000)
    assert len(parts) > 1
    assert {t: p.tobytes() for pack in parts for t, p in seen(pack, HALF).items()} == whole


def test_a_still_is_stored_once_though_two_sizes_are_asked_for(tmp_path: Path) -> None:
    source = write_video(
        tmp_path / "still.mkv",
        [colour(90, 90, 90, SIZE), colour(200, 10, 10, SIZE)],
        times_ms=[0, 2300],
        codec="ffv1",
    )
    (pack,) = shared(source)
    assert len(pack["offsets"]) - 1 == pack["picture"][-1] + 1 <= 2
    for frames in (WIDE, HALF):
        stream = FramePack(pack, view_of(frames))
        repeated = np.concatenate([batch.repeated for batch in stream])
        assert not repeated[0]
        assert repeated[1 : 2300 // stream.step_ms + 1].all()


@pytest.fixture(scope="module")
def seam(tmp_path_factory: pytest.TempPathFactory) -> tuple[Artifact, list[Artifact]]:
    """A photograph on display all the time: in one piece, and in chunks of which the second begins at 1.5 s."""
    still = cv2.resize(opened(np.fromfile(PHOTOGRAPH, np.uint8)), SIZE)
    source = write_video(
        tmp_path_factory.mktemp("seam") / "still.mkv",
        [still] * 6,
        times_ms=[500 * i for i in range(6)],
        codec="ffv1",
        gop=1,
    )
    return shared(source)[0], shared(source, chunk_ms=1500)


def test_a_chunk_that_begins_between_seconds_with_a_still_has_it_wide_at_the_next_second(
    seam: tuple[Artifact, list[Artifact]],
) -> None:
    whole, (_, second) = seam
    assert second["t_ms"].tolist() == [1500, 2000, 2500]
    files = np.split(second["bytes"], second["offsets"][1:-1])
    assert [opened(file).shape[1] for file in files] == [640, 1280]
    assert second["picture"].tolist() == [0, 1, 1]
    assert np.array_equal(seen(second, WIDE)[2000], seen(whole, WIDE)[2000])


def test_a_still_at_a_seam_between_seconds_differs_by_one_coding(
    seam: tuple[Artifact, list[Artifact]],
) -> None:
    """Reduced from the wide picture in one piece, coded small in the chunk that begins with it."""
    whole, parts = seam
    one = seen(whole, HALF)
    several = {t: image for part in parts for t, image in seen(part, HALF).items()}
    assert one.keys() == several.keys()
    apart = {t: float(cv2.absdiff(grey(one[t]), grey(several[t])).mean()) for t in one}
    assert [t for t in apart if apart[t] > 0] == [1500]
    assert apart[1500] < 1.5
    repeated = [np.concatenate([b.repeated for b in FramePack(p, view_of(HALF))]) for p in (whole, parts[1])]
    assert repeated[0][3:].tolist() == [True, True, True]
    assert repeated[1].tolist() == [False, False, True]


def test_stored_files_are_handed_out_whole_and_scaled_ones_coded_anew(moving: FileSource) -> None:
    ((_, (tiny, small, pack)),) = packs_of(moving, Frames(size=(48, 27)), Frames(fps=1, long_side=320), HALF)
    for made, frames, size in (
        (tiny, Frames(size=(48, 27)), (48, 27)),
        (small, Frames(fps=1, long_side=320), (320, 180)),
        (pack, HALF, (640, 360)),
    ):
        stream = FramePack(made, view_of(frames))
        images = dict(seen(made, frames))
        for t, file in stream.encoded():
            image = opened(np.frombuffer(file, np.uint8))
            assert image.shape[:2] == size[::-1]
            assert cv2.PSNR(image, images[t]) > 35


def stored_files(pack: Artifact) -> list[bytes]:
    return [file.tobytes() for file in np.split(pack["bytes"], pack["offsets"][1:-1])]


def test_what_is_stored_as_large_as_it_is_read_is_handed_out_as_it_is(
    moving: FileSource, tmp_path: Path
) -> None:
    (pack,) = shared(moving)
    files = stored_files(pack)
    assert list(FramePack(pack, view_of(WIDE)).encoded()) == [
        (0, files[0]),
        (1000, files[2]),
        (2000, files[4]),
    ]
    half = dict(FramePack(pack, view_of(HALF)).encoded())
    assert [half[t] for t in (500, 1500, 2500)] == files[1::2]
    assert half[0] not in files
    source = write_video(tmp_path / "small.mkv", [scenery(i) for i in range(3)], fps=2)
    (small,) = shared(source)
    for frames, step in ((WIDE, 2), (HALF, 1)):
        handed_out = [file for _, file in FramePack(small, view_of(frames)).encoded()]
        assert handed_out == stored_files(small)[::step]


def test_nothing_is_enlarged(moving: FileSource) -> None:
    """A pack whose picture at a whole second is not wide is at fault: what is read of it must not be made up."""
    (pack,) = shared(moving)
    late = Artifact({**pack.arrays, "t_ms": pack["t_ms"] + 500}, pack.payload)
    smaller = "picture 1 is 640 × 360 pixels, smaller than the 1280 × 720 that are read of it"
    with pytest.raises(InvalidArtifact, match=smaller):
        list(FramePack(late, view_of(WIDE)))
    with pytest.raises(InvalidArtifact, match=smaller):
        list(FramePack(late, view_of(WIDE)).encoded())


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # a pack that is never finished
def test_packs_whose_files_begin_alike_have_pictures_of_one_size(moving: FileSource) -> None:
    mixed: dict[str, Any] = {
        "name": "mixed",
        "fps": 2,
        "long_side": 640,
        "quality": 95,
        "wide_fps": 1,
        "wide_long_side": 1280,
    }
    with pytest.raises(ValidationError, match="mixed: at quality 95 no wide pictures"):
        Pack.model_validate(mixed)
    facts, (chunk,) = probed(moving)
    with pytest.raises(InvalidArtifact, match="pack mixed: picture 1 does not begin as the first does"):
        make_packs(moving, facts.payload, [Pack.model_construct(**mixed)], chunk)


def test_a_file_says_its_size_before_its_pixels() -> None:
    for quality in (90, 95):
        for width, height in ((48, 27), (320, 180), (1280, 721)):
            file = jpeg_file(scenery(1, (width, height)), quality)
            assert size_of(file) == (width, height)
    assert [size_of(file) for file in (b"", b"no JPEG at all", bytes(100))] == [None] * 3
    assert size_of(file[: file.index(b"\xff\xc0")]) is None


def test_tiny_pictures_cost_little_beyond_their_pixels(tmp_path: Path) -> None:
    source = write_video(tmp_path / "v.mp4", [scenery(i) for i in range(50)])
    ((_, (pack,)),) = packs_of(source, Frames(size=(48, 27)))
    whole = sum(len(file) for _, file in FramePack(pack).encoded())
    assert len(pack["bytes"]) < whole - 49 * 600


def before(images: list[np.ndarray[Any, Any]]) -> Artifact:
    """A pack as decode, version 2, stored it."""
    files = [cv2.imencode(".jpg", image)[1].tobytes() for image in images]
    arrays: dict[str, np.ndarray[Any, Any]] = {
        "bytes": np.frombuffer(b"".join(files), np.uint8),
        "offsets": np.cumsum([0, *map(len, files)], dtype=np.int64),
        "t_ms": np.arange(len(images), dtype=np.int64) * 500,
        "picture": np.arange(len(images), dtype=np.int64),
    }
    height, width = images[0].shape[:2]
    facts = {"width": width, "height": height, "source_width": 1280, "source_height": 720, "step_ms": 500}
    return Artifact(arrays, {**facts, "format": "jpeg", "decode_errors": 0, "missing": []})


def test_packs_that_were_stored_before_are_read() -> None:
    images = [scenery(i, (640, 360)) for i in range(4)]
    pack = FRAME_PACK.checked(before(images))
    for frames in (HALF, Frames()):
        for t, image in seen(pack, frames).items():
            assert cv2.PSNR(images[t // 500][:, :, ::-1], image) > 30
    every_second = FramePack(pack, View(1000, 320))
    assert [t for batch in every_second for t in batch.t_ms.tolist()] == [0, 1000]
    assert (every_second.width, every_second.height, every_second.step_ms) == (320, 180, 1000)


def test_a_picture_of_another_size_is_damage(moving: FileSource) -> None:
    (pack,) = shared(moving)
    foreign = Artifact(pack.arrays, {**pack.payload, "width": 600})
    with pytest.raises(InvalidArtifact, match="picture 1 is no JPEG of 600 × 360 or 1280 × 720 pixels"):
        list(FramePack(foreign, view_of(HALF)))


def test_equal_input_gives_equal_bytes(moving: FileSource) -> None:
    (one,), (two,) = shared(moving), shared(moving)
    assert one.payload == two.payload
    assert all(np.array_equal(one[name], two[name]) for name in one.arrays)
    assert pack_item(WIDE) == pack_item(HALF)
