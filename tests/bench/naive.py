"""Kadr against the script that one would write without it: same models, same parameters, same video, one run.

    python tests/bench/naive.py [VIDEO] [--profile standard]

The script takes one component after the other, in one process, with all cores for each model. For every component that looks at
pictures it opens the video again with OpenCV, decodes all of it and samples what the component asks for; nothing is stored. *Bare*
is what cannot be saved: each model's time on frames that are in memory already, and one decoding. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import inspect
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from cli.compose import Machine  # noqa: E402 - the script runs from anywhere
from kadr.contracts.artifact import Artifact  # noqa: E402
from kadr.contracts.component import Audio, Component, Frames, Part, Source  # noqa: E402
from kadr.contracts.media import ChunkSpan, FrameBatch, FrameStream  # noqa: E402
from kadr.contracts.run import Node  # noqa: E402
from kadr.media.audio import PcmStream  # noqa: E402
from kadr.media.source import FileSource  # noqa: E402
from kadr.pipeline import catalogue  # noqa: E402
from kadr.pipeline.merging import concatenate  # noqa: E402
from kadr.pipeline.profiles import load_profile  # noqa: E402
from kadr.settings import Settings  # noqa: E402

BATCH = 8


class Pictures:
    """A video's frames at a rate and size, decoded anew by OpenCV on each iteration. Sampled as Kadr's grid is."""

    def __init__(self, path: Path, pack: Mapping[str, Any]) -> None:
        self._path = path
        opened = cv2.VideoCapture(str(path))
        self.source_width = int(opened.get(cv2.CAP_PROP_FRAME_WIDTH))
        self.source_height = int(opened.get(cv2.CAP_PROP_FRAME_HEIGHT))
        self._fps = opened.get(cv2.CAP_PROP_FPS)
        self._frames = int(opened.get(cv2.CAP_PROP_FRAME_COUNT))
        self.step_ms = round(1000 / pack["fps"]) if pack["fps"] else 0
        scale = min(1.0, (pack["long_side"] or 10**6) / max(self.source_width, self.source_height))
        size: tuple[int, int] = pack["size"] or (
            round(self.source_width * scale),
            round(self.source_height * scale),
        )
        self.width, self.height = size
        self.seconds = 0.0
        """Spent here and not in the component."""

    def __len__(self) -> int:
        length_ms = self._frames / self._fps * 1000
        return int(np.ceil(length_ms / self.step_ms)) if self.step_ms else self._frames

    def __iter__(self) -> Iterator[FrameBatch]:
        times: list[int] = []
        images: list[np.ndarray] = []
        for t_ms, image in self._sampled():
            times.append(t_ms)
            images.append(image)
            if len(times) == BATCH:
                yield _batch(times, images)
                times, images = [], []
        if times:
            yield _batch(times, images)

    def _sampled(self) -> Iterator[tuple[int, np.ndarray]]:
        began = time.perf_counter()
        opened, at, following = cv2.VideoCapture(str(self._path)), 0, 0
        while opened.grab():
            t_ms = round(at * 1000 / self._fps)
            at += 1
            if self.step_ms and t_ms < following:
                continue
            image = cv2.cvtColor(opened.retrieve()[1], cv2.COLOR_BGR2RGB)
            image = cv2.resize(image, (self.width, self.height), interpolation=cv2.INTER_AREA)
            following += self.step_ms
            self.seconds += time.perf_counter() - began
            yield (following - self.step_ms if self.step_ms else t_ms), image
            began = time.perf_counter()
        self.seconds += time.perf_counter() - began

    def encoded(self) -> Iterator[tuple[int, bytes]]:
        for t_ms, image in self._sampled():
            yield t_ms, cv2.imencode(".jpg", image[:, :, ::-1])[1].tobytes()


def _batch(times: list[int], images: list[np.ndarray]) -> FrameBatch:
    return FrameBatch(np.array(times, np.int64), np.stack(images), np.zeros(len(times), bool))


@dataclass
class Script:
    """Runs the nodes of a graph one after the other and keeps everything in memory."""

    path: Path
    machine: Machine
    threads: int
    made: dict[str, Artifact] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    decoding: dict[str, float] = field(default_factory=dict)

    def run(self, node: Node) -> None:
        component = catalogue.component(node.component)
        began = time.perf_counter()
        pictures: list[Pictures] = []
        inputs = [self._input(node, i, pictures) for i in range(len(node.edges))]
        whole = ChunkSpan(0, self.length_ms) if node.plan else None
        models = {**node.models, **(node.merge.models if node.merge else {})}
        extra: dict[str, Any] = {
            "params": component.params(**{**component.neutral, **node.params}),
            "chunk": whole,
            "wanted": tuple(o.name for o in node.outputs),
            "models": self.machine.registry.models(models, self.threads) if models else {},
        }
        made = component.function(*inputs, **_accepted(component.function, extra))
        self._keep(component, node, made, extra)
        self.seconds[node.component] = time.perf_counter() - began
        self.decoding[node.component] = sum(p.seconds for p in pictures)

    @property
    def length_ms(self) -> int:
        return int(self.made["probe.probe"].payload["duration_ms"])

    def _input(self, node: Node, at: int, pictures: list[Pictures]) -> Any:
        edge, read = node.edges[at], catalogue.component(node.component).reads[at]
        if isinstance(read, Source):
            return FileSource(self.path)
        if isinstance(read, Frames):
            pictures.append(Pictures(self.path, self.packs[edge.output or ""]))
            stream: FrameStream = pictures[-1]
            return stream
        found = self.made.get(f"{edge.component}.{edge.output or edge.component}")
        if isinstance(read, Audio) and found is not None:
            return PcmStream(found)
        return found

    packs: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def _keep(self, component: Component, node: Node, made: Any, extra: dict[str, Any]) -> None:
        if isinstance(made, Artifact) and node.merge is not None:
            part = [Part(ChunkSpan(0, self.length_ms), made)]
            params = component.params(**{**component.neutral, **node.merge.params})
            if component.merge is None:
                made = concatenate(component.makes, part)  # type: ignore[arg-type]
            else:
                made = component.merge(part, **_accepted(component.merge, {**extra, "params": params}))
        named = {node.component: made} if isinstance(made, Artifact) else made
        self.made.update({f"{node.component}.{name}": a for name, a in named.items()})


def _accepted(function: Any, extra: Mapping[str, Any]) -> dict[str, Any]:
    accepted = inspect.signature(function).parameters
    return {k: v for k, v in extra.items() if k in accepted}


def scripted(path: Path, profile: str) -> Script:
    """Run the script over ``path``; its times are in ``seconds`` and ``decoding``."""
    machine = Machine()
    graph = machine.question(load_profile(profile)).graph
    packs = {p["name"]: p for n in graph.nodes if n.component == "decode" for p in n.params["packs"]}
    script = Script(path, machine, os.cpu_count() or 1, packs=packs)
    for node in graph.nodes:
        if node.component != "decode":
            script.run(node)
    return script


def by_kadr(path: Path, profile: str) -> float:
    """Wall seconds of `kadr analyze` with an empty store, report included."""
    with tempfile.TemporaryDirectory() as folder:
        own = {"KADR_HOME": str(Path(folder) / "home"), "KADR_WEIGHTS": str(Settings.read().weights)}
        command = [sys.executable, "-m", "cli.main", "analyze", str(path), "--profile", profile]
        began = time.perf_counter()
        subprocess.run(
            [*command, "--out", str(Path(folder) / "out"), "--json"],
            cwd=ROOT, env={**os.environ, **own}, check=True, stdout=subprocess.PIPE,
        )  # fmt: skip
        return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("video", nargs="?", type=Path, default=ROOT / "samples/reel.mp4")
    parser.add_argument("--profile", default="standard")
    parser.add_argument("--only-script", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.only_script:  # in a process of its own, as a user's script would be
        began = time.perf_counter()
        script = scripted(asked.video, asked.profile)
        wall = time.perf_counter() - began
        print(json.dumps({"wall": wall, "seconds": script.seconds, "decoding": script.decoding}))
        return
    command = [sys.executable, __file__, str(asked.video), "--profile", asked.profile, "--only-script"]
    began = time.perf_counter()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    wall, script = time.perf_counter() - began, json.loads(done.stdout.splitlines()[-1])
    ours = by_kadr(asked.video, asked.profile)
    decodings = [s for s in script["decoding"].values() if s > 0]
    bare = sum(script["seconds"].values()) - sum(decodings) + max(decodings, default=0.0)
    print("| what | seconds | Kadr's time is |\n|---|---:|---:|")
    print(f"| `kadr analyze --profile {asked.profile}`, empty store, report included | {ours:.1f} | 1 |")
    print(f"| the script ({len(decodings)} decodings) | {wall:.1f} | {ours / wall:.2f} of it |")
    print(f"| bare: models, and one decoding | {bare:.1f} | {ours / bare:.2f} of it |")
    print("\n| component | seconds | of it decoding |\n|---|---:|---:|")
    for name, seconds in sorted(script["seconds"].items(), key=lambda item: -item[1]):
        print(f"| {name} | {seconds:.1f} | {script['decoding'][name]:.1f} |")


if __name__ == "__main__":
    main()
