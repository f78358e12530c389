"""What the run was asked: about which part of the video, and what to look for in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functions.report.insights import Asked
from functions.report.kinds import KINDS, kinds
from functions.report.sources import Span

NARROWED = " (part)"
"""How ``--only`` ends a profile's name."""


def asked(manifest: Mapping[str, Any], duration_ms: int) -> Asked:
    name, components = str(manifest.get("profile_name") or ""), manifest["components"]
    start, end = part(manifest.get("profile") or {}, duration_ms)
    return Asked(
        start_ms=start,
        end_ms=end,
        whole=start == 0 and end == duration_ms,
        profile=name.removesuffix(NARROWED),
        narrowed=name.endswith(NARROWED),
        looked_for=kinds(components),
        left_out=kinds(KINDS.keys() - components),
    )


def part(profile: Mapping[str, Any], duration_ms: int) -> Span:
    """[start_ms, end_ms) of the video that ``--from`` and ``--to`` leave; all of it without them."""
    params = (profile.get("components") or {}).get("probe", {}).get("params", {})
    start, end = params.get("from_ms") or 0, params.get("to_ms") or duration_ms
    return min(start, duration_ms), max(min(start, duration_ms), min(end, duration_ms))
