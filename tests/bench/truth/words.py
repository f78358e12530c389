"""What is said: word error rates and languages, on transcripts that others wrote."""

from __future__ import annotations

import gzip
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import jiwer

from tests.bench.truth.kadr_runs import Runs
from tests.bench.truth.line import Line
from tests.bench.truth.packages import listed
from tests.bench.truth.sound import Span, joined, read

PROMPTS = {
    "en": ("en_US_f_Allison", "zero one two three four five six seven eight nine"),
    "es": ("es_MX_f_Allison", "cero uno dos tres cuatro cinco seis siete ocho nueve"),
    "fr": ("fr_CA_f_June", "zéro un deux trois quatre cinq six sept huit neuf"),
    "it": ("it_IT_m_Carlo", "zero uno due tre quattro cinque sei sette otto nove"),
    "ru": ("ru_RU_f_IvrvoiceRU", "ноль один два три четыре пять шесть семь восемь девять"),
}
"""Language to the voice's folder and the names of the digits."""
PROMPT_PACKAGES = tuple(f"prompts_{kind}{lang}" for lang in PROMPTS for kind in ("", "texts_"))
PACKAGES = (*PROMPT_PACKAGES, "pocketsphinx", "mfa", "pyannote")
LEAST_WORDS, EVERY, GAP_MS = 8, 3, 1000
FILLERS = {"uh", "um", "hm", "hmm", "mm", "mhm", "mmm"}
"""Left out on both sides, as Whisper's own scoring does (Radford et al. 2022, appendix C)."""
PUBLISHED = {
    "en": "Whisper base: 12.4 % on LibriSpeech test-other (Radford et al. 2022); none on these recordings",
    "": "Whisper base: the paper has tables by language for other sets; its figure for this one was not found",
}
SEEN = "that another language has to be 20 times likelier was tried on it: its word errors had to stay"
VOICE_SEEN = f"{SEEN}; lower thresholds of voice were tried on it and refused"


@dataclass(frozen=True)
class Said:
    """A recording and what is said in it."""

    path: Path
    text: str


def plain(text: str, language: str = "") -> str:
    """Words in lower case without accents, apostrophes and signs; single digits written out in ``language``."""
    bare = re.sub(r"['’ʼ]", "", unicodedata.normalize("NFKD", text.lower()))
    kept = (c if c.isalnum() else " " for c in bare if not unicodedata.combining(c))
    digits = unicodedata.normalize("NFKD", PROMPTS[language][1]).split() if language in PROMPTS else []
    names = {
        str(i): "".join(c for c in name if not unicodedata.combining(c)) for i, name in enumerate(digits)
    }
    return " ".join(names.get(word, word) for word in "".join(kept).split() if word not in FILLERS)


def prompts(places: Mapping[str, Path], language: str) -> list[Said]:
    """All prompts of at least LEAST_WORDS words whose text has no stage directions, in the order of their names."""
    root = places[f"prompts_{language}"] / "usr/share/asterisk/sounds" / PROMPTS[language][0]
    listing = next(places[f"prompts_texts_{language}"].rglob(f"core-sounds-{language}.txt.gz"))
    lines = gzip.decompress(listing.read_bytes()).decode("utf-8-sig").splitlines()
    rows = [line.split(":", 1) for line in lines if ":" in line and not line.startswith(";")]
    found = (Said(root / f"{name}.g722", text.strip()) for name, text in sorted(rows))
    return [s for s in found if len(s.text.split()) >= LEAST_WORDS and "[" not in s.text and s.path.is_file()]


def wer(places: dict[str, Path], kadr: Runs, folder: Path) -> list[Line]:
    """Word error rates by language and kind of speech; each set is one file, recordings a second apart."""
    sets = {language: (language, prompts(places, language)[::EVERY]) for language in PROMPTS}
    titles = {
        language: f"telephone prompts by one voice, {listed()[f'prompts_{language}'].licence}" for language in PROMPTS
    }  # fmt: skip
    sets |= {
        "en read": ("en", librivox(places)),
        "en free": ("en", free(places)),
        "sv": ("sv", swedish(places)),
    }
    titles["en read"] = f"{listed()['pocketsphinx'].title}; {listed()['pocketsphinx'].licence}"
    titles["en free"] = f"spontaneous speech, {listed()['mfa'].licence}"
    titles["sv"] = f"read sentences of one person, {listed()['mfa'].licence}"
    files = {name: folder / "made" / f"words-{name.replace(' ', '-')}.wav" for name in sets}
    for name, (_, said) in sets.items():
        joined([read(s.path) for s in said], GAP_MS, files[name])
    found = kadr(list(files.values()), "--only", "speech")
    lines = [
        _line(name, *sets[name], one.insights, one.duration_ms, titles[name])
        for name, one in zip(files, found, strict=True)
    ]
    return [*lines, _telephone(places, kadr)]


def _line(
    name: str, language: str, said: Sequence[Said], insights: Mapping[str, Any], ms: int, title: str
) -> Line:
    truth = plain(" ".join(s.text for s in said), language)
    heard = plain(" ".join(s["text"] for s in insights["transcript"]), language)
    return _scored(f"word error rate, {name}", truth, heard, f"{len(said)} recordings, {ms / 60000:.1f} min",
                   title, PUBLISHED.get(language, PUBLISHED[""]), SEEN if name in PROMPTS else VOICE_SEEN)  # fmt: skip


def _scored(
    measure: str, truth: str, heard: str, n: str, data: str, published: str, seen: str = SEEN
) -> Line:
    score = jiwer.process_words(truth, heard)
    words = len(truth.split())
    return Line(
        measure=measure,
        value=score.wer,
        parts={
            "substituted": score.substitutions / words,
            "missed": score.deletions / words,
            "added": score.insertions / words,
            "character error": jiwer.cer(truth, heard),
        },
        n=f"{n}, {words} words",
        data=data,
        published=published,
        seen=seen,
    )


def _telephone(places: Mapping[str, Path], kadr: Runs) -> Line:
    sample = next(places["pyannote"].rglob("sample/sample.wav"))
    rows = [line.split(maxsplit=5) for line in sample.with_suffix(".stm").read_text().splitlines()]
    (found,) = kadr([sample], "--only", "speakers,speech")
    truth, heard = (plain(t, "en") for t in (" ".join(r[5] for r in rows),
                                             " ".join(s["text"] for s in found["transcript"])))  # fmt: skip
    return _scored("word error rate, en telephone", truth, heard, "1 conversation, 0.5 min",
                   f"{listed()['pyannote'].title}; {listed()['pyannote'].licence}", PUBLISHED["en"])  # fmt: skip


def librivox(places: Mapping[str, Path]) -> list[Said]:
    """The sentences of a LibriVox reading that PocketSphinx is tested with."""
    root = next(places["pocketsphinx"].rglob("test/data/librivox"))
    return [Said(path.with_suffix(".wav"), path.read_text()) for path in sorted(root.glob("*.txt"))]


def free(places: Mapping[str, Path]) -> list[Said]:
    """Recordings of the Montreal Forced Aligner's tests in which people speak freely."""
    root = next(places["mfa"].rglob("tests/data/wav"))
    stems = ["acoustic_corpus", "cold_corpus"]
    stems += [f"multilingual_ipa{us}{n}" for us in ("", "_us") for n in ("", "_2", "_3", "_4", "_5")]
    return [Said(_recording(root, stem), _transcript(root, stem)) for stem in stems]


def swedish(places: Mapping[str, Path]) -> list[Said]:
    root = next(places["mfa"].rglob("tests/data/wav"))
    stems = [f"se10x016-08071999-1334_u001600{n}" for n in (1, 2, 3, 4)]
    return [Said(_recording(root, stem), _transcript(root, stem)) for stem in stems]


def _recording(root: Path, stem: str) -> Path:
    return next(p for p in sorted(root.glob(f"{stem}.*")) if p.suffix in (".wav", ".flac"))


def _transcript(root: Path, stem: str) -> str:
    return next(p for p in sorted((root.parent / "lab").glob(f"{stem}.*"))).read_text(encoding="utf-8")


def languages(places: dict[str, Path], kadr: Runs, folder: Path) -> list[Line]:
    """Languages told: of the recordings that follow each other in one file, and of files in one language."""
    rows = zip_longest(*([(lang, s) for s in prompts(places, lang)[1::12]] for lang in PROMPTS))
    mixed = [item for row in rows for item in row if item is not None]
    path = folder / "made/languages.wav"
    spans = joined([read(said.path) for _, said in mixed], GAP_MS, path)
    single = {lang: folder / "made" / f"words-{lang}.wav" for lang in PROMPTS}
    for lang, file in single.items():
        joined([read(s.path) for s in prompts(places, lang)[::EVERY]], GAP_MS, file)
    found, *alone = kadr([path, *single.values()], "--only", "speech")
    told = [spoken(found["transcript"], span) for span in spans]
    right = [told_one == lang for told_one, (lang, _) in zip(told, mixed, strict=True)]
    whole = [one["language"]["language"] == lang for lang, one in zip(single, alone, strict=True)]
    by_language = Counter(lang for ok, (lang, _) in zip(right, mixed, strict=True) if ok)
    in_all = Counter(lang for lang, _ in mixed)
    return [
        Line(
            measure="language, of utterances that follow each other in five languages (share right)",
            value=sum(right) / len(right),
            parts={lang: by_language[lang] / n for lang, n in in_all.items()}
            | {"whole files in one language": sum(whole) / len(whole)},
            n=f"{len(mixed)} utterances, {found.duration_ms / 60000:.1f} min; {len(single)} files",
            data="telephone prompts in en, es, fr, it, ru, each by one voice; CC BY-SA 3.0, CC BY 3.0",
            published="Whisper base: not found",
            seen="how much likelier another language has to be (20 times) was chosen on it",
        )
    ]


def spoken(transcript: Sequence[Mapping[str, Any]], span: Span) -> str | None:
    """The language of the segment that covers most of ``span``; None where there is none."""
    best = max(
        transcript, key=lambda s: min(s["end_ms"], span[1]) - max(s["start_ms"], span[0]), default=None
    )
    if best is None or min(best["end_ms"], span[1]) <= max(best["start_ms"], span[0]):
        return None
    language: str = best["language"]
    return language
