"""Text on screen: character error by size, contrast, ground and language, on frames with texts that others wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from rapidfuzz.distance import Levenshtein

from tests.bench.truth.film import Picture, filling, read_picture, write
from tests.bench.truth.kadr_runs import Found, Runs
from tests.bench.truth.line import Line
from tests.bench.truth.packages import listed
from tests.bench.truth.words import PROMPTS, prompts

PACKAGES = (*(f"prompts_{kind}{lang}" for lang in PROMPTS for kind in ("", "texts_")),
            "scikit_image", "liberation", "dejavu", "tesserocr")  # fmt: skip
WIDTH, HEIGHT, FPS, CARD_MS = 1280, 720, 5, 2000
SIZES = (10, 12, 14, 18, 24, 36)
CONTRASTS = {"clear": 150, "faint": 45}
GROUNDS = ("flat", "photo")
PHOTOS = ("coffee.png", "chelsea.png", "grass.png", "hubble_deep_field.jpg")
"""Without lettering of their own."""
LINES, LEFT, TOP = 8, 90, 50
PUBLISHED = (
    "PP-OCRv6 small, by its authors on their own pictures: detection Hmean 84.1 %, recognition 81.3 % of lines, printed "
    "English 93.6 % and 93.3 %, screens 79.7 %; no Cyrillic"
)
SEEN = (
    "the detector's 1280 pixels, when a similar text is a new one, the frame packs' JPEG quality and the score from which the "
    "first sentences name a text were chosen on these cards"
)
SCAN_SEEN = "no parameter was chosen on it"
EUROTEXT = (
    "The (quick) [brown] {fox} jumps!", "Over the $43,456.78 <lazy> #90 dog", "& duck/goose, as 12.5% of E-mail",
    "from aspammer@website.com is spam.", "Der „schnelle” braune Fuchs springt", "über den faulen Hund. Le renard brun",
    "«rapide» saute par-dessus le chien", "paresseux. La volpe marrone rapida", "salta sopra il cane pigro. El zorro",
    "marrón rápido salta sobre el perro", "perezoso. A raposa marrom rápida", "salta sobre o cão preguiçoso.",
)  # fmt: skip
"""What stands in eurotext.png, a scan by the Tesseract project (Apache-2.0)."""


@dataclass(frozen=True)
class Text:
    """A line of text in a picture: where its middle is, in pixels of the frame."""

    text: str
    y: float


@dataclass(frozen=True)
class Card:
    """A picture on display for CARD_MS, the lines in it, and the group that it counts for."""

    group: str
    picture: Picture
    lines: tuple[Text, ...]


class Typesetter:
    """Sets lines of the prompts' texts in the fonts of two packages, one font after the other."""

    def __init__(self, places: Mapping[str, Path]) -> None:
        liberation, dejavu = (places[n] / "usr/share/fonts/truetype" for n in ("liberation", "dejavu"))
        self._fonts = [
            liberation / f"liberation/Liberation{n}-Regular.ttf" for n in ("Sans", "Serif", "Mono")
        ]
        self._fonts += [dejavu / "dejavu/DejaVuSans-Bold.ttf"]
        folder = places["scikit_image"] / "skimage/data"
        self._photos = [filling(read_picture(folder / name), WIDTH, HEIGHT) for name in PHOTOS]
        self._texts = {lang: _short_lines(places, lang) for lang in PROMPTS}
        self._rng = np.random.default_rng(20)

    def card(self, group: str, language: str, size: int, contrast: int, ground: str, which: int) -> Card:
        font = _font(self._fonts[which % len(self._fonts)], size)
        if ground == "flat":
            level = int(self._rng.choice([30, 60, 190, 225]))
            base = np.full((HEIGHT, WIDTH, 3), level, np.uint8)
        else:
            base = self._photos[which % len(self._photos)]
        canvas = Image.fromarray(base)
        pen = ImageDraw.Draw(canvas)
        lines = []
        for i in range(LINES):
            text = next(self._texts[language])
            x, y = LEFT + 20 * (i % 4), TOP + i * (HEIGHT - 2 * TOP) // LINES
            box = pen.textbbox((x, y), text, font=font)
            pen.text((x, y), text, font=font, fill=_ink(base, box, contrast))
            lines.append(Text(text, (box[1] + box[3]) / 2))
        return Card(group, np.asarray(canvas), tuple(lines))


def _ink(base: Picture, box: tuple[float, float, float, float], contrast: int) -> tuple[int, int, int]:
    """A grey that differs by ``contrast`` levels from the mean of what lies under the text, to the darker or brighter."""
    x1, y1, x2, y2 = (round(v) for v in box)
    mean = float(base[y1 : y2 + 1, x1 : x2 + 1].mean())
    level = round(mean - contrast if mean > 127 else mean + contrast)
    return (level, level, level)


@cache
def _font(path: Path, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(path), size)


def _short_lines(places: Mapping[str, Path], language: str) -> Iterator[str]:
    """Endless pieces of four to six words, from the prompts' texts."""
    words = [w for said in prompts(places, language) for w in said.text.split()]
    at = 0
    while True:
        n = 4 + at % 3
        piece = [words[(at + i) % len(words)] for i in range(n)]
        at += n
        yield " ".join(piece)[:44].strip()


def cards(places: Mapping[str, Path]) -> list[Card]:
    """All made cards: each size, contrast and ground in English; each language at 24 pixels on both grounds."""
    setter, made = Typesetter(places), []
    for size in SIZES:
        for name, contrast in CONTRASTS.items():
            for ground in GROUNDS:
                made += [
                    setter.card(f"{size} px/{name}, {ground}", "en", size, contrast, ground, i)
                    for i in range(3)
                ]
    for language in PROMPTS:
        for i in range(4):
            made.append(setter.card(f"languages/{language}", language, 24, 150, GROUNDS[i % 2], i))
    return made


def scan(places: Mapping[str, Path]) -> Card:
    """The scanned page, on a frame."""
    page = read_picture(next(places["tesserocr"].rglob("tests/eurotext.png")))
    frame = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    shown = np.asarray(Image.fromarray(page).resize((round(page.shape[1] * 700 / page.shape[0]), 700)))
    frame[10:710, 10 : 10 + shown.shape[1]] = shown
    rows = np.linspace(0, 1, len(EUROTEXT))
    dark = np.flatnonzero((shown.mean(axis=2) < 128).any(axis=1))
    top, bottom = 10 + int(dark[0]), 10 + int(dark[-1])
    height = (bottom - top) / len(EUROTEXT)
    ys = top + height / 2 + rows * (bottom - top - height)
    return Card("scan/eurotext", frame, tuple(Text(t, float(y)) for t, y in zip(EUROTEXT, ys, strict=True)))


def film(places: Mapping[str, Path], folder: Path) -> tuple[Path, list[Card]]:
    """All cards, the scan last, one after the other."""
    shown = [*cards(places), scan(places)]
    path = folder / "made/letters.mp4"
    write((card.picture for card in shown for _ in range(FPS * CARD_MS // 1000)), path, FPS, crf=20)
    return path, shown


def ocr(places: dict[str, Path], kadr: Runs, folder: Path) -> list[Line]:
    """Character error rates by size, by language, and of a scan."""
    path, shown = film(places, folder)
    (found,) = kadr([path], "--only", "ocr")
    counts: dict[str, dict[str, list[int]]] = {}
    for i, card in enumerate(shown):
        row, column = card.group.split("/")
        errors, length = card_errors(card.lines, on_display(found, i * CARD_MS + CARD_MS // 2))
        sums = counts.setdefault(row, {}).setdefault(column, [0, 0])
        sums[0], sums[1] = sums[0] + errors, sums[1] + length
    return [_line(row, columns) for row, columns in counts.items()]


def _line(row: str, columns: Mapping[str, Sequence[int]]) -> Line:
    errors, length = (sum(c[i] for c in columns.values()) for i in (0, 1))
    fonts = f"{listed()['liberation'].title}, {listed()['dejavu'].title}; H.264 at CRF 20, 1280×720"
    return Line(
        measure=f"character error, {row}",
        value=errors / length,
        parts={name: c[0] / c[1] for name, c in columns.items()},
        n=f"{length} characters",
        data=f"{listed()['tesserocr'].title}; {listed()['tesserocr'].licence}" if row == "scan"
        else f"the prompts' texts ({listed()['prompts_en'].licence}) set in {fonts}",
        published=PUBLISHED,
        seen=SCAN_SEEN if row == "scan" else SEEN,
    )  # fmt: skip


def on_display(found: Found, t_ms: int) -> list[Mapping[str, Any]]:
    return [t for t in found["texts"] if t["start_ms"] <= t_ms < t["end_ms"]]


def card_errors(lines: Sequence[Text], found: Sequence[Mapping[str, Any]]) -> tuple[int, int]:
    """Edits that turn what was found into the lines, and the lines' characters.

    What was found belongs to the line whose middle is nearest to its own, from left to right. Runs of spaces count once.
    """
    rows: list[list[tuple[float, str]]] = [[] for _ in lines]
    for item in found:
        xs, ys = zip(*item["quad"], strict=True)
        nearest = min(range(len(lines)), key=lambda i: abs(lines[i].y - sum(ys) / 4))
        rows[nearest].append((min(xs), item["text"]))
    errors = 0
    for line, row in zip(lines, rows, strict=True):
        read = " ".join(" ".join(text for _, text in sorted(row)).split())
        errors += Levenshtein.distance(line.text, read)
    return errors, sum(len(line.text) for line in lines)
