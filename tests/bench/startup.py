"""How long a person waits for nothing: `kadr --help` and its like, beside Python itself.

    python tests/bench/startup.py [--times 7]

Prints the median of some starts each, with caches warm, in Markdown.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
KADR = ("-m", "cli.main")
COMMANDS = {
    "`python -c pass`": ("-c", "pass"),
    "`kadr --help`": (*KADR, "--help"),
    "`kadr analyze --help`": (*KADR, "analyze", "--help"),
    "`kadr show --all`, empty store": (*KADR, "show", "--all"),
    "`kadr models list`": (*KADR, "models", "list"),
}


def main() -> None:
    """Start each command some times and print the medians."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--times", type=int, default=7)
    times = parser.parse_args().times
    print("| command | median s | slowest s |")
    print("|---|---:|---:|")
    with tempfile.TemporaryDirectory() as home:
        for name, command in COMMANDS.items():
            taken = [started(command, Path(home)) for _ in range(times + 1)][1:]  # the first fills the caches
            print(f"| {name} | {statistics.median(taken):.2f} | {max(taken):.2f} |")


def started(command: tuple[str, ...], home: Path) -> float:
    """Seconds from start to end of one process."""
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, *command],
        env={**os.environ, "KADR_HOME": str(home)},
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
