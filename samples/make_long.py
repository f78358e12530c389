"""Make a long video out of the reel, for benchmarks: its blocks over and over in a seeded, shuffled order.

Writes OUT and OUT.truth.json. A block is a stretch of the reel that starts and ends at a hard cut outside speech.
"""

import argparse
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import av
import numpy as np
from reel_kit.encode import Mp4Writer, Quality
from reel_kit.pictures import FPS
from reel_kit.sound import RATE, Sound
from reel_kit.truth import Entry, Truth

HERE = Path(__file__).resolve().parent
LISTS = ("cuts", "transcript", "texts", "faces", "objects", "sounds")
FAST = Quality(crf=26, preset="veryfast", threads=2)


def build(minutes: float, out: Path, reel: Path, truth: Truth, seed: int) -> None:
    """Write the long video and its truth; it ends with the first block that reaches the length."""
    order = shuffled_blocks(blocks_of(truth), round(minutes * 60_000), seed)
    sound = _whole_sound(reel)
    with Mp4Writer(out, FAST) as writer:
        for block in order:
            start_ms, end_ms = _ends(block)
            first = start_ms * FPS // 1000
            for number, frame in enumerate(_frames(reel, start_ms, end_ms), first):
                writer.write(frame, sound[number * RATE // FPS : (number + 1) * RATE // FPS])
    long_truth = json.dumps(truth_of(order, truth), indent=1, ensure_ascii=False)
    out.with_name(out.name + ".truth.json").write_text(long_truth + "\n", encoding="utf-8")


def blocks_of(truth: Truth) -> list[Entry]:
    """The reel's blocks, in order."""
    return cast(list[Entry], truth["blocks"])


def shuffled_blocks(blocks: list[Entry], length_ms: int, seed: int) -> list[Entry]:
    """Blocks, all of them shuffled again and again, until the length is reached; never one twice in a row."""
    shuffler = random.Random(seed)
    order: list[Entry] = []
    while sum(end - start for start, end in map(_ends, order)) < length_ms:
        hand = shuffler.sample(blocks, len(blocks))
        if order and hand[0] == order[-1]:
            hand.reverse()
        while hand and sum(end - start for start, end in map(_ends, order)) < length_ms:
            order.append(hand.pop(0))
    return order


def truth_of(order: list[Entry], truth: Truth) -> Truth:
    """The reel's truth carried over to the new places of its blocks."""
    moved: dict[str, list[Entry]] = {name: [] for name in LISTS}
    at_ms = 0
    for block in order:
        start_ms, end_ms = _ends(block)
        if at_ms:
            moved["cuts"].append({"t_ms": at_ms, "kind": "hard", "from_ms": at_ms, "to_ms": at_ms})
        for name in LISTS:
            entries = cast(list[Entry], truth[name])
            moved[name] += [_moved(e, at_ms - start_ms) for e in _inside(entries, start_ms, end_ms)]
        at_ms += end_ms - start_ms
    return {"duration_ms": at_ms, **moved}


def _inside(entries: list[Entry], start_ms: int, end_ms: int) -> Iterator[Entry]:
    for entry in entries:
        if "t_ms" in entry:
            if start_ms < int(entry["t_ms"]) < end_ms:
                yield entry
            continue
        first, last = max(start_ms, int(entry["start_ms"])), min(end_ms, int(entry["end_ms"]))
        if first < last:
            yield entry | {"start_ms": first, "end_ms": last}


def _moved(entry: Entry, by_ms: int) -> Entry:
    return {k: int(v) + by_ms if k.endswith("_ms") else v for k, v in entry.items()}


def _ends(block: Entry) -> tuple[int, int]:
    return int(block["start_ms"]), int(block["end_ms"])


def _frames(reel: Path, start_ms: int, end_ms: int) -> Iterator[av.VideoFrame]:
    with av.open(str(reel)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        container.seek(start_ms * 1000)
        for frame in container.decode(stream):
            at_ms = round((frame.time or 0.0) * 1000)
            if at_ms >= end_ms:
                return
            if at_ms >= start_ms:
                frame.pict_type = 0
                yield frame


def _whole_sound(reel: Path) -> Sound:
    with av.open(str(reel)) as container:
        parts = [frame.to_ndarray() for frame in container.decode(audio=0)]
        stream = container.streams.video[0]
        length = stream.frames * RATE // FPS
    sound = np.concatenate(parts, axis=1).T.astype(np.float32)
    padding = np.zeros((max(0, length - len(sound)), 2), np.float32)
    return np.concatenate([sound, padding])


def main() -> int:
    """Read the command line and build."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("minutes", type=float, metavar="N_MINUTES", help="how long, for example 10")
    parser.add_argument("out", type=Path, metavar="OUT", help="the video to write, for example long.mp4")
    parser.add_argument("--seed", type=int, default=1, help="another seed, another order (default 1)")
    args = parser.parse_args()
    if args.minutes <= 0:
        parser.error(f"N_MINUTES is {args.minutes}: give a length above zero")
    truth: Truth = json.loads((HERE / "truth.json").read_text(encoding="utf-8"))
    build(args.minutes, args.out, HERE / "reel.mp4", truth, args.seed)
    print(f"{args.out}: {args.out.stat().st_size / 1e6:.1f} MB, truth in {args.out}.truth.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
