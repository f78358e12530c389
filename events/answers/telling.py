"""The events that go out: what ended, how, and where all of it lies. Ids are derived, so that a repeat is recognised."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from events.binding import COMPONENT_COMPLETED, RUN_COMPLETED, Event
from events.messages import run_fields, trace_of
from kadr.contracts.keys import sha256_json
from kadr.contracts.manifest import ComponentSummary, Manifest
from kadr.contracts.run import ACQUIRE, Record, Request
from kadr.storage import layout

SOURCE = "/kadr"
TEST = "dev.kadr.webhook.test.v1"
REJECTED = "rejected"
"""The status of what was refused before it was a run."""
ENDED = frozenset({"succeeded", "partial", "failed", "blocked", "absent"})
SHOWN = 500
"""Characters of a reason."""


@dataclass(frozen=True)
class Places:
    """Where what an event tells of is found: in ``bucket``, and at the API's URL."""

    bucket: str
    url: str = ""

    def of_bucket(self, name: str) -> str:
        return f"s3://{self.bucket}/{name}"

    def links(self, run_id: str) -> dict[str, str]:
        run = f"{self.url.rstrip('/')}/v1/runs/{run_id}"
        return {"run": run, "manifest": f"{run}/manifest", "report": f"{run}/report/report.html"}


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def run_completed(request: Request, manifest: Manifest, places: Places) -> Event:
    """That an epoch of a run was closed, however it ended."""
    components = manifest.components
    failure = next((e.failure for e in manifest.records if e.failure and e.failure.task == ACQUIRE), None)
    data = {
        **run_fields(request, manifest.video_id),
        "name": request.source_name,
        "status": manifest.status.value,
        "epoch": manifest.epoch,
        "manifest": manifest.digest,
        "counts": {
            "components": dict(Counter(c.state for c in components.values())),
            "tasks": sum(c.tasks for c in components.values()),
            "computed": sum(c.computed for c in components.values()),
            "cached": sum(c.cached for c in components.values()),
        },
        "failed": [
            {"component": name, "required": name in manifest.graph.required, **_why(summary)}
            for name, summary in components.items()
            if summary.state in ("failed", "blocked", "partial")
        ],
        "error": {"code": failure.code, "message": failure.message[:SHOWN]} if failure else None,
        "links": places.links(request.run_id),
        "meta": request.meta,
    }
    return Event(
        id=sha256_json([RUN_COMPLETED, request.owner, request.run_id, manifest.epoch, manifest.digest]),
        source=SOURCE,
        type=RUN_COMPLETED,
        data=data,
        subject=f"{request.owner}/{request.run_id}",
        time_ms=now_ms(),
        dataref=places.of_bucket(layout.manifest(request.owner, request.run_id, manifest.digest)),
        traceparent=trace_of(request.run_id),
    )


def component_completed(
    request: Request,
    video_id: str | None,
    epoch: int,
    component: str,
    summary: ComponentSummary,
    record: Record | None,
    places: Places,
) -> Event:
    """That a component has nothing more to do in this epoch. A success that a later epoch keeps is the same event."""
    results = [{"name": r.name, "key": r.key, "digest": r.digest} for r in record.results] if record else []
    data = {
        **run_fields(request, video_id),
        "epoch": epoch,
        "component": component,
        "stage": summary.stage,
        "version": summary.version,
        **_why(summary),
        "tasks": summary.tasks,
        "computed": summary.computed,
        "cached": summary.cached,
        "seconds": summary.seconds,
        "gaps": [list(gap) for gap in summary.gaps],
        "results": results,
        "links": places.links(request.run_id),
    }
    what = record.digest if record else epoch
    return Event(
        id=sha256_json([COMPONENT_COMPLETED, request.owner, request.run_id, component, summary.state, what]),
        source=SOURCE,
        type=COMPONENT_COMPLETED,
        data=data,
        subject=f"{request.owner}/{request.run_id}/{component}",
        time_ms=now_ms(),
        dataref=_result(request.owner, video_id, component, record, places),
        traceparent=trace_of(request.run_id),
    )


def rejected(owner: str, run_id: str, about: Mapping[str, Any], code: str, why: str) -> Event:
    """That what somebody asked for by an event will be no run. ``about``: source and id of that event."""
    error = {"code": code, "message": why[:SHOWN]}
    data = {"run_id": run_id, "user_id": owner, "status": REJECTED, "error": error, "event": dict(about)}
    return Event(
        id=sha256_json([RUN_COMPLETED, owner, run_id, REJECTED, code]),
        source=SOURCE,
        type=RUN_COMPLETED,
        data=data,
        subject=f"{owner}/{run_id}",
        time_ms=now_ms(),
        traceparent=trace_of(run_id),
    )


def _why(summary: ComponentSummary) -> dict[str, Any]:
    error = summary.error or {}
    said = {"code": error.get("code", ""), "message": error.get("message", "")[:SHOWN]}
    return {"state": summary.state, "reason": summary.reason[:SHOWN], "error": said if error else None}


def _result(owner: str, video_id: str | None, component: str, record: Record | None, places: Places) -> str:
    if record is None or video_id is None or not record.results:
        return ""
    own = record.result(None)
    return places.of_bucket(layout.result_json(owner, video_id, component, own.key, own.digest))
