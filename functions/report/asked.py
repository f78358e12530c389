"""What the run was asked: about which part of the video, and what to look for in it."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

from functions.report.about import Asked, Video
from functions.report.kinds import HEARD, KINDS, SEEN, kinds
from kadr.contracts.profile import part_asked, whole_name


def asked(manifest: Mapping[str, Any], video: Video) -> Asked:
    name, components = str(manifest.get("profile_name") or ""), manifest["components"]
    start, end = part_asked(manifest.get("profile") or {}, video.duration_ms)
    return Asked(
        start_ms=start,
        end_ms=end,
        whole=start == 0 and end == video.duration_ms,
        profile=whole_name(name),
        narrowed=whole_name(name) != name,
        looked_for=kinds(components),
        left_out=kinds(_there_to_find(video) - components.keys()),
    )


def _there_to_find(video: Video) -> Set[str]:
    """Components that would find something in a file such as this; of one that could not be read, none."""
    if video.evidence is None:
        return frozenset()
    return KINDS.keys() - (frozenset() if video.picture else SEEN) - (frozenset() if video.sound else HEARD)
