"""Accuracy on truth that others made: one table, kept as JSON and Markdown.

    python tests/bench/accuracy.py [--only der,wer] [--again] [--folder FOLDER]

Runs `kadr analyze` as it is installed here over recordings and pictures from pinned packages and over films that are made
of them, and scores what it says. A measure whose code has not changed since it was last taken is not taken again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from tests.bench.accuracy_table import briefly, markdown  # noqa: E402 - the script runs from anywhere
from tests.bench.truth import clear, cuts, letters, sounds, speakers, things, words  # noqa: E402
from tests.bench.truth.kadr_runs import Runs  # noqa: E402
from tests.bench.truth.line import Line  # noqa: E402
from tests.bench.truth.packages import DataMissing, unpacked  # noqa: E402


@dataclass(frozen=True)
class Measure:
    """A name for ``--only``, the packages that it needs, and what takes it: (their folders, Kadr, the folder)."""

    name: str
    packages: Sequence[str]
    take: Callable[[dict[str, Path], Runs, Path], list[Line]]


MEASURES = (
    Measure("der", speakers.PACKAGES, speakers.diarisation),
    Measure("vad", speakers.PACKAGES, speakers.voice_activity),
    Measure("wer", words.PACKAGES, words.wer),
    Measure("language", words.PROMPT_PACKAGES, words.languages),
    Measure("shots", cuts.PACKAGES, cuts.shots),
    Measure("ocr", letters.PACKAGES, letters.ocr),
    Measure("sounds", sounds.PACKAGES, sounds.sounds),
    Measure("detection", things.PACKAGES, things.detection),
    Measure("tracking", things.PACKAGES, things.tracking),
    Measure("clear", clear.PACKAGES, clear.clear),
)


def main() -> None:
    """Take the measures that are asked for; exit 1 if the data of one could not be had."""
    given = _arguments()
    given.folder.mkdir(parents=True, exist_ok=True)
    kadr = Runs(given.folder)
    wanted = [m for m in MEASURES if given.only is None or m.name in given.only]
    missed = []
    for at, measure in enumerate(wanted, 1):
        print(f"{at}/{len(wanted)} {measure.name}", flush=True)
        try:
            print(briefly(_taken(measure, kadr, given.folder, given.again)), flush=True)
        except DataMissing as error:
            missed.append(measure.name)
            print(f"  not measured. {error}", flush=True)
    _write(given.folder)
    if missed:
        sys.exit(f"not measured: {', '.join(missed)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [m.name for m in MEASURES]
    parser.add_argument("--only", type=_names, help=f"Measures, of {', '.join(names)}; default: all.")
    parser.add_argument("--again", action="store_true", help="Take measures again that are there already.")
    parser.add_argument("--folder", type=Path, default=user_cache_path("kadr") / "accuracy",
                        help="Where packages, made films and results are kept; default: %(default)s.")  # fmt: skip
    return parser.parse_args()


def _names(text: str) -> list[str]:
    known = [m.name for m in MEASURES]
    given = text.split(",")
    if unknown := [n for n in given if n not in known]:
        raise argparse.ArgumentTypeError(f"{unknown} are no measures; there are {', '.join(known)}")
    return given


def _taken(measure: Measure, kadr: Runs, folder: Path, again: bool) -> list[Line]:
    """The measure's lines: those of the last time if the code is the same, else taken now."""
    path = folder / "measures" / f"{measure.name}.json"
    if path.is_file() and not again:
        kept = json.loads(path.read_text())
        if kept["code"] == kadr.code:
            return [Line(**line) for line in kept["lines"]]
    began = time.perf_counter()
    lines = measure.take(unpacked(measure.packages, folder), kadr, folder)
    path.parent.mkdir(exist_ok=True)
    seconds = round(time.perf_counter() - began, 1)
    kept = {"code": kadr.code, "seconds": seconds, "lines": [line.model_dump() for line in lines]}
    path.write_text(json.dumps(kept, indent=1, ensure_ascii=False))
    return lines


def _write(folder: Path) -> None:
    """accuracy.json and accuracy.md of every measure that was ever taken in ``folder``."""
    paths = [folder / "measures" / f"{m.name}.json" for m in MEASURES]
    taken = {path.stem: json.loads(path.read_text()) for path in paths if path.is_file()}
    (folder / "accuracy.json").write_text(json.dumps(taken, indent=1, ensure_ascii=False))
    (folder / "accuracy.md").write_text(
        markdown([Line(**line) for t in taken.values() for line in t["lines"]])
    )
    print(f"\n{folder / 'accuracy.md'}\n{folder / 'accuracy.json'}")


if __name__ == "__main__":
    main()
