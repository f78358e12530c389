"""1,000 runs of ten owners at once, one of whom has half of them: how fast they go, how fair it is, and that none is lost."""

from __future__ import annotations

import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.load_service import Line, LoadedService, Video, progress, service

SECONDS = 1.0
BIG = "big"
SMALL = [f"small{n}" for n in range(9)]
FIRST = "probe"
"""The first function whose line everybody stands in: what came before it, acquire, only copies."""
WINDOWS = 5
PATIENCE_S = 530


@dataclass(frozen=True)
class Served:
    """One task that was done: when, since the first video came, and whose it was."""

    at: float
    owner: str
    run_id: str


def load(runs: int) -> list[Video]:
    """Half of them are the big owner's, and stand before all others."""
    big = runs // 2
    owners = [BIG] * big + [SMALL[n % len(SMALL)] for n in range(runs - big)]
    return [Video(owner, f"{n:05d}.mp4", SECONDS) for n, owner in enumerate(owners)]


def jain(shares: Sequence[float]) -> float:
    """1 where all have the same, 1/n where one has all (R. Jain, D. Chiu, W. Hawe, DEC-TR-301, 1984)."""
    squares = sum(share**2 for share in shares)
    return sum(shares) ** 2 / (len(shares) * squares) if squares else 0.0


def windows(served: Sequence[Served], owners: Sequence[str], count: int = WINDOWS) -> list[float]:
    """Jain's index of each window, equal in tasks, while all owners have work: until the first of them has its last task done."""
    last = {one.owner: n for n, one in enumerate(served)}
    together = served[: min(last[owner] for owner in owners) + 1]
    size = max(1, len(together) // count)
    found = []
    for start in range(0, size * count, size):
        tally = Counter(one.owner for one in together[start : start + size])
        found.append(jain([tally[owner] for owner in owners]))
    return found


def waits(served: Sequence[Served], told: Sequence[Video]) -> dict[str, tuple[float, float]]:
    """By big and small: median seconds until a task was done, and what it were if they went in the order in which they came.

    The machine does one task after the other either way, and they cost the same: the n-th that came would be the n-th that is done.
    """
    in_order = sorted(one.at for one in served)
    fifo: dict[str, list[float]] = {}
    for video, at in zip(told, in_order, strict=False):
        fifo.setdefault(_kind(video.owner), []).append(at)
    fair: dict[str, list[float]] = {}
    for one in served:
        fair.setdefault(_kind(one.owner), []).append(one.at)
    return {kind: (statistics.median(fair[kind]), statistics.median(fifo[kind])) for kind in fair}


def _kind(owner: str) -> str:
    return BIG if owner == BIG else "small"


def run(count: int) -> None:
    videos = load(count)
    with service() as up:
        idle = up.memory_mb()
        began = time.time()
        sent_s = up.drop(videos)
        most = ended(up, count)
        lines = up.lines("control", "web")
        print(report(lines, videos, began, sent_s))
        print("\n| MB (PSS) | before | at most |\n|---|---:|---:|")
        for kind in sorted(most):
            print(f"| {kind} | {idle.get(kind, 0):.0f} | {most[kind]:.0f} |")


def ended(up: LoadedService, count: int) -> dict[str, float]:
    """Waits until all runs have ended; the most memory that each kind of process had meanwhile."""
    most: Counter[str] = Counter()
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        done = sum(line.message.startswith("the run has ended") for line in up.lines("control"))
        progress(f"{done} of {count} runs have ended")
        most |= Counter({k: int(v) for k, v in up.memory_mb().items()})
        if done >= count:
            break
        time.sleep(10)
    return dict(most)


def report(lines: Sequence[Line], videos: Sequence[Video], began: float, sent_s: float) -> str:
    tasks = [line for line in lines if line.logger == "kadr.pump" and line["outcome"] == "done"]
    finished = {line["run_id"]: line for line in lines if line.message.startswith("the run has ended")}
    complete = sum(line.message.endswith("complete") for line in finished.values())
    seconds = max(line.at for line in finished.values()) - began
    served = [
        Served(line.at - began, line["owner"], line["run_id"]) for line in tasks if line["function"] == FIRST
    ]
    owners = [BIG, *SMALL]
    indexes = windows(served, owners)
    rows = [
        ("sent in", f"{sent_s:.1f} s"),
        ("runs complete", f"{complete} of {len(videos)}"),
        ("runs a second", f"{len(finished) / seconds:.2f}"),
        ("tasks a second", f"{len(tasks) / seconds:.1f}"),
        ("retried", str(_count(lines, "retried"))),
        ("Jain's index while all have work", " ".join(f"{index:.3f}" for index in indexes)),
    ]
    for name, logger, task in (("admitted", "kadr.admission", ""), ("put in line", "kadr.router", "acquire")):
        at = [x.at - began for x in lines if x.logger == logger and x["task"] == task]
        rows.append((f"the last was {name} after", f"{max(at):.1f} s"))
    for kind, (fair, fifo) in waits(served, videos).items():
        rows.append((f"{FIRST} of {kind}: median wait", f"{fair:.1f} s; in order of arrival {fifo:.1f} s"))
    return "\n".join(["| what | |", "|---|---:|", *(f"| {name} | {value} |" for name, value in rows)])


def _count(lines: Sequence[Line], outcome: str) -> int:
    return sum(line.logger == "kadr.pump" and line["outcome"] == outcome for line in lines)
