"""Closed runs made up for tests: whole, partial, silent, hostile, empty, long; with a manifest to go with each."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kadr.contracts.artifact import Artifact
from kadr.contracts.manifest import ComponentSummary, Manifest, ModelUse, RecordEntry
from kadr.contracts.run import Graph, Record, RecordResult, Request, RunStatus
from tests.unit.functions.report_artifacts import (
    Picture,
    captions,
    everything,
    loudness,
    objects,
    ocr,
    painted,
    passages,
    probe,
    shots,
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
        "stage": STAGES[component],
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
