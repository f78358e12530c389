"""Closed runs made up for tests: whole, partial, silent, hostile, empty, long; with a manifest to go with each."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kadr.contracts.artifact import Artifact
from kadr.contracts.manifest import ComponentSummary, Manifest, ModelUse, RecordEntry
from kadr.contracts.run import Graph, Record, RecordResult, Request, RunStatus
from tests.unit.functions.report_artifacts import (
    Picture,
    captions,
    everything,
    f32,
    i32,
    i64,
    loudness,
    objects,
    ocr,
    painted,
    passages,
    probe,
    shots,
    spans,
    speakers,
    speech,
    tags,
)

HOSTILE = '</script><img src=x onerror="window.hacked=1">&amp;\u2028<!-- {{data}} -->'
STAGES = {
    "probe": "segmenter", "decode": "segmenter", "pcm": "segmenter", "captions": "segmenter", "shots": "segmenter",
    "loudness": "audio", "voice": "audio", "speech": "audio", "speakers": "audio", "sounds": "audio",
    "objects": "visual", "faces": "visual", "tags": "visual", "moderation": "visual", "quality": "visual",
    "ocr": "text", "passages": "text",
}  # fmt: skip
MODELS = {
    "voice": "silero_vad_16k", "speech": "whisper_base", "speakers": "resemblyzer", "sounds": "speech_music_noise",
    "objects": "nanodet", "faces": "blazeface", "tags": "efficientnet_lite0", "moderation": "nsfw_mobilenet_v2",
    "ocr": "ppocr_v6_small_det", "passages": "minilm_l6_v2",
}  # fmt: skip


@dataclass
class MemoryRun:
    """A RunView over artifacts in memory."""

    manifest: Mapping[str, Any]
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    title: str = "harbour.mp4"
    video_href: str = "harbour.mp4"

    def artifact(self, component: str) -> Artifact | None:
        return self.artifacts.get(component)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def summarised(component: str, **changes: Any) -> ComponentSummary:
    name = MODELS.get(component)
    use = ModelUse(
        name=name or "", version=1, signature=digest(f"{name}"), engine="onnx", precision="float32"
    )
    plain = {
        "stage": STAGES.get(component, "visual"),
        "version": 1,
        "state": "succeeded",
        "tasks": 2,
        "computed": 1,
        "cached": 1,
    }
    facts = {
        **plain,
        "seconds": 1.5 + len(component) / 3,
        "models": (use,) if name else (),
        "device": "cpu",
        **changes,
    }
    return ComponentSummary.model_validate(facts)


def manifest(components: Mapping[str, ComponentSummary], status: str = "complete") -> dict[str, Any]:
    """The view of a manifest that has a record for every component which made something."""
    made = [n for n, s in components.items() if s.state in ("succeeded", "partial", "absent")]
    entries = [RecordEntry(name=f"1/{n}.ok.json", record=_record(n, components[n])) for n in sorted(made)]
    graph = Graph(catalogue=digest("catalogue"), nodes=(), required=("probe",))
    request = Request(
        run_id="0b0f6d1e-5a4c-4f0e-9a53-6f3a9d6f2c11", owner="local", video_id=digest("video"), source="harbour.mp4",
        source_name="harbour.mp4", config_hash=digest("config"), sampling_policy_version="1",
        dataprocessor_version="1", platform_id="linux-x86_64-cpu", profile={}, profile_name="standard", models={},
        graph=graph, created_ms=1_760_000_000_000,
    )  # fmt: skip
    whole = Manifest(
        kadr_version="0.1.0", request=request, graph=graph, epoch=1, status=RunStatus(status),
        components=dict(components), records=tuple(entries),
    )  # fmt: skip
    return whole.view()


def _record(name: str, summary: ComponentSummary) -> Record:
    absent = summary.reason if summary.state == "absent" else None
    result = RecordResult(name=name, key=digest("key" + name), digest=digest("result" + name), absent=absent)
    return Record(task=name, key=result.key, results=(result,))


def complete(duration_ms: int = 92_000, picture: Picture = painted) -> MemoryRun:
    artifacts = everything(duration_ms, picture)
    return MemoryRun(manifest({n: summarised(n) for n in STAGES}), artifacts)


def partial(duration_ms: int = 92_000, picture: Picture = painted) -> MemoryRun:
    """OCR failed and moderation with it had a gap; speakers failed; passages waits for what is lost."""
    run = complete(duration_ms, picture)
    gaps = ((duration_ms // 4, duration_ms // 2),)
    died = {"code": "WorkerDied", "message": "The process that ran the component ended before it was done."}
    lost = {"code": "ModelUnavailable", "message": "resemblyzer.onnx is not on this machine."}
    changed = {
        "objects": summarised("objects", state="partial", gaps=gaps, error=died),
        "speakers": summarised("speakers", state="failed", error=lost, seconds=0.0, computed=0, cached=0),
        "ocr": summarised("ocr", state="failed", error=died),
        "passages": summarised(
            "passages", state="blocked", reason="It reads ocr, which failed.", computed=0, cached=0
        ),
    }
    for name in ("speakers", "ocr", "passages"):
        del run.artifacts[name]
    run.manifest = manifest({n: changed.get(n) or summarised(n) for n in STAGES}, "partial")
    return run


SOUND = ("pcm", "loudness", "voice", "speech", "speakers", "sounds")
SIGHT = ("decode", "shots", "objects", "faces", "tags", "moderation", "quality", "ocr")


def without(components: Sequence[str], reason: str, duration_ms: int = 92_000) -> MemoryRun:
    run = complete(duration_ms)
    run.artifacts |= {n: Artifact({}, {"absent": reason}) for n in components}
    run.artifacts["probe"] = probe(duration_ms, video=reason != "no_video", audio=reason != "no_audio")
    if reason == "no_audio":
        run.artifacts["passages"] = Artifact({}, {"texts": [], "keywords": []})
    changed = {n: summarised(n, state="absent", reason=reason) for n in components}
    run.manifest = manifest({n: changed.get(n) or summarised(n) for n in STAGES})
    return run


def silent() -> MemoryRun:
    return without(SOUND, "no_audio")


def sightless() -> MemoryRun:
    return without(SIGHT, "no_video")


def unreadable(message: str) -> MemoryRun:
    """The file was no video, so that all waits for what probe could not do."""
    error = {"code": "VideoUnreadable", "message": message}
    waiting = {n: summarised(n, state="blocked", reason="needs probe, which failed") for n in STAGES}
    failed = summarised("probe", state="failed", error=error)
    return MemoryRun(manifest({**waiting, "probe": failed}, "failed"), {}, "diary.mp4")


def cut_off(duration_ms: int = 30_000) -> MemoryRun:
    """The header promised more than there is."""
    warning = f"the file is cut off: its header says 92.0 s, but there are only {duration_ms / 1000:.1f} s"
    return _damaged(warning, {"kind": "cut_off", "expected_ms": 92_000, "found_ms": duration_ms}, duration_ms)


def joined() -> MemoryRun:
    """Only the first of several recordings was read."""
    warning = "several recordings are joined in the file, and only the first is read"
    return _damaged(warning, {"kind": "joined", "unread_bytes": 5_000_000})


def _damaged(warning: str, damage: Mapping[str, Any], duration_ms: int = 92_000) -> MemoryRun:
    run = complete(duration_ms)
    payload = {**run.artifacts["probe"].payload, "warnings": [warning], "damage": [damage]}
    run.artifacts["probe"] = Artifact({}, payload)
    facts = {n: summarised(n, warnings=(warning,) if n == "probe" else ()) for n in STAGES}
    run.manifest = manifest(facts)
    return run


def part(from_ms: int = 20_000, to_ms: int = 50_000) -> MemoryRun:
    """Only speech and shots of some seconds out of 92."""
    run = complete()
    names = ("probe", "decode", "pcm", "voice", "speech", "shots", "captions")
    asked = {"components": {"probe": {"params": {"from_ms": from_ms, "to_ms": to_ms}}}}
    run.manifest = manifest({n: summarised(n) for n in names}) | {
        "profile": asked,
        "profile_name": "standard (part)",
    }
    lines = captions([(0, 5_000, "too early"), (30_000, 31_000, "in time"), (60_000, 61_000, "too late")])
    made = {"probe": probe(92_000), "speech": shifted(speech(to_ms - from_ms), from_ms), "captions": lines}
    run.artifacts = made | {"shots": shifted(shots(to_ms - from_ms), from_ms)}
    return run


def shifted(artifact: Artifact, by_ms: int) -> Artifact:
    moved = {n: a + by_ms if n.endswith("_ms") else a for n, a in artifact.arrays.items()}
    return Artifact(moved, artifact.payload)


def added(lost: bool = False) -> MemoryRun:
    """A run with components of somebody's own; with ``lost`` one of them failed."""
    run = complete()
    flashes = {
        **spans("span_", [(10_000, 12_000), (40_000, 41_000), (70_000, 70_500)]),
        "span_label": i32([0, 1, 0]), "span_strength": f32([0.25, 0.5, 0.75]),
        "embedding": np.zeros((3, 8), np.float16),
    }  # fmt: skip
    facts = {"labels": ["café light", "strobe"], "threshold": 0.25, "colours": ["red", "white"]}
    chapters = [{"start_ms": 30_000, "end_ms": 60_000, "title": "Middle part", "mood": "tense"}]
    t_ms = i64(range(0, 92_000, 1000))
    run.artifacts |= {
        "flashes": Artifact(flashes, {**facts, "chapters": chapters}),
        "brightness": Artifact({"t_ms": t_ms, "brightness": f32(t % 7000 / 100 for t in t_ms.tolist())}),
    }
    if lost:
        del run.artifacts["flashes"]
    error = {"code": "ZeroDivisionError", "message": "division by zero"}
    state = {"state": "failed", "error": error} if lost else {}
    own = {"flashes": summarised("flashes", **state), "brightness": summarised("brightness")}
    run.manifest = manifest({n: summarised(n) for n in STAGES} | own, "partial" if lost else "complete")
    return run


def empty() -> MemoryRun:
    """A cancelled run that made nothing at all."""
    cancelled = manifest({n: summarised(n, state="absent") for n in STAGES}, "cancelled")
    return MemoryRun({**cancelled, "records": []}, {}, "", "")


def hostile() -> MemoryRun:
    """Every text that comes from the video tries to be markup."""
    run = complete(30_000)
    spoken = speech(30_000, [HOSTILE, "x" * 300, "a --> b"])
    run.artifacts |= {
        "speech": spoken, "speakers": speakers(spoken, [HOSTILE, "S2"]), "ocr": ocr(30_000, [HOSTILE]),
        "objects": objects(30_000, [HOSTILE]), "tags": tags(30_000, [HOSTILE] * 6), "passages": passages(spoken, [HOSTILE]),
        "captions": captions([(0, 1000, HOSTILE)]),
    }  # fmt: skip
    run.title = f"{HOSTILE}.mp4"
    failed = summarised("faces", state="failed", error={"code": HOSTILE, "message": HOSTILE})
    run.manifest = manifest({n: failed if n == "faces" else summarised(n) for n in STAGES}, "partial")
    del run.artifacts["faces"]
    return run


def long() -> MemoryRun:
    """Three hours."""
    hours = 3 * 3600 * 1000
    run = complete(1000)
    run.artifacts = {
        **everything(60_000), "probe": probe(hours), "shots": shots(hours, shot_ms=6100), "loudness": loudness(hours),
        "objects": objects(hours), "ocr": ocr(hours), "tags": tags(hours),
    }  # fmt: skip
    spoken = speech(hours)
    run.artifacts |= {
        "speech": spoken,
        "speakers": speakers(spoken, ["S1", "S2", "S3"]),
        "passages": passages(spoken),
    }
    return run
