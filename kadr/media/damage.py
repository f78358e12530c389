"""What of a file is lost, and how that is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kadr.media.index import SampleIndex


def differ(longer_ms: int, shorter_ms: int) -> bool:
    """By more than headers that are only rough do."""
    return longer_ms - shorter_ms > max(2000, longer_ms // 20)


def damage_of(
    blind: bool, index: SampleIndex, promised: int, found_ms: int | None, joined: dict[str, Any] | None
) -> Iterator[dict[str, Any]]:
    """What of the file is lost, each kind with what is known of it."""
    if blind:
        yield {"kind": "no_picture"}
    if index.truncated:
        yield {"kind": "stopped", "found_ms": found_ms, "error": index.truncated}
    if joined:
        yield joined
    elif index.overlaps:
        yield {"kind": "clock", "found_ms": found_ms}
    if packets_hit := sum(e.incredible for e in index.extents.values()):
        yield {"kind": "time_stamps", "packets": packets_hit}
    if found_ms is not None and differ(promised, found_ms):
        yield {"kind": "cut_off", "expected_ms": promised, "found_ms": found_ms}


def told_of(damage: dict[str, Any]) -> str:
    match damage["kind"]:
        case "no_picture":
            return "no picture could be decoded from the beginning of the video"
        case "stopped":
            return f"reading stopped before the end of the file: {damage['error']}"
        case "time_stamps":
            n = damage["packets"]
            return (
                "one packet has a damaged time stamp" if n == 1 else f"{n} packets have damaged time stamps"
            )
        case "joined" if damage["unread_bytes"]:
            return f"another recording follows in the file and is not read: {damage['unread_bytes']} bytes"
        case "joined":
            return "several recordings are joined in the file: of parts with the same times only one is looked at"
        case "clock":
            return "its clock is set back on the way: of parts with the same times only one is looked at"
        case _:
            whole, there = damage["expected_ms"] / 1000, damage["found_ms"] / 1000
            return f"the file is cut off: its header says {whole:.1f} s, but there are only {there:.1f} s"
