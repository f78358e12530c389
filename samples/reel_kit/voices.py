"""What the reel plays, and when. Times are milliseconds; the words are the printed text of what is read."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Utterance:
    """A spoken sentence: where it lies in its recording (milliseconds), and its words."""

    start_ms: int
    end_ms: int
    text: str


@dataclass(frozen=True)
class Voice:
    """A stretch of a recording, played from `at_ms` of the reel on."""

    source: str
    language: str
    at_ms: int
    from_ms: int
    to_ms: int
    utterances: tuple[Utterance, ...]


@dataclass(frozen=True)
class Synth:
    """Synthesised music or noise in the reel."""

    kind: str
    start_ms: int
    end_ms: int


VOICES = (
    Voice(
        "two_cities",
        "en",
        9_900,
        1_000,
        20_800,
        (
            Utterance(1_180, 4_540, "It was the best of times, it was the worst of times,"),
            Utterance(5_030, 7_980, "it was the age of wisdom, it was the age of foolishness,"),
            Utterance(8_790, 12_700, "it was the epoch of belief, it was the epoch of incredulity,"),
            Utterance(13_470, 16_640, "it was the season of Light, it was the season of Darkness,"),
            Utterance(17_540, 20_440, "it was the spring of hope, it was the winter of despair."),
        ),
    ),
    Voice(
        "wizard",
        "en",
        31_600,
        0,
        4_905,
        (
            Utterance(
                150,
                4_700,
                "He began a confused complaint against the wizard "
                "who had vanished behind the curtain on the left.",
            ),
        ),
    ),
    Voice(
        "persuasion",
        "es",
        38_000,
        200,
        14_800,
        (
            Utterance(
                370,
                5_020,
                "La sorpresa y el disgusto que produjo a Wentworth la substitución de una cuñada por otra,",
            ),
            Utterance(5_460, 9_460, "el gesto que se dibujó en su fisonomía, el asombro que manifestó"),
            Utterance(
                9_720,
                14_620,
                "y las palabras a duras penas reprimidas que asomaron a sus labios "
                "mientras le hablaba Carlos",
            ),
        ),
    ),
)

SYNTHS = (Synth("music", 0, 9_280), Synth("noise", 52_960, 56_720), Synth("music", 56_800, 65_760))
