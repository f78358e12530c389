"""What the run was asked: about which part of the video, and what to look for in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from functions.report.about import Asked
from functions.report.kinds import KINDS, kinds
from kadr.contracts.profile import part_asked, whole_name


def asked(manifest: Mapping[str, Any], duration_ms: int) -> Asked:
    name, components = str(manifest.get("profile_name") or ""), manifest["components"]
    start, end = part_asked(manifest.get("profile") or {}, duration_ms)
    return Asked(
        start_ms=start,
        end_ms=end,
        whole=start == 0 and end == duration_ms,
        profile=whole_name(name),
        narrowed=whole_name(name) != name,
        looked_for=kinds(components),
        left_out=kinds(KINDS.keys() - components),
    )
