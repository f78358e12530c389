"""Closed runs as exports see them, made by the report itself from results in memory."""

from __future__ import annotations

import json
from typing import Any

from exports.formats import FORMATS
from exports.source import Exported, Options, Source
from functions.report.component import ReportParams, report
from tests.unit.functions.report_fixture import MemoryRun, complete


def source(run: MemoryRun, stem: str = "harbour", **changes: Any) -> Source:
    """``changes`` replace fields of insights.json."""
    files = report(run, ReportParams())
    found = {**json.loads(files["insights.json"]), **changes}
    return Source(found, run.artifact, files.__getitem__, stem)


def segment(*words: tuple[int, int, str], speaker: str | None = "S1", space: bool = True) -> dict[str, Any]:
    said = [{"start_ms": s, "end_ms": e, "text": t, "space": space, "speaker": speaker} for s, e, t in words]
    return {"start_ms": words[0][0], "end_ms": words[-1][1], "words": said}


def spoken(*texts: str, **changes: Any) -> dict[str, Any]:
    """A segment with a word each 300 ms."""
    return segment(*((i * 300, i * 300 + 250, text) for i, text in enumerate(texts)), **changes)


def exported(name: str, made_from: Source | None = None, *what: str, **options: Any) -> Exported:
    return FORMATS[name].export(made_from or source(complete()), Options(what, **options))


def body(name: str, made_from: Source | None = None, *what: str, **options: Any) -> str:
    """The text of a format that is one file."""
    made = exported(name, made_from, *what, **options)
    assert made.alone is not None
    return made.files[made.alone].decode()
