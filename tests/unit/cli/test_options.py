"""Options become exactly the question that they read like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.compose import Machine
from cli.options import MAX_TEXT_BYTES, Choice, Clock, found_text, parse_sets, profile_options, read_text
from cli.sources import Video
from kadr.contracts.errors import InvalidProfile
from kadr.contracts.run import CaptionsFile
from kadr.craft.languages import NAMES
from kadr.settings import Settings


def asked(*arguments: str) -> Choice:
    """What a command with the profile's options gets for ``arguments``."""

    @click.command()
    @profile_options
    def command(choice: Choice) -> Choice:
        return choice

    choice: Choice = command.main(list(arguments), standalone_mode=False)
    return choice


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("0", 0),
        ("90", 90_000),
        ("01:30", 90_000),
        ("1:30", 90_000),
        ("1:02:03.250", 3_723_250),
        ("0.5", 500),
        ("7.05", 7_050),
        ("600", 600_000),
        (1500, 1500),
    ],
)
def test_times_are_read_as_people_write_them(text: Any, ms: int) -> None:
    assert Clock().convert(text, None, None) == ms


@given(st.integers(0, 99 * 3_600_000))
def test_every_time_written_out_is_read_back(ms: int) -> None:
    seconds, rest = divmod(ms, 1000)
    text = f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}.{rest:03d}"
    assert Clock().convert(text, None, None) == ms


@pytest.mark.parametrize("text", ["", "soon", "-5", "1:", ":30", "1:2:3:4", "5s", "1,5", "0x10", "1::2"])
def test_other_texts_are_no_times(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a time: write seconds, MM:SS or HH:MM:SS"):
        Clock().convert(text, None, None)


def test_sets_are_json_or_else_text() -> None:
    given_values = ("ocr.fps=0.5", "shots.detector=transnet", 'speech.vocabulary=["Kadr"]', "ocr.min_score=1")
    assert parse_sets(given_values) == {
        "ocr": {"fps": 0.5, "min_score": 1},
        "shots": {"detector": "transnet"},
        "speech": {"vocabulary": ["Kadr"]},
    }
    assert parse_sets(("a.b=x=y", "a.c=", "a.d=null")) == {"a": {"b": "x=y", "c": "", "d": None}}


@pytest.mark.parametrize("item", ["ocr", "ocr.fps", "fps=1", ".fps=1", "ocr.=1", "=1", ""])
def test_sets_that_say_nothing_are_refused(item: str) -> None:
    with pytest.raises(click.UsageError, match=r"write NAME\.PARAM=VALUE"):
        parse_sets((item,))


def test_options_are_parameters_of_components(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("Кадр\n\n  Knative \n", encoding="utf-8-sig")
    choice = asked(
        *("--from", "00:10", "--to", "2:00", "--language", "ru", "--vocabulary", str(words)),
        *("--audio-stream", "1", "--set", "ocr.fps=2", "--only", "ocr, speech,,", "--profile", "fast"),
    )
    assert choice == Choice(
        "fast",
        {
            "ocr": {"fps": 2},
            "probe": {"from_ms": 10_000, "to_ms": 120_000},
            "pcm": {"from_ms": 10_000, "to_ms": 120_000, "audio_stream": 1},
            "speech": {"language": "ru", "vocabulary": ["Кадр", "Knative"]},
        },
        ("ocr", "speech"),
        spoken={
            "--set ocr.fps=2": ("ocr",),
            "--from": ("probe", "pcm"),
            "--to": ("probe", "pcm"),
            "--language": ("speech",),
            "--vocabulary": ("speech",),
            "--audio-stream": ("pcm",),
        },
    )
    assert choice.profile().set["speech"]["language"] == "ru"


def test_without_options_the_question_is_the_standard_one() -> None:
    assert asked() == Choice("standard")


@pytest.mark.parametrize(("start", "end"), [("10", "10"), ("1:00", "59")])
def test_a_range_must_end_after_it_begins(start: str, end: str) -> None:
    with pytest.raises(click.UsageError, match="is not after --from"):
        asked("--from", start, "--to", end)


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        (Choice("standard", only=("ocrr",)), r"no component 'ocrr' \(did you mean 'ocr'\?\): known are"),
        (Choice("standard", {"ocrr": {"fps": 1}}, ("ocr",)), "there is no component 'ocrr'"),
        (
            Choice("standard", {"ocr": {"fsp": 1}}, ("ocr",)),
            r"ocr has no parameter 'fsp' \(did you mean 'fps'\?\): it has",
        ),
        (
            Choice("standard", {"ocr": {"min_score": 7}}, ("ocr",)),
            r"ocr\.min_score: 7 is not a number from 0 to 1",
        ),
        (Choice("nice"), "there is no profile 'nice': name one of fast, full, standard"),
    ],
)
def test_mistakes_name_what_is_wrong_and_what_there_is(choice: Choice, text: str) -> None:
    with pytest.raises(InvalidProfile, match=text):
        Machine(Settings()).question(choice.profile())


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--profile", "fast", "--set", "ocr.fps=1"), "--set ocr.fps=1: ocr is not in this run, which has captions, "),
        (("--only", "shots", "--language", "en"), "--language: speech is not in this run, which has decode, probe, shots"),
        (("--only", "shots", "--audio-stream", "1"), "--audio-stream: pcm is not in this run"),
        (("--only", "shots", "--captions", __file__), "--captions: captions is not in this run"),
    ],
)  # fmt: skip
def test_options_that_would_do_nothing_are_refused(arguments: tuple[str, ...], text: str) -> None:
    with pytest.raises(InvalidProfile) as raised:
        asked(*arguments).profile()
    assert str(raised.value).startswith(text)


def test_a_part_can_be_asked_of_components_that_hear_nothing() -> None:
    assert asked("--only", "shots", "--from", "2").profile().set["probe"] == {"from_ms": 2000}


@pytest.mark.parametrize("only", ["", ",", " , "])
def test_only_nothing_is_refused(only: str) -> None:
    with pytest.raises(click.UsageError, match="names no component"):
        asked("--only", only)


@pytest.mark.parametrize(
    ("text", "code"),
    [("en", "en"), ("EN", "en"), ("en-US", "en"), ("pt_BR", "pt"), ("eng", "en"), ("rus", "ru"), ("haw", "haw")],
)  # fmt: skip
def test_languages_are_codes(text: str, code: str) -> None:
    assert asked("--language", text).settings["speech"]["language"] == code


@pytest.mark.parametrize("text", ["English", "русский", "", "e", "en-", "en US"])
def test_other_texts_are_no_languages(text: str) -> None:
    with pytest.raises(click.BadParameter, match=r"is no code of a language: write that of ISO 639-1, as en"):
        asked("--language", text)


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("xx", ""),
        ("xx-US", ""),
        ("xxx", ""),
        ("jv", " (did you mean 'jw'?)"),
        ("cmn", " (did you mean 'zh'?)"),
    ],
)
def test_languages_that_speech_does_not_know_are_refused_in_few_words(text: str, nearest: str) -> None:
    with pytest.raises(click.BadParameter) as raised:
        asked("--language", text)
    assert raised.value.format_message() == (
        f"Invalid value for '--language': {text!r} is none of the 99 languages that speech knows{nearest}: "
        "docs/profiles.md lists them"
    )


def test_the_languages_that_speech_knows_are_listed() -> None:
    listed = (Path(__file__).parents[3] / "docs/profiles.md").read_text().partition("these codes: ")[2]
    assert " ".join(listed.partition(".")[0].split()) == ", ".join(f"`{code}`" for code in NAMES)


def test_captions_belong_to_one_video(tmp_path: Path) -> None:
    choice = asked("--captions", __file__)
    videos = [Video(tmp_path / name, name, tmp_path) for name in ("a.mp4", "b.mp4")]
    choice.check(videos[:1])
    with pytest.raises(click.UsageError, match="--captions belong to one video, and there are 2"):
        choice.check(videos)


def test_texts_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_bytes("naïve".encode("latin-1"))
    with pytest.raises(InvalidProfile, match=r"words\.txt is not UTF-8 text"):
        read_text(path)


GREETING = "1\n00:00:01,000 --> 00:00:02,000\n{}\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Hello", "utf-8"),
        ("Привет", "utf-8-sig"),
        ("Привет", "utf-16"),
        ("Café déjà vu, señor", "cp1252"),
        ("Привет, это кино", "cp1251"),
    ],
)
def test_captions_beside_the_video_may_be_old(tmp_path: Path, text: str, encoding: str) -> None:
    path = tmp_path / "a.srt"
    path.write_bytes(GREETING.format(text).encode(encoding))
    assert found_text(path) == GREETING.format(text)


@pytest.mark.parametrize(
    "body", [bytes(range(256)) * 64, b"x" * (MAX_TEXT_BYTES + 1)], ids=["binary", "large"]
)
def test_captions_that_cannot_be_read_are_left_out_unless_they_were_asked_for(
    tmp_path: Path, body: bytes
) -> None:
    path = tmp_path / "a.srt"
    path.write_bytes(body)
    machine, notes = Machine(Settings()), list[str]()
    choice = Choice("standard", only=("captions",))
    plain = machine.question(choice.profile())
    video = Video(tmp_path / "a.mp4", "a.mp4", tmp_path)
    assert choice.for_video(video, plain, machine, notes.append).profile == plain.profile
    assert notes[0].startswith(f"a.mp4: its captions are left out: {path} ")
    with pytest.raises(InvalidProfile, match=r"a\.srt"):
        asked("--only", "captions", "--captions", str(path))


@pytest.mark.parametrize("given_by", ["beside", "option"])
def test_captions_are_part_of_the_question(tmp_path: Path, given_by: str) -> None:
    video = Video(tmp_path / "a.mp4", "a.mp4", tmp_path)
    path = tmp_path / ("a.srt" if given_by == "beside" else "other.srt")
    machine = Machine(Settings())
    path.write_text("1\n00:00:01,000 --> 00:00:02,000\nHello\n")
    choice = asked("--only", "captions", *(("--captions", str(path)) if given_by == "option" else ()))
    plain = machine.question(choice.profile())
    mine = choice.for_video(video, plain, machine, print)
    assert "Hello" in mine.profile.components["captions"].params["sidecar"]
    assert mine.graph != plain.graph
    assert mine.captions_file == CaptionsFile(name=path.name)
