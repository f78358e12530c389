"""The chunk plan: slices of the timeline that begin at key frames, so that each can be decoded alone."""

from __future__ import annotations

from collections.abc import Sequence

from kadr.contracts.errors import InvalidProfile

OVERLAP_MS = 2500
MAX_CHUNKS = 64
_TARGET_MS = 60_000


def plan_chunks(
    key_ms: Sequence[int],
    duration_ms: int,
    from_ms: int | None = None,
    to_ms: int | None = None,
    chunk_ms: int | None = None,
) -> list[tuple[int, int]]:
    """[start_ms, end_ms) of each chunk; together they cover [from_ms, to_ms) of the timeline without gaps.

    A chunk ends at the first key frame after ``chunk_ms`` (60 s, or 1/64 of the video if that is more); a rest of less
    than a third of that belongs to the last chunk. Raises InvalidProfile when [from_ms, to_ms) lies outside the video.
    """
    start, end = _limits(duration_ms, from_ms, to_ms)
    span = end - start
    target = max(chunk_ms or _TARGET_MS, -(-span // MAX_CHUNKS))
    cuts = [start]
    for key in key_ms:
        if key - cuts[-1] >= target and end - key >= target / 3 and len(cuts) < MAX_CHUNKS:
            cuts.append(key)
    return list(zip(cuts, [*cuts[1:], end], strict=True)) if span else []


def _limits(duration_ms: int, from_ms: int | None, to_ms: int | None) -> tuple[int, int]:
    start, end = from_ms or 0, min(duration_ms if to_ms is None else to_ms, duration_ms)
    if from_ms is not None and from_ms >= duration_ms > 0:
        raise InvalidProfile(
            f"the part asked for begins at {from_ms / 1000:g} s, but the video is only {duration_ms / 1000:g} s long: "
            "choose an earlier --from"
        )
    if to_ms is not None and to_ms <= start:
        raise InvalidProfile(f"to_ms is {to_ms}: it must be above from_ms, which is {start}")
    return min(start, end), end
