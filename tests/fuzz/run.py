"""`make fuzz`: mutated files of every container through the front door, then Kadr's own formats under a coverage-guided fuzzer.

    python tests/fuzz/run.py [N] [--seed SEED] [--first FIRST] [--seconds S] [--only FORMATS] [--folder FOLDER]

A whole file must be accepted, a mutant accepted or refused with a reason; a reader of our formats may raise only what it
documents. What does otherwise is kept in FOLDER, and the exit is 1.
"""

from __future__ import annotations

import argparse
import json
import queue
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.fuzz.formats import TARGETS  # noqa: E402
from tests.fuzz.front_door import ACCEPTED, FAILURE, VERDICTS, Door, Outcome, scratch  # noqa: E402 - runs from anywhere
from tests.fuzz.mutations import Mutant, mutant  # noqa: E402
from tests.fuzz.seeds import all_made  # noqa: E402

WORKERS = 2
_COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())


@dataclass(frozen=True)
class Tried:
    """A file by its number, the seed it was made from, what was done to it, and what came of it."""

    name: str
    seed: str
    done: tuple[str, ...]
    outcome: Outcome

    @property
    def failed(self) -> bool:
        return self.outcome.verdict == FAILURE or (not self.done and self.outcome.verdict != ACCEPTED)


class Fuzzer:
    """Tries files by their numbers, each with a door that is free."""

    def __init__(self, number: int, folder: Path, doors: list[Path]) -> None:
        self._number, self._folder = number, folder
        self._seeds = all_made()
        self.whole = sorted(self._seeds)
        self._free: queue.SimpleQueue[tuple[Door, Path]] = queue.SimpleQueue()
        for place in doors:
            self._free.put((Door(place), place))

    def close(self) -> None:
        """End the workers."""
        while not self._free.empty():
            self._free.get()[0].close()

    def tried(self, which: str | int) -> Tried:
        """A seed by its name, or a mutant by its number."""
        one = (
            Mutant(which, (), self._seeds[which])
            if isinstance(which, str)
            else mutant(self._seeds, self._number, which)
        )
        door, place = self._free.get()
        try:
            path = place / "file.bin"
            path.write_bytes(one.data)
            tried = Tried(f"{self._number}-{which}", one.seed, one.done, door.enter(path))
        finally:
            self._free.put((door, place))
        if tried.failed:
            self._keep(tried, one.data)
        return tried

    def _keep(self, tried: Tried, data: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / f"{tried.name}.bin").write_bytes(data)
        words = {"seed": tried.seed, "done": tried.done, "why": tried.outcome.why}
        (self._folder / f"{tried.name}.json").write_text(json.dumps(words, indent=1))


def main() -> None:
    """Try the whole seeds, N mutants, and each of our formats for S seconds."""
    given, console = _arguments(), Console()
    well = front_door(given, console) if given.count else True
    seconds = max(1, min(30, given.count // 80)) if given.seconds is None else given.seconds
    names = given.only.split(",") if given.only else list(TARGETS)
    if seconds:
        well = formats(console, names, seconds, given.folder) and well
    sys.exit(not well)


def front_door(given: argparse.Namespace, console: Console) -> bool:
    """Whether all files were accepted or refused as they should be."""
    found: list[Tried] = []
    with tempfile.TemporaryDirectory(dir=scratch(), prefix="kadr-fuzz-") as work:
        fuzzer = Fuzzer(given.seed, given.folder, [Path(work) / str(n) for n in range(WORKERS)])
        which = [*fuzzer.whole, *range(given.first, given.first + given.count)]
        with Progress(*_COLUMNS, console=Console(stderr=True)) as bar, ThreadPoolExecutor(WORKERS) as pool:
            line = bar.add_task("front door", total=len(which))
            for tried in pool.map(fuzzer.tried, which):
                found.append(tried)
                failures = sum(t.failed for t in found)
                bar.update(line, advance=1, description=f"front door, {failures} failures")
        fuzzer.close()
    console.print(_by_container(found))
    console.print(_by_reason(found))
    _extremes(console, found)
    _failures(console, found, given.folder)
    return not any(t.failed for t in found)


def formats(console: Console, names: Sequence[str], seconds: int, folder: Path) -> bool:
    """Whether no reader raised what it does not document. Each is fuzzed for so many ``seconds``."""
    shutil.rmtree(folder / "broken", ignore_errors=True)
    table = Table(
        "format", "runs", "edges covered", "inputs kept", "ways to break it", title=f"{seconds} s each"
    )
    well = True
    with Progress(*_COLUMNS, console=Console(stderr=True)) as bar, ThreadPoolExecutor(WORKERS) as pool:
        line = bar.add_task("formats", total=len(names))
        for name, code, words in pool.map(lambda name: _guided(name, seconds, folder), names):
            bar.update(line, advance=1)
            broken = sorted((folder / "broken" / name).glob("*.txt"))
            runs = re.findall(r"stat::number_of_executed_units: (\d+)", words) or ["?"]
            edges, kept = (re.findall(r"cov: (\d+) ft: \d+ corp: (\d+)", words) or [("?", "?")])[-1]
            table.add_row(name, runs[0], edges, kept, str(len(broken)))
            for path in broken:
                console.print(path.with_suffix(""), path.read_text().splitlines()[-1], markup=False)
            if code != 0:
                console.print(f"{name} ended with code {code}: {words[-1000:]}", markup=False)
            well = well and not broken and code == 0
    console.print(table)
    return well


def _guided(name: str, seconds: int, folder: Path) -> tuple[str, int, str]:
    limits = (f"-max_total_time={seconds}", "-rss_limit_mb=3000", "-timeout=10", "-max_len=20000")
    slow = folder / "broken" / name / "slow-"
    slow.parent.mkdir(parents=True, exist_ok=True)
    options = (*limits, "-print_final_stats=1", f"-artifact_prefix={slow}")
    command = [sys.executable, str(Path(__file__).with_name("guided.py")), name, str(folder), *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False)
    return name, done.returncode, done.stdout + done.stderr


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "count", nargs="?", type=int, default=2500, metavar="N", help="how many mutants (2500)"
    )
    parser.add_argument("--seed", type=int, default=1, help="another row of mutants (1)")
    parser.add_argument("--first", type=int, default=0, help="number of the first mutant (0)")
    parser.add_argument("--seconds", type=int, help="for each of our formats (N / 80, at most 30; 0: none)")
    parser.add_argument("--only", metavar="FORMATS", help="these of our formats, comma-separated")
    parser.add_argument(
        "--folder", type=Path, default=user_cache_path("kadr") / "fuzz", help="for what failed"
    )
    return parser.parse_args()


def _by_container(found: list[Tried]) -> Table:
    table = Table("container", *VERDICTS, title=f"{len(found)} files")
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for tried in found:
        counts[tried.seed.partition("-")[0]][tried.outcome.verdict] += 1
    for muxer, count in sorted(counts.items()):
        table.add_row(muxer, *(str(count[v] or "") for v in VERDICTS))
    total = Counter(t.outcome.verdict for t in found)
    table.add_section()
    table.add_row("all", *(str(total[v]) for v in VERDICTS))
    return table


def _by_reason(found: list[Tried]) -> Table:
    table = Table("files", "task", "what was said", title="Not accepted, or in part")
    said = Counter((task.partition(".")[0], words[:100]) for t in found for task, _, words in t.outcome.said)
    for (task, words), count in said.most_common(25):
        table.add_row(str(count), task, words)
    return table


def _extremes(console: Console, found: list[Tried]) -> None:
    for name, unit in (("seconds", "s"), ("peak_mb", "MB of memory"), ("stored_mb", "MB of results")):
        most = sorted(found, key=lambda t: -getattr(t.outcome, name))[:3]
        told = ", ".join(f"{getattr(t.outcome, name):.1f} ({t.name}, {t.seed})" for t in most)
        console.print(f"most {unit}: {told}")


def _failures(console: Console, found: list[Tried], folder: Path) -> None:
    for tried in found:
        if tried.failed:
            console.print(
                f"[bold]{tried.name}[/] {tried.seed} {tried.done}: {tried.outcome.why}", highlight=False
            )
    if any(t.failed for t in found):
        console.print(f"They lie in {folder}.")


if __name__ == "__main__":
    main()
