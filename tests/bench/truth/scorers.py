"""The field's own scorers (pyannote.metrics, pycocotools, TrackEval), asked in an environment of their own.

    python scorers.py MEASURE < question.json > answer.json

This file is both sides: ``ask`` starts it in the other environment, where ``MEASURES`` answers.
"""

# mypy: disable-error-code="import-not-found, import-untyped"
from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import venv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

PINS = Path(__file__).with_name("scorers.txt")
Turns = Sequence[tuple[int, int, str]]
"""(start_ms, end_ms, speaker)."""


def ask(measure: str, question: object, folder: Path) -> dict[str, Any]:
    """What the scorers answer; their environment is made in ``folder`` when it is not there or its pins moved."""
    done = subprocess.run(
        [_python(folder), __file__, measure], input=json.dumps(question), capture_output=True, text=True, check=False
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"the scorer of {measure} failed:\n{done.stderr}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _python(folder: Path) -> Path:
    place = folder / "scorers"
    python, pins = place / "bin/python", place / PINS.name
    if not pins.is_file() or pins.read_text() != PINS.read_text():
        print("  making an environment for the scorers", flush=True)
        venv.create(place, clear=True, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", PINS], check=True)
        pins.write_text(PINS.read_text())
    return python


def diarisation(question: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Diarisation error over recordings of ``truth`` and ``found`` turns and ``end_ms``: with and without a collar.

    ``der`` counts everything, overlapping speech too; ``der_collar`` leaves out 250 ms on either side of each border
    of the truth (``collar`` of pyannote.metrics is the sum of both), ``der_single`` overlapping speech besides.
    """
    from pyannote.core import Segment, Timeline
    from pyannote.metrics.diarization import DiarizationErrorRate

    metrics = {
        "der": DiarizationErrorRate(),
        "der_collar": DiarizationErrorRate(collar=0.5),
        "der_single": DiarizationErrorRate(collar=0.5, skip_overlap=True),
    }
    for i, one in enumerate(question):
        turns = [_annotation(one[side], f"{i}") for side in ("truth", "found")]
        everywhere = Timeline([Segment(0, one["end_ms"] / 1000)])
        for metric in metrics.values():
            metric(*turns, uem=everywhere)
    answer = {name: abs(metric) for name, metric in metrics.items()}
    parts = metrics["der"]
    total = parts.accumulated_["total"]
    for name in ("missed detection", "false alarm", "confusion"):
        answer[name.split()[0]] = parts.accumulated_[name] / total
    return answer | {"speech_s": total}


def voice(question: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Detection error of ``found`` against ``truth`` (both as turns), its parts, precision and recall, no collar."""
    from pyannote.core import Segment, Timeline
    from pyannote.metrics.detection import (
        DetectionErrorRate,
        DetectionPrecision,
        DetectionRecall,
    )

    metrics = {
        "error": DetectionErrorRate(),
        "precision": DetectionPrecision(),
        "recall": DetectionRecall(),
    }
    for i, one in enumerate(question):
        turns = [_annotation(one[side], f"{i}") for side in ("truth", "found")]
        everywhere = Timeline([Segment(0, one["end_ms"] / 1000)])
        for metric in metrics.values():
            metric(*turns, uem=everywhere)
    parts = metrics["error"].accumulated_
    rates = {name.split()[0]: parts[name] / parts["total"] for name in ("miss", "false alarm")}
    return {name: abs(metric) for name, metric in metrics.items()} | rates


def _annotation(turns: Turns, uri: str) -> Any:
    from pyannote.core import Annotation, Segment

    made = Annotation(uri=uri)
    for i, (start_ms, end_ms, speaker) in enumerate(turns):
        made[Segment(start_ms / 1000, end_ms / 1000), i] = speaker
    return made


def detection(question: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """COCO's mean average precision over pictures of ``truth`` and ``found`` boxes, and recall by the things' height."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    labels = sorted({b["label"] for one in question for b in one["truth"]})
    ids = {label: i + 1 for i, label in enumerate(labels)}
    truth = COCO()
    truth.dataset = {
        "info": {},
        "images": [{"id": i} for i in range(len(question))],
        "categories": [{"id": i, "name": label} for label, i in ids.items()],
        "annotations": [],
    }
    found = []
    for image, one in enumerate(question):
        for b in one["truth"]:
            x, y, w, h = _corner_and_size(b["box"])
            number = len(truth.dataset["annotations"]) + 1
            truth.dataset["annotations"].append(
                {"id": number, "image_id": image, "category_id": ids[b["label"]], "bbox": [x, y, w, h],
                 "area": w * h, "iscrowd": 0}
            )  # fmt: skip
        found += [
            {"image_id": image, "category_id": ids[b["label"]], "bbox": _corner_and_size(b["box"]), "score": b["score"]}
            for b in one["found"] if b["label"] in ids
        ]  # fmt: skip
    truth.createIndex()
    judge = COCOeval(truth, truth.loadRes(found), "bbox")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    names = {"map": 0, "AP at IoU 0.5": 1, "recall (at most 100)": 8}
    return {name: float(judge.stats[at]) for name, at in names.items()} | _recall(question)


def _recall(question: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Share of the things of each ``height`` (if they have one) that a box of their class covers with IoU 0.5."""
    hits: dict[int, list[bool]] = {}
    for one in question:
        for b in (b for b in one["truth"] if "height" in b):
            hit = any(f["label"] == b["label"] and iou(f["box"], b["box"]) >= 0.5 for f in one["found"])
            hits.setdefault(b["height"], []).append(hit)
    return {f"recall at {height} px": sum(found) / len(found) for height, found in sorted(hits.items())}


def tracking(question: Sequence[Sequence[Mapping[str, Any]]]) -> dict[str, float]:
    """HOTA and CLEAR MOT over films, each a list of moments of ``truth`` and ``found`` boxes with their tracks."""
    from trackeval.metrics import CLEAR, HOTA

    hota, clear = HOTA(), CLEAR()
    films = [_trackeval_data(film) for film in question]
    whole = hota.combine_sequences({str(i): hota.eval_sequence(f) for i, f in enumerate(films)})
    mot = clear.combine_sequences({str(i): clear.eval_sequence(f) for i, f in enumerate(films)})
    answer = {
        name.lower() if name == "HOTA" else name: float(whole[name].mean())
        for name in ("HOTA", "DetA", "AssA")
    }
    answer["MOTA"] = float(mot["MOTA"])
    answer["identity switches"] = float(mot["IDSW"])
    return answer | {"recall": float(mot["CLR_Re"]), "precision": float(mot["CLR_Pr"])}


def _trackeval_data(film: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    import numpy as np

    sides = {}
    for side in ("truth", "found"):
        known = sorted({b["track"] for moment in film for b in moment[side]})
        sides[side] = (
            [np.array([known.index(b["track"]) for b in moment[side]], int) for moment in film],
            len(known),
        )
    alike = [
        np.array([[iou(a["box"], b["box"]) if a["label"] == b["label"] else 0.0 for b in m["found"]] for a in m["truth"]],
                 float).reshape(len(m["truth"]), len(m["found"]))
        for m in film
    ]  # fmt: skip
    return {
        "num_timesteps": len(film),
        "gt_ids": sides["truth"][0],
        "tracker_ids": sides["found"][0],
        "similarity_scores": alike,
        "num_gt_ids": sides["truth"][1],
        "num_tracker_ids": sides["found"][1],
        "num_gt_dets": sum(len(m["truth"]) for m in film),
        "num_tracker_dets": sum(len(m["found"]) for m in film),
    }


def _corner_and_size(box: Sequence[float]) -> list[float]:
    x1, y1, x2, y2 = box
    return [x1, y1, x2 - x1, y2 - y1]


def iou(a: Sequence[float], b: Sequence[float]) -> float:
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0.0, width) * max(0.0, height)
    both = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return shared / (both - shared) if shared else 0.0


MEASURES: dict[str, Callable[[Any], dict[str, float]]] = {
    "diarisation": diarisation,
    "voice": voice,
    "detection": detection,
    "tracking": tracking,
}


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):
        answered = MEASURES[sys.argv[1]](json.load(sys.stdin))
    json.dump(answered, sys.stdout)
