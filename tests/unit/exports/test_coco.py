"""Detections as pycocotools read and score them."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tests.unit.exports.runs import body, exported, source
from tests.unit.functions.report_fixture import complete, empty, hostile, sightless


def read(tmp_path: Path, text: str) -> Any:
    path = tmp_path / "found.coco.json"
    path.write_text(text)
    with contextlib.redirect_stdout(io.StringIO()):
        return COCO(str(path))


def test_every_detection_is_an_annotation_of_its_frame(tmp_path: Path) -> None:
    run = complete()
    coco = read(tmp_path, body("coco", source(run)))
    objects, faces = run.artifacts["objects"], run.artifacts["faces"]
    assert len(coco.anns) == len(objects["det_t_ms"]) + len(faces["det_t_ms"])
    assert [c["name"] for c in coco.loadCats(coco.getCatIds())] == [*objects.payload["labels"], "face"]
    times = sorted({*objects["det_t_ms"].tolist(), *faces["det_t_ms"].tolist()})
    assert [i["timestamp_ms"] for i in coco.loadImgs(sorted(coco.imgs))] == times
    assert {(i["width"], i["height"]) for i in coco.imgs.values()} == {(1280, 720)}
    (first,) = (a for a in coco.loadAnns(coco.getAnnIds(imgIds=[1])) if "track_id" in a)
    assert first["bbox"] == pytest.approx([*objects["det_box"][0][:2].tolist(), 120, 120], abs=0.11)


def test_tracks_run_through_frames(tmp_path: Path) -> None:
    run = source(complete())
    coco = read(tmp_path, body("coco", run))
    tracks = {t["id"]: t["category_id"] for t in coco.dataset["tracks"]}
    assert len(tracks) == len(run.found["objects"]) + len(run.found["faces"])
    assert all(tracks[a["track_id"]] == a["category_id"] for a in coco.anns.values())
    longest = max(run.found["objects"], key=lambda t: t["detections"])["detections"]
    of_track = [sum(a["track_id"] == t for a in coco.anns.values()) for t in tracks]
    assert max(of_track) == longest


def test_it_scores_as_a_perfect_answer_to_itself(tmp_path: Path) -> None:
    truth = read(tmp_path, body("coco"))
    keep = ("image_id", "category_id", "bbox", "score")
    with contextlib.redirect_stdout(io.StringIO()):
        answer = truth.loadRes([{k: a[k] for k in keep} for a in truth.anns.values()])
        scored = COCOeval(truth, answer, "bbox")
        for step in (scored.evaluate, scored.accumulate, scored.summarize):
            step()
    assert scored.stats[0] == pytest.approx(1.0)


def test_only_what_was_asked_for_is_in_it() -> None:
    found = json.loads(body("coco", source(complete()), "faces"))
    assert [c["name"] for c in found["categories"]] == ["face"]
    assert {t["category_id"] for t in found["tracks"]} == {1}


@pytest.mark.parametrize(("run", "why"), [(sightless, "The file has no pictures"), (empty, "")])
def test_nothing_detected_is_a_valid_file_that_says_why(tmp_path: Path, run: Any, why: str) -> None:
    made = exported("coco", source(run()))
    coco = read(tmp_path, made.files[".coco.json"].decode())
    assert (coco.anns, coco.imgs) == ({}, {})
    assert why in made.notes[0]


def test_hostile_labels_stay_labels(tmp_path: Path) -> None:
    coco = read(tmp_path, body("coco", source(hostile())))
    assert "</script>" in coco.cats[1]["name"]
