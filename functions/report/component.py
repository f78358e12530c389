"""Declaration of the report: what people open when a run is closed."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from functions.report.build import build
from functions.report.insights import schema_bytes
from functions.report.page import page
from functions.report.page_data import page_data, pictures
from functions.report.sources import Sources
from functions.report.vtt import captions_vtt, cues_of
from kadr.contracts.component import ClosedRun, Params, Resources, Stage, component
from kadr.contracts.view import RunView


class ReportParams(Params):
    picture_bytes: int = Field(
        default=12_000_000, ge=0, description="Most bytes of pictures, as text, that report.html carries."
    )


@component(
    "report",
    version=5,
    stage=Stage.RENDER,
    scope=ClosedRun(),
    reads=(),
    makes={},
    needs=Resources(cpu=1, memory_mb=300, seconds_per_minute=0.02),
)
def report(run: RunView, params: ReportParams) -> Mapping[str, bytes]:
    """Write what was found as a page for people, data for programs and captions for players."""
    sources = Sources(run)
    found = build(sources)
    cues = cues_of(found.transcript, found.captions, found.video.duration_ms)
    language = found.language.language if found.language else None
    return {
        "report.html": page(
            page_data(sources, found, cues), pictures(sources["shots"], params.picture_bytes)
        ),
        "insights.json": (found.model_dump_json(indent=1) + "\n").encode(),
        "insights.schema.json": schema_bytes(),
        "captions.vtt": captions_vtt(cues, language).encode(),
    }
