"""OpenTimelineIO (https://opentimelineio.readthedocs.io): a clip for each shot, markers for scenes, speech, texts or words.

Times are frames of the video's rate, each moment rounded to the nearest; where the rate is not constant or not known, milliseconds.
The exact ``start_ms`` and ``end_ms`` are in each clip's and marker's metadata.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

import opentimelineio as otio
from opentimelineio.opentime import RationalTime, TimeRange

from exports.source import Exported, Options, Source
from kadr.craft.captions import plain

MILLISECONDS = 1000.0
CLOSE = 1e-3
"""How far a measured frame rate may be from the true one, as a share."""
COLOURS = {"scenes": "GREEN", "speech": "CYAN", "words": "BLUE", "text": "YELLOW"}


def export(source: Source, options: Options) -> Exported:
    """A timeline that names the video by its file name, beside which it is to be put."""
    timeline = otio.schema.Timeline(source.stem, metadata={"kadr": _facts(source)})
    rate = frame_rate(source.found["video"]["picture"])
    timeline.tracks.extend(_tracks(source, rate))
    for what in options.what:
        timeline.tracks.markers.extend(_markers(what, source, rate))
    note = (
        ()
        if source.found["shots"]
        else (f"otio: there are no shots to make clips of{source.why_empty('shots')}",)
    )
    return Exported.one(".otio", timeline.to_json_string(indent=1) + "\n", *note)


def frame_rate(picture: Mapping[str, Any] | None) -> float:
    """The SMPTE rate or the whole number that the measured rate is close to; MILLISECONDS where it is none of them."""
    fps = (picture or {}).get("fps") or 0.0
    known = (RationalTime.nearest_smpte_timecode_rate(fps), float(round(fps)))
    return next((rate for rate in known if fps and abs(rate - fps) <= CLOSE * fps), MILLISECONDS)


def _facts(source: Source) -> dict[str, str]:
    run, video = source.found["run"], source.found["video"]
    return {"made_by": source.maker, "run_id": run["run_id"], "video_id": video["video_id"]}


def _span(start_ms: int, end_ms: int, rate: float) -> TimeRange:
    start, end = (RationalTime(round(ms * rate / 1000), rate) for ms in (start_ms, end_ms))
    return TimeRange.range_from_start_end_time(start, end)


def _tracks(source: Source, rate: float) -> Iterator[Any]:
    """Pictures as shots, and the sound as one clip, each where the video has it; gaps where no shots were looked for."""
    video, shots = source.found["video"], source.found["shots"]
    whole = [{"start_ms": 0, "end_ms": video["duration_ms"]}]
    if video["picture"] or shots:
        yield _track(source, rate, "Video", shots or whole)
    if video["sound"]:
        yield _track(source, rate, "Audio", whole)


def _track(source: Source, rate: float, kind: str, spans: Iterable[Mapping[str, Any]]) -> Any:
    track, reached = otio.schema.Track(kind, kind=kind), 0
    media = _span(0, source.found["video"]["duration_ms"], rate)
    for i, span in enumerate(spans):
        if span["start_ms"] > reached:
            track.append(otio.schema.Gap(source_range=_span(reached, span["start_ms"], rate)))
        name = f"Shot {i + 1}" if "scene" in span else source.stem
        reference = otio.schema.ExternalReference(quote(plain(source.found["video"]["title"])), media)
        shown = _span(span["start_ms"], span["end_ms"], rate)
        track.append(otio.schema.Clip(name, reference, shown, {"kadr": _exact(span)}))
        reached = span["end_ms"]
    return track


def _exact(item: Mapping[str, Any]) -> dict[str, Any]:
    return {k: item[k] for k in ("start_ms", "end_ms", "scene", "speaker") if item.get(k) is not None}


def _markers(what: str, source: Source, rate: float) -> Iterator[Any]:
    for name, item in _named(what, source.found):
        span = _span(item["start_ms"], item["end_ms"], rate)
        yield otio.schema.Marker(plain(name), span, COLOURS[what], {"kadr": {"kind": what, **_exact(item)}})


def _named(what: str, found: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    if what == "scenes":
        return ((f"Scene {s['index'] + 1}", s) for s in found["scenes"])
    if what == "words":
        return ((w["text"], w) for s in found["transcript"] for w in s["words"])
    return ((item["text"], item) for item in found["transcript" if what == "speech" else "texts"])
