"""What stands in the queue: a task that is ready, with the run's own fields that every message carries."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from events.egress.urls import shown
from kadr.contracts.keys import sha256_json
from kadr.contracts.run import Request
from kadr.pipeline.messages import RenderSpec
from kadr.pipeline.spec import TaskSpec, spec_to_json
from kadr.telemetry.logs import trace_id

RENDER = "render"
"""The name that a run's rendering has among its tasks."""


def run_fields(request: Request, video_id: str | None) -> dict[str, Any]:
    """The fields that every message names its run by."""
    return {
        "run_id": request.run_id,
        "video_id": video_id,
        "platform_id": request.platform_id,
        "config_hash": request.config_hash,
        "sampling_policy_version": request.sampling_policy_version,
        "dataprocessor_version": request.dataprocessor_version,
        "video_source": shown(request.source),
        "user_id": request.owner,
    }


def task_body(request: Request, spec: TaskSpec) -> dict[str, Any]:
    return {**run_fields(request, spec.video_id), "task": spec_to_json(spec)}


def acquire_body(request: Request, epoch: int) -> dict[str, Any]:
    return {**run_fields(request, None), "acquire": {"epoch": epoch}}


def render_body(request: Request, video_id: str | None, spec: RenderSpec) -> dict[str, Any]:
    plain = {name: getattr(spec, name) for name in RenderSpec.__dataclass_fields__}
    return {**run_fields(request, video_id), "render": plain}


def event_id(body: Mapping[str, Any], task: str, key: str, epoch: int) -> str:
    """Derived, so that a repeat is recognised."""
    return sha256_json([body["user_id"], body["run_id"], epoch, task, key])


def trace_of(run_id: str) -> str:
    """The run's trace, as a W3C traceparent: its id is the run's own, so that logs of one run are found by either."""
    trace_id = uuid.UUID(run_id).hex
    return f"00-{trace_id}-{trace_id[:16]}-01"


def about(run_id: str, owner: str = "", task: str = "", traceparent: str = "") -> dict[str, Any]:
    """What a line of the log says of whose work it is about, as ``extra``."""
    with suppress(ValueError):  # of a stranger's event, which names no run of ours
        traceparent = traceparent or trace_of(run_id)
    return {"trace_id": trace_id(traceparent), "run_id": run_id, "owner": owner, "task": task}
