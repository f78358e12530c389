"""Which of a file's sounds is heard."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kadr.contracts.errors import InvalidProfile


def chosen_audio(probe: Mapping[str, Any], index: int | None) -> Mapping[str, Any] | None:
    """The audio stream to hear: ``index`` as probe lists it, or the default one; None when there is no audio.

    Raises InvalidProfile for an index that the video does not have.
    """
    streams = probe["audio"]
    if index is None:
        return max(streams, key=lambda s: (s["default"], -s["index"]), default=None)
    found = [s for s in streams if s["index"] == index]
    if not found:
        known = ", ".join(map(_described, streams)) or "none of its streams"
        raise InvalidProfile(
            f"there is no sound in stream {index} of the file, but in {known} "
            "(streams are counted from 0, pictures and captions too)"
        )
    return found[0]  # type: ignore[no-any-return]


def _described(stream: Mapping[str, Any]) -> str:
    """``1 (eng, 2 channels)``: by these people tell sounds apart."""
    channels = f"{stream['channels']} channel{'s' if stream['channels'] != 1 else ''}"
    return f"{stream['index']} ({', '.join(filter(None, (stream.get('language'), channels)))})"
