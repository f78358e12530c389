"""One target of tests/fuzz/formats.py under a coverage-guided fuzzer, in a process of its own.

    python tests/fuzz/guided.py TARGET FOLDER -max_total_time=20 …

What breaks the target is kept in FOLDER, one input for each way of breaking, and the fuzzing goes on. Needs atheris.
"""

from __future__ import annotations

import hashlib
import sys
import traceback
from pathlib import Path

import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]

sys.path.insert(0, str(Path(__file__).parents[2]))

with atheris.instrument_imports(include=["kadr", "cli.options", "pysubs2", "zipfile", "tomllib"]):
    from tests.fuzz.formats import TARGETS, tried


def main() -> None:
    """Fuzz until libFuzzer's own limits end it."""
    name, folder = sys.argv[1], Path(sys.argv[2])
    corpus = folder / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, body in enumerate(TARGETS[name].seeds()):
        (corpus / f"seed-{number}").write_bytes(body)
    known = set[str]()

    def once(body: bytes) -> None:
        try:
            tried(name, body)
        except Exception as error:
            way = _way(error)
            if way not in known:
                known.add(way)
                kept = folder / "broken" / name / hashlib.sha256(way.encode()).hexdigest()[:12]
                kept.parent.mkdir(parents=True, exist_ok=True)
                kept.write_bytes(body)
                kept.with_suffix(".txt").write_text("".join(traceback.format_exception(error)))

    atheris.Setup([sys.argv[0], *sys.argv[3:], str(corpus)], once)
    atheris.Fuzz()


def _way(error: BaseException) -> str:
    """Errors of one type from one line of code are one way of breaking."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} {Path(last.filename).name} {last.name} {last.lineno}"


if __name__ == "__main__":
    main()
