"""The field's own scorers (pyannote.metrics, pycocotools, TrackEval), asked in an environment of their own.

    python scorers.py MEASURE < question.json > answer.json

This file is both sides: ``ask`` starts it in the other environment, where ``MEASURES`` answers.
"""

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
    from pyannote.core import Segment, Timeline  # type: ignore[import-not-found]
    from pyannote.metrics.diarization import DiarizationErrorRate  # type: ignore[import-not-found]

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
    from pyannote.metrics.detection import (  # type: ignore[import-not-found]
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


MEASURES: dict[str, Callable[[Any], dict[str, float]]] = {"diarisation": diarisation, "voice": voice}


if __name__ == "__main__":
    with contextlib.redirect_stdout(sys.stderr):
        answered = MEASURES[sys.argv[1]](json.load(sys.stdin))
    json.dump(answered, sys.stdout)
