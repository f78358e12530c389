from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from functions.ocr.boxes import bounds, box_iou, joined, touching
from functions.ocr.component import OCR, OcrParams, merge_ocr, ocr
from functions.ocr.gate import edge_change, edges, regions_to_read
from functions.ocr.tracks import Lines, build_tracks
from inference.registry import Registry
from kadr.contracts.artifact import Artifact
from kadr.contracts.component import Part
from kadr.contracts.keys import array_digest
from kadr.contracts.media import ChunkSpan
from kadr.contracts.model import Models
from tests.unit.functions.frames import MemoryFrames

WIDTH, HEIGHT = 640, 360
Text = tuple[int, int, str, int] | tuple[int, int, str, int, int]


@pytest.fixture(scope="module")
def models() -> Models:
    return Registry().models(["ppocr_v6_small_det", "ppocr_v6_small_rec"], threads=2)


def picture(*texts: Text, ground: int = 60) -> np.ndarray:
    """A grey picture with texts: (x, y, text, size in pixels, grey level)."""
    image = Image.new("RGB", (WIDTH, HEIGHT), (ground,) * 3)
    draw = ImageDraw.Draw(image)
    for x, y, text, size, *grey in texts:
        level = grey[0] if grey else 240
        draw.text((x, y), text, font=ImageFont.load_default(size), fill=(level,) * 3)
    return np.array(image)


def read(
    images: Sequence[np.ndarray], models: Models, scale: float = 1.0, params: OcrParams | None = None
) -> Artifact:
    frames = MemoryFrames(images, scale=scale, size=(WIDTH, HEIGHT))
    span = ChunkSpan(0, 1000 * len(images))
    return OCR.checked(ocr(frames, params or OcrParams(), models, span))


def spans(found: Artifact) -> dict[str, tuple[int, int]]:
    """{text: (start, end)} of the tracks; fails when two tracks have one text."""
    times = zip(found["track_start_ms"].tolist(), found["track_end_ms"].tolist(), strict=True)
    tracks = list(zip(found.payload["tracks"], times, strict=True))
    assert len(dict(tracks)) == len(tracks)
    return dict(tracks)


def test_reads_lines_at_their_places_in_the_source_picture(models: Models) -> None:
    image = picture(
        (40, 30, "Quarterly report", 32), (40, 90, "Revenue grew by 12%", 22), (300, 300, "page 7", 16)
    )
    found = read([image], models, scale=3.0)
    assert found.payload["lines"] == ["Quarterly report", "Revenue grew by 12%", "page 7"]
    assert found["line_score"].min() > 0.9
    left_top = found["line_box"][:, 0] / 3.0
    assert np.abs(left_top - [[40, 30], [40, 90], [300, 300]]).max() < 14
    assert found["track_start_ms"].tolist() == [0, 0, 0]
    assert found["track_end_ms"].tolist() == [500, 500, 500]


def test_reads_small_and_faint_text(models: Models) -> None:
    found = read(
        [picture((40, 60, "small print at the bottom", 12, 200), (40, 200, "barely visible", 24, 85))], models
    )
    assert found.payload["lines"] == ["small print at the bottom", "barely visible"]


def test_a_picture_without_text_and_a_chunk_without_pictures_are_empty(models: Models) -> None:
    for images in ([picture()], []):
        found = read(images, models)
        assert found["line_t_ms"].size == found["track_start_ms"].size == 0
        assert found.payload["tracks"] == []
        assert found.payload["frames"] == len(images)


def test_a_text_lasts_from_the_first_frame_that_shows_it_to_half_a_step_after_its_last(
    models: Models,
) -> None:
    nothing, text = picture(), picture((50, 100, "Kadr reads this", 30))
    assert spans(read([nothing, nothing, text, text, nothing], models)) == {"Kadr reads this": (2000, 3500)}


def test_unchanged_frames_are_not_read_and_keep_their_lines(models: Models) -> None:
    text = picture((50, 100, "Nothing moves here", 30))
    noisy = [
        np.clip(text.astype(int) + np.random.default_rng(i).integers(-1, 2, text.shape), 0, 255)
        for i in range(3)
    ]
    found = read([text, text, *(n.astype(np.uint8) for n in noisy)], models)
    assert (found.payload["ocr_frames"], found.payload["frames"]) == (1, 5)
    assert found["line_t_ms"].tolist() == [0, 1000, 2000, 3000, 4000]
    assert spans(found) == {"Nothing moves here": (0, 4500)}


def test_unchanged_frames_are_read_again_after_a_while_but_the_same_picture_never(models: Models) -> None:
    text = picture((50, 100, "Nothing moves here", 30))
    params = OcrParams(reread_ms=2000)
    assert read([text] * 5, models, params=params).payload["ocr_frames"] == 1
    assert read([text.copy() for _ in range(5)], models, params=params).payload["ocr_frames"] == 3


@pytest.mark.parametrize(
    ("before", "after"),
    [("Step 1 of the plan", "Step 2 of the plan"), ("Chapter I", "Another text")],
)
def test_a_changed_text_is_read_beside_an_unchanged_one(models: Models, before: str, after: str) -> None:
    logo: Text = (420, 20, "KADR CHANNEL", 20)
    pictures = [picture(logo, (50, 200, text, 28)) for text in (before, before, after, after)]
    found = spans(read(pictures, models))
    assert found == {"KADR CHANNEL": (0, 3500), before: (0, 1500), after: (2000, 3500)}


def test_a_line_that_grows_is_read_again(models: Models) -> None:
    texts = ("A line that grows", "A line that grows on", "A line that grows on")
    found = read([picture((50, 200, text, 28)) for text in texts], models)
    assert found.payload["lines"] == list(texts)
    assert found.payload["tracks"] == ["A line that grows on"]


def test_a_dissolve_between_two_texts_gives_both(models: Models) -> None:
    first, second = picture((60, 150, "The first message", 32)), picture((60, 150, "Second words follow", 32))
    mixed = [cv2.addWeighted(first, 1 - a, second, a, 0) for a in (0.0, 0.0, 0.25, 0.5, 0.75, 1.0, 1.0)]
    found = read(mixed, models)
    sure = [
        text for text, score in zip(found.payload["tracks"], found["track_score"], strict=True) if score > 0.9
    ]
    assert sure == ["The first message", "Second words follow"]


def test_scrolling_credits_are_one_moving_track_a_line(models: Models) -> None:
    names = ["Director Ada Lovelace", "Assistant", "Editor Grace Hopper", "Assistant", "Music Clara Schumann"]
    rolled = [
        picture(*((150, HEIGHT - 45 * step + 60 * i, name, 24) for i, name in enumerate(names)))
        for step in range(14)
    ]
    found = read(rolled, models)
    assert sorted(found.payload["tracks"]) == sorted(names)
    for track in range(len(names)):
        tops = found["line_box"][found["line_track"] == track, 0, 1]
        assert len(tops) >= 5
        assert all(-50 < below - above < -40 for above, below in pairwise(tops[:-1]))


def test_the_gate_loses_nothing_that_reading_every_frame_finds(models: Models) -> None:
    slides: list[list[Text]] = [
        [(40, 40, "Agenda", 30), (40, 120, "Item 3", 14)],
        [(40, 40, "Agenda", 30), (40, 120, "Item 8", 14)],
        [(40, 40, "Agenda", 30), (40, 120, "Item 8", 14), (40, 160, "faint remark", 18, 95)],
        [(40, 40, "Agenda", 30)],
    ]
    pictures = [cv2.GaussianBlur(picture(*s), (3, 3), 0.6) for s in slides for _ in range(3)]
    gated = read(pictures, models)
    every = read([p.copy() for p in pictures], models, params=OcrParams(reread_ms=0))
    assert every.payload["ocr_frames"] == 12
    assert gated.payload["ocr_frames"] == 5, "four slides, and one more reading after ten seconds"
    assert spans(gated) == spans(every)


def test_edge_change_is_local_and_symmetric() -> None:
    before, after = edges(picture((40, 40, "One", 20))), edges(picture((40, 40, "Two", 20)))
    change = edge_change(before, after)
    assert change.shape == (HEIGHT, WIDTH)
    assert change[30:80, 30:110].max() > 10
    assert change[90:].max() == 0
    assert np.array_equal(change, edge_change(after, before))


def test_text_that_fades_in_beside_a_moving_thing_is_found(models: Models) -> None:
    def at(step: int) -> np.ndarray:
        image = picture((30, 40, "Title of the talk", 24), (30, 300, "slowly coming", 22, 60 + 4 * step))
        image[150:250, 500 + 8 * step : 540 + 8 * step] = 200
        return image

    found = read([at(step) for step in range(9)], models, params=OcrParams(reread_ms=60_000))
    assert sorted(found.payload["tracks"]) == ["Title of the talk", "slowly coming"]


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 390), st.integers(0, 590)), min_size=1, max_size=4),
    st.lists(st.tuples(st.floats(0, 550), st.floats(0, 380)), max_size=6),
)
def test_regions_hold_all_change_that_may_be_text_and_neither_cut_lines_nor_overlap(
    changed: list[tuple[int, int]], lines: list[tuple[float, float]]
) -> None:
    change, outline = np.zeros((400, 600), dtype=np.float32), np.zeros((400, 600), dtype=np.uint8)
    for row, column in changed:
        change[row, column] = 5.0
        outline[row : row + 9, column : column + 9] = 200
    boxes = np.array([[x, y, x + 50, y + 20] for x, y in lines]).reshape(-1, 4)
    regions = regions_to_read(change, outline, 4.0, boxes)
    for row, column in changed:
        assert (
            sum(top <= row < bottom and left <= column < right for left, top, right, bottom in regions) == 1
        )
    for region in regions:
        left, top, right, bottom = region
        for x1, y1, x2, y2 in boxes[touching(boxes, region)]:
            assert left <= x1
            assert top <= y1
            assert right >= min(x2, 600)
            assert bottom >= min(y2, 400)


def test_what_became_flat_is_not_read_but_text_that_was_there_is_looked_for() -> None:
    change, flat = np.zeros((400, 600), dtype=np.float32), np.zeros((400, 600), dtype=np.uint8)
    change[100:120, 100:200] = 50.0
    assert regions_to_read(change, flat, 4.0, np.zeros((0, 4))) == []
    was_there = np.array([[150.0, 90.0, 300.0, 130.0], [400.0, 300.0, 500.0, 320.0]])
    assert regions_to_read(change, flat, 4.0, was_there) == [(150, 90, 300, 130)]


def test_changes_far_apart_are_read_apart(models: Models) -> None:
    logo: Text = (20, 10, "KADR", 20)
    before, after = (picture(logo, (430, 300, f"slide {n} of 12", 22)) for n in (3, 4))
    change = edge_change(edges(before), edges(after))
    (region,) = regions_to_read(change, edges(after), 4.0, np.zeros((0, 4)))
    assert region[0] > 300
    assert region[1] > 150
    assert spans(read([before, before, after, after], models)) == {
        "KADR": (0, 3500), "slide 3 of 12": (0, 1500), "slide 4 of 12": (2000, 3500)
    }  # fmt: skip


def test_the_same_frames_give_the_same_bytes(models: Models) -> None:
    pictures = [picture((40, 40, f"Take {i}", 26), (300, 200, "unchanged", 20)) for i in range(3)]
    one, two = read(pictures, models), read(pictures, models)
    assert one.payload == two.payload
    assert {k: array_digest(a) for k, a in one.arrays.items()} == {
        k: array_digest(a) for k, a in two.arrays.items()
    }


def test_chunks_merge_to_what_one_chunk_gives(models: Models) -> None:
    logo: Text = (420, 20, "KADR", 20)
    pictures = [picture(logo, (50, 200, text, 28)) for text in ("Good morning", "Good morning", "Good night")]
    pictures = [p for p in pictures for _ in range(2)]
    frames = MemoryFrames(pictures)
    whole = OCR.checked(merge_ocr([_chunk(frames, ChunkSpan(0, 6000), models)], OcrParams()))
    for seam in range(1000, 6000, 1000):
        halves = [_chunk(frames, ChunkSpan(*span), models) for span in ((0, seam), (seam, 6000))]
        merged = OCR.checked(merge_ocr(halves, OcrParams()))
        assert spans(merged) == spans(whole)
        assert merged.payload["lines"] == whole.payload["lines"]
        assert np.abs(merged["line_box"] - whole["line_box"]).max() <= 4.0
        assert np.abs(merged["line_score"] - whole["line_score"]).max() <= 0.05


def _chunk(frames: MemoryFrames, span: ChunkSpan, models: Models) -> Part:
    return Part(span, OCR.checked(ocr(frames.between(span.start_ms, span.end_ms), OcrParams(), models, span)))


# --- linking, without models ---


@st.composite
def shown(draw: st.DrawFn) -> tuple[Lines, int]:
    """Some texts, each still at a place of its own for some frames, read with jitter; and how many they are."""
    words = ["alpha", "bravo", "charlie", "delta", "echo fox", "golf 7"]
    count = draw(st.integers(0, len(words)))
    found: list[tuple[int, float, str, np.ndarray]] = []
    for row in range(count):
        first = draw(st.integers(0, 12))
        for step in range(first, first + draw(st.integers(1, 6))):
            x, y = (draw(st.floats(-2, 2)) for _ in range(2))
            box = np.array([[0, 0], [120, 0], [120, 20], [0, 20]]) + np.array([40 + x, 50 * row + y])
            found.append((1000 * step, draw(st.floats(0.6, 1)), words[row], box))
    found.sort(key=lambda line: (line[0], line[2]))
    quads = np.array([line[3] for line in found], dtype=np.float32).reshape(-1, 4, 2)
    t_ms, scores = (
        np.array([f[0] for f in found], dtype=np.int64),
        np.array([f[1] for f in found], dtype=np.float32),
    )
    return Lines(t_ms, quads, scores, [f[2] for f in found]), count


@settings(max_examples=60)
@given(shown())
def test_a_still_text_is_one_track_and_tracks_hold_their_lines(case: tuple[Lines, int]) -> None:
    lines, count = case
    tracks = build_tracks(lines, 1000, (0, 30_000))
    assert len(tracks.texts) == count
    assert sorted(set(tracks.of_line.tolist())) == list(range(count))
    for line, track in enumerate(tracks.of_line):
        assert lines.texts[line] == tracks.texts[track]
        assert tracks.start_ms[track] <= lines.t_ms[line] < tracks.end_ms[track]
    assert set(tracks.start_ms.tolist()) <= set(lines.t_ms.tolist()), (
        "a start leads to a frame without the text"
    )
    assert tracks.start_ms.tolist() == sorted(tracks.start_ms.tolist())
    pairs = list(zip(lines.t_ms.tolist(), tracks.of_line.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs), "two lines of one frame are in one track"


@settings(max_examples=60)
@given(shown(), st.lists(st.integers(1, 19), max_size=4, unique=True))
def test_linking_does_not_see_seams(case: tuple[Lines, int], cuts: list[int]) -> None:
    lines, _ = case
    edges_ms = [0, *(1000 * cut for cut in sorted(cuts)), 20_000]
    merged = merge_ocr([_part(lines, *span) for span in pairwise(edges_ms)], OcrParams())
    whole = merge_ocr([_part(lines, 0, 20_000)], OcrParams())
    assert merged.payload == whole.payload
    assert all(np.array_equal(merged[name], whole[name]) for name in OCR.arrays)


def _part(lines: Lines, start_ms: int, end_ms: int) -> Part:
    inside = (lines.t_ms >= start_ms) & (lines.t_ms < end_ms)
    arrays = {
        "line_t_ms": lines.t_ms[inside],
        "line_box": lines.quads[inside],
        "line_score": lines.scores[inside],
    }
    texts = [text for text, kept in zip(lines.texts, inside, strict=True) if kept]
    return Part(ChunkSpan(start_ms, end_ms), Artifact(arrays, {"lines": texts, "step_ms": 1000}))


def at(*seen: tuple[int, int, str, float]) -> Lines:
    """Lines at (t_ms, y, text, score)."""
    box = np.array([[0, 0], [200, 0], [200, 20], [0, 20]], dtype=np.float32)
    quads = np.array([box + np.array([0, y]) for _, y, _, _ in seen], dtype=np.float32)
    times, scores = np.array([s[0] for s in seen]), np.array([s[3] for s in seen], dtype=np.float32)
    return Lines(times, quads, scores, [s[2] for s in seen])


def test_readings_of_one_text_vote_by_their_scores() -> None:
    lines = at((0, 0, "Helo world", 0.7), (1000, 0, "Hello world", 0.9), (2000, 0, "Hello world", 0.8))
    tracks = build_tracks(lines, 1000, (0, 3000))
    assert tracks.texts == ["Hello world"]
    assert tracks.scores[0] == pytest.approx(0.85)


def test_one_missed_frame_does_not_end_a_track_but_two_do() -> None:
    once = at((0, 0, "Hello world", 0.9), (2000, 0, "Hello world", 0.9))
    twice = at((0, 0, "Hello world", 0.9), (3000, 0, "Hello world", 0.9))
    assert len(build_tracks(once, 1000, (0, 9000)).texts) == 1
    assert len(build_tracks(twice, 1000, (0, 9000)).texts) == 2


def test_a_text_that_takes_the_place_of_another_ends_it() -> None:
    lines = at((0, 0, "alpha", 0.99), (1000, 0, "bravo", 0.99), (2000, 0, "alpha", 0.99))
    assert build_tracks(lines, 1000, (0, 3000)).texts == ["alpha", "bravo", "alpha"]


@pytest.mark.parametrize("unsure", [0.95, 0.7])
def test_slides_of_nearly_one_wording_are_texts_of_their_own(unsure: float) -> None:
    first, second = "sido autenticado. Por favor ingrese", "de agente. Por favor ingrese"
    lines = at(
        (0, 0, first, 0.97), (1000, 0, first, unsure), (2000, 1, second, 0.98), (3000, 1, second, 0.98)
    )
    tracks = build_tracks(lines, 1000, (0, 4000))
    assert tracks.texts == [first, second]
    assert (tracks.start_ms.tolist(), tracks.end_ms.tolist()) == ([0, 2000], [1500, 3500])


def test_a_misreading_between_alike_readings_and_a_text_that_grows_are_no_new_texts() -> None:
    once = at(
        (0, 0, "Welcome aboard", 0.98),
        (1000, 0, "Welcome abroad we", 0.92),
        (2000, 0, "Welcome aboard", 0.98),
    )
    assert build_tracks(once, 1000, (0, 3000)).texts == ["Welcome aboard"]
    grown = at(*((1000 * i, 0, "a line that grows"[: 11 + 3 * (i // 2)], 0.98) for i in range(6)))
    assert build_tracks(grown, 1000, (0, 6000)).texts == ["a line that grows"]


def test_pieces_of_a_line_are_joined_and_lines_below_or_apart_are_not() -> None:
    def quad(x1: int, y1: int, x2: int, y2: int) -> list[tuple[int, int]]:
        return [(x1, y1), (x2, y1), (x2, y2), (x1, y2)]

    word, rest, below = quad(98, 572, 169, 618), quad(159, 567, 393, 621), quad(99, 616, 392, 649)
    apart, column = quad(420, 570, 600, 620), quad(380, 400, 410, 640)
    found = joined(np.array([word, rest, below, apart, column], dtype=np.float32))
    expected = [quad(98, 567, 393, 621), below, apart, column]
    assert sorted(found.tolist()) == sorted(np.array(expected, dtype=float).tolist())
    assert joined(np.zeros((0, 4, 2), np.float32)).shape == (0, 4, 2)


def test_box_iou_of_quads() -> None:
    square = np.array([[0, 0], [10, 0], [10, 10], [0, 10]], dtype=np.float32)
    boxes = bounds(np.stack([square + np.array([x, 0]) for x in (0, 5, 50)]))
    assert box_iou(boxes[:1], boxes).tolist()[0] == pytest.approx([1, 1 / 3, 0])
