"""Tasks published, run and acknowledged: Kadr's queue against RQ, Celery and taskiq on the same server, one process each.

    python tests/bench/queues.py [--count 5000] [--times 5]

Each peer gets an environment of its own, made once below --folder. First everything is published, then one worker does it; the body
does nothing. The figure is tasks in the time of both together. In each round every contender has its turn, so that what else the
machine does meets all. Prints a table in Markdown, medians and the range of the ratios.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import redis

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from cli.servers.valkey import Valkey  # noqa: E402 - the script runs from anywhere

PEERS = ROOT / "tests/bench/peer"
PINS = {
    "rq": ["rq==3.0.0", "redis==8.1.0"],
    "celery": ["celery[redis]==5.7.0", "redis==8.1.0"],
    "taskiq": ["taskiq==0.13.0", "taskiq-redis==1.2.4", "redis==8.1.0"],
}
PATIENCE_S = 300


@dataclass(frozen=True)
class Contender:
    name: str
    peer: str
    arguments: tuple[str, str]
    """What its script is told to publish and to work with."""
    share: float = 1.0
    """How much of the count it gets: a slow one is measured on fewer."""


CONTENDERS = [
    Contender("Kadr, in batches", "kadr", ("200", "200")),
    Contender("Kadr, one by one", "kadr", ("1", "1")),
    Contender("RQ, in process", "rq", ("-", "simple"), 0.4),
    Contender("RQ, a fork a job (its default)", "rq", ("-", "fork"), 0.04),
    Contender("Celery, solo pool", "celery", ("-", "-")),
    Contender("taskiq, stream", "taskiq", ("-", "-")),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "kadr-queues")
    asked = parser.parse_args()
    rates: dict[str, list[tuple[float, float, float]]] = {each.name: [] for each in CONTENDERS}
    with Valkey(asked.folder / "valkey") as valkey:
        for _ in range(asked.times):
            for each in CONTENDERS:
                rates[each.name].append(measured(each, valkey, asked.folder, asked.count))
    print(table(rates))


def measured(each: Contender, valkey: Valkey, folder: Path, count: int) -> tuple[float, float, float]:
    """Tasks a second: published, done, and both together."""
    with redis.Redis(host="127.0.0.1", port=valkey.port) as client:
        client.flushall()
    out, tasks = folder / "out.json", max(1, int(count * each.share))
    script = [str(environment(each.peer, folder)), str(PEERS / f"queue_{each.peer}.py")]
    paths = f"{PEERS}{os.pathsep}{ROOT}"
    env = {
        **os.environ,
        "BENCH_URL": valkey.url,
        "BENCH_COUNT": str(tasks),
        "BENCH_OUT": str(out),
        "PYTHONPATH": paths,
    }
    publish_s = told([*script, "publish", each.arguments[0]], env, out)
    work_s = told([*script, "work", each.arguments[1]], env, out)
    return tasks / publish_s, tasks / work_s, tasks / (publish_s + work_s)


def told(command: list[str], env: dict[str, str], out: Path) -> float:
    """The seconds that the script wrote down; it is ended then."""
    out.unlink(missing_ok=True)
    with subprocess.Popen(command, env=env) as script:
        deadline = time.monotonic() + PATIENCE_S
        while not out.exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        script.terminate()
    return float(json.loads(out.read_text()))


def environment(peer: str, folder: Path) -> Path:
    """The Python that has the peer, and nothing of ours."""
    if peer not in PINS:
        return Path(sys.executable)
    python = folder / peer / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder / peer)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PINS[peer]], check=True)
    return python


def table(rates: dict[str, list[tuple[float, float, float]]]) -> str:
    ours = [both for _, _, both in rates[CONTENDERS[0].name]]
    lines = ["| queue | published/s | done/s | both/s | Kadr is faster by |", "|---|---:|---:|---:|---:|"]
    for name, rounds in rates.items():
        published, done, both = (statistics.median(column) for column in zip(*rounds, strict=True))
        ratios = [mine / theirs[2] for mine, theirs in zip(ours, rounds, strict=True)]
        spread = f"{statistics.median(ratios):.1f}× ({min(ratios):.1f}–{max(ratios):.1f})"
        lines.append(f"| {name} | {published:.0f} | {done:.0f} | {both:.0f} | {spread} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
