"""What the reel shows, and when. Times in a shot are frames (25 a second) from the start of that shot."""

from dataclasses import dataclass
from pathlib import Path

from reel_kit.drawing import PALE, WHITE, Colour, Line
from reel_kit.pictures import Captioned, Card, Film, Moving, Photo, SideBySide

# The colours of a card's upper and lower edge.
NAVY = ((11, 18, 36), (34, 54, 96))
PINE = ((6, 26, 30), (18, 74, 78))
WINE = ((32, 12, 26), (88, 36, 62))
OCHRE = ((34, 22, 8), (98, 68, 30))
SLATE = ((26, 28, 32), (70, 76, 86))
INDIGO = ((18, 14, 46), (58, 46, 120))
AMBER: Colour = (255, 179, 71)
TEAL: Colour = (64, 200, 190)
ROSE: Colour = (240, 110, 130)
CAPTION_FROM = 10


@dataclass(frozen=True)
class Span:
    """Something seen in a shot between two of its frames (`last` not included; None: to the end)."""

    label: str
    first: int = 0
    last: int | None = None
    count: int = 1


@dataclass(frozen=True)
class Shot:
    """One shot: a moving picture, how long it lasts, how it starts, and what can be seen in it.

    `begins` is "hard", "dissolve" or "fade"; `mix_frames` is the dissolve's overlap with the shot before, or
    the length of each half of a fade through black. `opens_block` marks where make_long.py may take the
    reel apart.
    """

    picture: Moving
    frames: int
    begins: str = "hard"
    mix_frames: int = 0
    texts: tuple[Span, ...] = ()
    faces: tuple[Span, ...] = ()
    objects: tuple[Span, ...] = ()
    opens_block: bool = False


def shots(files: dict[str, Path]) -> tuple[Shot, ...]:
    """The reel's shots in order, over the files of sources.toml."""
    return (*_opening(files), *_two_cities(files), *_wizard(files), *_persuasion(files), *_closing(files))


def _opening(files: dict[str, Path]) -> tuple[Shot, ...]:
    title = (
        Line("KADR SAMPLE REEL", 96, WHITE),
        Line("Pictures, voices and words", 48, AMBER),
        Line("Reel 2718", 32, PALE),
    )
    bunny = Film(files["bunny"], 0, 5_280)
    return (
        _card(title, 100, NAVY, AMBER, opens_block=True),
        _captioned(bunny, 132, ("Big Buck Bunny", "Blender Foundation, 2008"), AMBER, 120, opens_block=True),
    )


def _two_cities(files: dict[str, Path]) -> tuple[Shot, ...]:
    chapter = (
        Line("Chapter One", 40, TEAL),
        Line("A Tale of Two Cities", 84, WHITE),
        Line("Charles Dickens, 1859", 38, PALE),
    )
    happy = Film(files["portrait"], 9_600, 15_200)
    return (
        _card(chapter, 75, PINE, TEAL, begins="fade", mix_frames=12),
        _captioned(happy, 140, ("A happy portrait", "Filmed by Wolfgang Langer"), TEAL, 110, people=1),
        _photo(files["cat"], (0.50, 0.46, 0.98), (0.54, 0.44, 0.80), 110, ("cat",)),
        _photo(files["coffee"], (0.54, 0.40, 0.82), (0.52, 0.45, 0.98), 110, ("cup", "spoon")),
        _astronaut(files["astronaut"], 125, (0.43, 0.24, 0.70), begins="dissolve", mix_frames=20),
    )


def _wizard(files: dict[str, Path]) -> tuple[Shot, ...]:
    chapter = (
        Line("Chapter Two", 40, ROSE),
        Line("A Confused Complaint", 84, WHITE),
        Line("Two faces, one voice", 38, PALE),
    )
    sad = Film(files["portrait"], 0, 2_400, there_and_back=True)
    pair = SideBySide(
        Photo(files["astronaut"], (0.44, 0.26, 0.98), (0.44, 0.26, 0.90), 120),
        sad,
        left_centre=0.5,
        right_centre=0.68,
    )
    return (
        _card(chapter, 50, WINE, ROSE, opens_block=True),
        Shot(pair, 120, faces=(Span("face", count=2),), objects=(Span("person", count=2),)),
    )


def _persuasion(files: dict[str, Path]) -> tuple[Shot, ...]:
    chapter = (
        Line("Tercera parte", 40, AMBER),
        Line("Una novela de Jane Austen", 76, WHITE),
        Line("Londres, 1817", 38, PALE),
    )
    smile = Film(files["portrait"], 15_200, 19_400)
    return (
        _card(chapter, 62, OCHRE, AMBER, opens_block=True),
        _photo(files["rocket"], (0.50, 0.62, 0.98), (0.50, 0.52, 0.62), 110),
        _captioned(
            Photo(files["deep_field"], (0.40, 0.40, 0.70), (0.62, 0.58, 0.50), 100),
            100,
            ("Hubble deep field", "5500 galaxies, 23 days of light"),
            AMBER,
            88,
        ),
        Shot(smile, 105, faces=(Span("face", 0, 70),), objects=(Span("person"),)),
    )


def _closing(files: dict[str, Path]) -> tuple[Shot, ...]:
    standby = (Line("PLEASE STAND BY", 92, WHITE), Line("Nothing moves for four seconds", 40, PALE))
    thanks = (
        Line("Thank you for watching", 80, WHITE),
        Line("Five photographs, two films, three voices", 40, AMBER),
        Line("Credits and licences: samples/ATTRIBUTION.md", 30, PALE),
    )
    return (
        _card(standby, 100, SLATE, PALE, still=True, opens_block=True),
        _photo(files["coffee"], (0.52, 0.42, 0.90), (0.52, 0.42, 0.86), 25, ("cup",), opens_block=True),
        _photo(files["cat"], (0.54, 0.46, 0.90), (0.54, 0.46, 0.86), 25, ("cat",)),
        _astronaut(files["astronaut"], 25, (0.49, 0.28, 0.95)),
        _photo(files["rocket"], (0.50, 0.62, 0.80), (0.50, 0.60, 0.76), 25),
        _card(thanks, 125, INDIGO, AMBER),
    )


def _card(
    lines: tuple[Line, ...],
    frames: int,
    ground: tuple[Colour, Colour],
    accent: Colour,
    still: bool = False,
    begins: str = "hard",
    mix_frames: int = 0,
    opens_block: bool = False,
) -> Shot:
    texts = tuple(Span(line.text) for line in lines)
    picture = Card(lines, *ground, accent, still)
    return Shot(picture, frames, begins, mix_frames, texts, opens_block=opens_block)


def _captioned(
    below: Moving,
    frames: int,
    words: tuple[str, str],
    accent: Colour,
    until: int,
    people: int = 0,
    opens_block: bool = False,
) -> Shot:
    return Shot(
        Captioned(below, *words, accent, CAPTION_FROM, until),
        frames,
        texts=tuple(Span(text, CAPTION_FROM, until) for text in words),
        faces=(Span("face", count=people),) if people else (),
        objects=(Span("person", count=people),) if people else (),
        opens_block=opens_block,
    )


def _photo(
    path: Path,
    start: tuple[float, float, float],
    end: tuple[float, float, float],
    frames: int,
    objects: tuple[str, ...] = (),
    opens_block: bool = False,
) -> Shot:
    seen = tuple(Span(label) for label in objects)
    return Shot(Photo(path, start, end, frames), frames, objects=seen, opens_block=opens_block)


def _astronaut(
    path: Path, frames: int, end: tuple[float, float, float], begins: str = "hard", mix_frames: int = 0
) -> Shot:
    picture = Photo(path, (0.50, 0.29, 1.0), end, frames)
    return Shot(picture, frames, begins, mix_frames, faces=(Span("face"),), objects=(Span("person"),))
