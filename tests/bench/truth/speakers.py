"""Who speaks when (diarisation error) and whether anyone does (voice activity), on turns that others marked."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from tests.bench.truth.kadr_runs import Found, Runs
from tests.bench.truth.line import Line
from tests.bench.truth.packages import listed
from tests.bench.truth.scorers import Turns, ask

PACKAGES = ("pyannote",)
MEETINGS_PUBLISHED = (
    "voice encoder (Resemblyzer): not found; it is published as an encoder, no DER is claimed for it"
)
VOICE_PUBLISHED = (
    "Silero VAD 6.2: not found for these recordings (its wiki gives ROC-AUC and accuracy on other sets)"
)
SEEN = (
    "the speakers' windows, step, cost of a change and similarity, and thresholds of voice, were tried on it"
)
VOICE_SEEN = "lower thresholds, longer silences and padding of voice were tried on it and refused"


def read_rttm(path: Path) -> dict[str, list[tuple[int, int, str]]]:
    """(start_ms, end_ms, speaker) of each file that the RTTM names (NIST, RT-09 evaluation plan, appendix A)."""
    turns: defaultdict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for fields in (line.split() for line in path.read_text(encoding="utf-8").splitlines()):
        start_ms, length_ms = (round(float(seconds) * 1000) for seconds in fields[3:5])
        turns[fields[1]].append((start_ms, start_ms + length_ms, fields[7]))
    return dict(turns)


def recordings(place: Path) -> tuple[dict[Path, Turns], dict[Path, Turns]]:
    """The sample, and the meetings: each file with the truth's turns."""
    root = next(place.glob("pyannote_audio-*"))
    sample = root / "src/pyannote/audio/sample/sample.wav"
    turns = {
        k: v for path in sorted((root / "tests/data").glob("*.rttm")) for k, v in read_rttm(path).items()
    }
    meetings = {root / f"tests/data/{uri}.wav": turns[uri] for uri in sorted(turns)}
    return {sample: read_rttm(sample.with_suffix(".rttm"))["sample"]}, {
        path: truth for path, truth in meetings.items() if path.is_file()
    }


def found_turns(found: Found) -> list[tuple[int, int, str]]:
    return [(t["start_ms"], t["end_ms"], t["speaker"]) for t in found["turns"]]


def diarisation(places: dict[str, Path], kadr: Runs, folder: Path) -> list[Line]:
    """DER of the sample and of the meetings, speakers unknown in number."""
    lines = []
    for name, files in zip(("sample", "meetings"), recordings(places["pyannote"]), strict=True):
        found = kadr(list(files), "--only", "speakers,speech")
        question = [
            {"truth": truth, "found": found_turns(one), "end_ms": one.duration_ms}
            for truth, one in zip(files.values(), found, strict=True)
        ]
        score = ask("diarisation", question, folder)
        right = sum(
            len({s for _, _, s in truth}) == len(one["speakers"])
            for truth, one in zip(files.values(), found, strict=True)
        )
        lines.append(
            Line(
                measure=f"diarisation error, {name}",
                value=score["der"],
                parts={
                    "missed": score["missed"],
                    "false alarm": score["false"],
                    "confusion": score["confusion"],
                    "collar 250 ms": score["der_collar"],
                    "and no overlap": score["der_single"],
                    "number of speakers right": right / len(files),
                },
                n=f"{len(files)} files, {sum(f.duration_ms for f in found) / 60000:.1f} min",
                data=f"{listed()['pyannote'].title}; {listed()['pyannote'].licence}",
                published=MEETINGS_PUBLISHED,
                seen=SEEN,
            )
        )
    return lines


def voice_activity(places: dict[str, Path], kadr: Runs, folder: Path) -> list[Line]:
    """Detection error of ``voice`` on the same files: anyone's turns, overlapping ones joined by the scorer."""
    lines = []
    for name, files in zip(("sample", "meetings"), recordings(places["pyannote"]), strict=True):
        found = kadr(list(files), "--only", "speakers,speech")
        spans = [one.arrays("voice") for one in found]
        question = [
            {
                "truth": truth,
                "found": [(int(a), int(b), "voice") for a, b in zip(v["start_ms"], v["end_ms"], strict=True)],
                "end_ms": one.duration_ms,
            }
            for truth, v, one in zip(files.values(), spans, found, strict=True)
        ]
        score = ask("voice", question, folder)
        lines.append(
            Line(
                measure=f"voice detection error, {name}",
                value=score["error"],
                parts={"missed": score["miss"], "false alarm": score["false"],
                       "precision": score["precision"], "recall": score["recall"]},
                n=f"{len(files)} files, {sum(f.duration_ms for f in found) / 60000:.1f} min",
                data=f"{listed()['pyannote'].title}; {listed()['pyannote'].licence}",
                published=VOICE_PUBLISHED,
                seen=VOICE_SEEN,
            )
        )  # fmt: skip
    return lines
