"""Insights from a closed run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from functions.report import heard, meant, seen
from functions.report.about import (
    Asked,
    AudioStream,
    Chapter,
    ComponentUsed,
    Damage,
    ModelUsed,
    ResultUsed,
    Run,
    Video,
    VideoStream,
)
from functions.report.asked import asked
from functions.report.insights import Insights
from functions.report.items import Keyword
from functions.report.missing import missing
from functions.report.others import others
from functions.report.sources import Sources
from functions.report.summary import summary
from functions.report.values import Item
from kadr.contracts.component import Stage
from kadr.contracts.errors import InvalidProfile
from kadr.craft.sounds import chosen_audio


def build(sources: Sources) -> Insights:
    manifest = sources.run.manifest
    absent = {name: why for name in manifest["components"] if (why := sources.absent(name))}
    all_shots, all_turns = seen.shots(sources), heard.turns(sources)
    video = _video(sources)
    question = asked(manifest, video)
    found = Insights(
        status=manifest["status"],
        video=video,
        run=_run(sources),
        asked=question,
        summary=(),
        missing=missing(manifest, absent, question, video),
        language=heard.language(sources),
        scenes=seen.scenes(sources, all_shots),
        shots=all_shots,
        key_frames=seen.key_frames(sources),
        transcript=heard.transcript(sources),
        speakers=heard.speakers(all_turns),
        turns=all_turns,
        captions=tuple(c for c in heard.captions(sources) if _within(c, question)),
        captions_from=heard.captions_from(sources),
        sounds=heard.sounds(sources),
        loudness=heard.loudness(sources),
        texts=seen.texts(sources),
        objects=seen.objects(sources),
        faces=seen.faces(sources),
        tags=seen.tags(sources),
        moderation=seen.moderation(sources),
        quality=seen.quality(sources),
        passages=tuple(p for p in meant.passages(sources) if _within(p, question)),
        keywords=tuple(k for k in (_said_within(k, question) for k in meant.keywords(sources)) if k.spans),
        others=others(sources),
    )
    return found.model_copy(update={"summary": summary(found)})


def _within(item: Item, question: Asked) -> bool:
    """A file's captions are read whole, whatever part of it was asked about."""
    return item.start_ms < question.end_ms and item.end_ms > question.start_ms


def _said_within(keyword: Keyword, question: Asked) -> Keyword:
    spans = tuple(s for s in keyword.spans if s[0] < question.end_ms and s[1] > question.start_ms)
    return keyword.model_copy(update={"spans": spans})


def _video(sources: Sources) -> Video:
    probe = sources["probe"]
    return Video(
        title=sources.run.title,
        video_id=sources.run.manifest.get("video_id") or "",
        container=probe.value("container"),
        duration_ms=int(probe.value("duration_ms", 0)) or _last_ms(sources),
        size_bytes=probe.value("size_bytes"),
        picture=_picture(probe.value("video")),
        sound=_sound(probe.value("audio", []), sources.run.manifest),
        chapters=tuple(
            Chapter(
                start_ms=int(c["start_ms"]),
                end_ms=int(c["end_ms"]),
                title=str(c.get("title") or ""),
                evidence=probe.evidence(i),
            )
            for i, c in enumerate(probe.value("chapters", []))
        ),
        warnings=tuple(map(str, probe.value("warnings", []))),
        damage=tuple(Damage(**d) for d in probe.value("damage", [])),
        evidence=probe.evidence() if probe.exists else None,
    )


def _last_ms(sources: Sources) -> int:
    """The latest end that any result knows: the timeline's length when probe's facts are missing."""
    ends = (
        ("shots", "shot_end_ms"), ("speech", "word_end_ms"), ("loudness", "t_ms"), ("ocr", "track_end_ms"),
        ("objects", "track_end_ms"), ("captions", "end_ms"), ("sounds", "end_ms"),
    )  # fmt: skip
    return max((t for name, array in ends for t in sources[name].ints(array)), default=0)


def _picture(facts: Mapping[str, Any] | None) -> VideoStream | None:
    if not facts:
        return None
    return VideoStream(
        **{name: facts[name] for name in VideoStream.model_fields if facts.get(name) is not None}
    )


def _sound(streams: Sequence[Mapping[str, Any]], manifest: Mapping[str, Any]) -> tuple[AudioStream, ...]:
    known = [{name: s[name] for name in AudioStream.model_fields if name in s} for s in streams]
    heard = _heard(streams, manifest)
    return tuple(AudioStream(**facts, heard=facts["index"] == heard) for facts in known)


def _heard(streams: Sequence[Mapping[str, Any]], manifest: Mapping[str, Any]) -> int | None:
    """Index of the stream that was listened to, if any was."""
    pcm = manifest["profile"].get("components", {}).get("pcm")
    if pcm is None:
        return None
    try:
        chosen = chosen_audio({"audio": streams}, pcm.get("params", {}).get("audio_stream"))
    except InvalidProfile:
        return None
    return chosen["index"] if chosen else None


def _run(sources: Sources) -> Run:
    manifest = sources.run.manifest
    return Run(
        run_id=manifest["run_id"],
        owner=manifest["owner"],
        epoch=manifest["epoch"],
        created_ms=manifest["created_ms"],
        config_hash=manifest["config_hash"],
        kadr_version=manifest["kadr_version"],
        platform_id=manifest.get("platform_id") or "",
        components=tuple(_component(n, f, sources.results(n)) for n, f in _in_order(manifest["components"])),
    )


def _in_order(components: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, Mapping[str, Any]]]:
    """Stage after stage as the video goes through them, by name within one: canonical JSON has lost the run's order."""
    stages = [stage.value for stage in Stage]
    return sorted(components.items(), key=lambda item: (stages.index(item[1]["stage"]), item[0]))


def _component(name: str, facts: Mapping[str, Any], results: tuple[ResultUsed, ...]) -> ComponentUsed:
    plain = ("stage", "version", "state", "tasks", "computed", "cached", "seconds", "device")
    known = {field: facts[field] for field in plain if facts.get(field) is not None}
    models = tuple(
        ModelUsed(**{f: str(m[f]) for f in ModelUsed.model_fields if m.get(f) is not None})
        for m in facts.get("models") or ()
    )
    return ComponentUsed(name=name, models=models, results=results, **known)
