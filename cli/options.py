"""The options that say what to compute, shared by ``analyze`` and ``plan``."""

from __future__ import annotations

import codecs
import functools
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from cli.compose import Machine, Question
from cli.sources import Video
from kadr.contracts.errors import InvalidProfile
from kadr.contracts.profile import Profile
from kadr.pipeline import profiles

_CLOCK = re.compile(r"^(?:(?:(\d+):)?(\d{1,2}):)?(\d+)(?:\.(\d{1,3}))?$")
MAX_TEXT_BYTES = 4 << 20
OLD_ENCODINGS = ("cp1252", "cp1251")
"""That captions are told from when they are not Unicode."""


class Clock(click.ParamType[int]):
    """A time such as ``90``, ``01:30`` or ``1:02:03.250``, in ms."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Milliseconds of ``value``; fails with usage for anything else."""
        if isinstance(value, int):
            return value
        found = _CLOCK.match(str(value))
        if found is None:
            self.fail(f"{value!r} is not a time: write seconds, MM:SS or HH:MM:SS, e.g. 01:30", param, ctx)
        hours, minutes, seconds, fraction = found.groups()
        whole = (int(hours or 0) * 60 + int(minutes or 0)) * 60 + int(seconds)
        return whole * 1000 + int((fraction or "0").ljust(3, "0"))


@dataclass(frozen=True)
class Choice:
    """What the options ask for."""

    name: str
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    captions: Path | None = None

    def profile(self) -> Profile:
        """The profile with the options applied. Raises InvalidProfile."""
        profile = profiles.with_settings(profiles.load_profile(self.name), self.settings)
        return profiles.only(profile, self.only) if self.only else profile

    def for_video(
        self, video: Video, question: Question, machine: Machine, note: Callable[[str], None]
    ) -> Question:
        """``question`` for one video: captions given, or found beside it, are part of what is asked.

        Raises InvalidProfile for given ones that cannot be read; found ones are then left out, and ``note`` says so.
        """
        if "captions" not in question.profile.components:
            return question
        text = read_text(self.captions) if self.captions else _beside(video, note)
        if text is None:
            return question
        settings = {**self.settings, "captions": {**self.settings.get("captions", {}), "sidecar": text}}
        return machine.question(Choice(self.name, settings, self.only).profile())


def profile_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command; it gets them as one ``choice``."""

    file = click.Path(exists=True, dir_okay=False, path_type=Path)

    @click.option(
        "--profile", "name", default="standard", show_default=True, help="fast, standard, full or a FILE."
    )
    @click.option(
        "--set", "sets", multiple=True, metavar="NAME.PARAM=VALUE", help="Set a parameter: ocr.fps=0.5."
    )
    @click.option("--only", help="Only these components (comma-separated) and what they read.")
    @click.option("--from", "start", type=Clock(), help="Begin at this time, e.g. 00:10.")
    @click.option("--to", "end", type=Clock(), help="End at this time.")
    @click.option("--language", help="The speech's language, e.g. ru; default: detected.")
    @click.option("--vocabulary", type=file, help="File of words to expect, one a line.")
    @click.option("--audio-stream", type=click.IntRange(min=0), help="Audio stream; default: the best.")
    @click.option("--captions", type=file, help="An SRT or WebVTT file that belongs to the video.")
    @functools.wraps(function)
    def wrapped(
        name: str,
        sets: tuple[str, ...],
        only: str | None,
        start: int | None,
        end: int | None,
        language: str | None,
        vocabulary: Path | None,
        audio_stream: int | None,
        captions: Path | None,
        **rest: Any,
    ) -> Any:
        settings = parse_sets(sets)
        if start is not None and end is not None and end <= start:
            raise click.UsageError(f"--to {end} ms is not after --from {start} ms")
        for component, param, value in (
            ("probe", "from_ms", start),
            ("probe", "to_ms", end),
            ("pcm", "from_ms", start),
            ("pcm", "to_ms", end),
            ("speech", "language", language),
            ("speech", "vocabulary", _words(vocabulary)),
            ("pcm", "audio_stream", audio_stream),
        ):
            if value is not None:
                settings.setdefault(component, {})[param] = value
        names = tuple(n.strip() for n in only.split(",") if n.strip()) if only else ()
        return function(choice=Choice(name, settings, names, captions), **rest)

    return wrapped


def parse_sets(sets: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """``("ocr.fps=0.5",)`` as ``{"ocr": {"fps": 0.5}}``; values are JSON, or text if they are not."""
    settings: dict[str, dict[str, Any]] = {}
    for item in sets:
        path, found, value = item.partition("=")
        component, dot, param = path.partition(".")
        if not (found and dot and component and param):
            raise click.UsageError(f"--set {item!r}: write NAME.PARAM=VALUE, e.g. --set ocr.fps=0.5")
        settings.setdefault(component.strip(), {})[param.strip()] = _value(value)
    return settings


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _words(path: Path | None) -> list[str] | None:
    if path is None:
        return None
    return [word for line in read_text(path).splitlines() if (word := line.strip())]


def _beside(video: Video, note: Callable[[str], None]) -> str | None:
    path = video.sidecar
    try:
        return None if path is None else found_text(path)
    except InvalidProfile as error:
        note(f"{video.title}: its captions are left out: {error}")
        return None


def read_text(path: Path) -> str:
    """A small UTF-8 file that is part of the question. Raises InvalidProfile."""
    try:
        return _bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidProfile(f"{path} is not UTF-8 text: {error}") from error


def found_text(path: Path) -> str:
    """A small text file that nobody vouched for: UTF-8, UTF-16 with its mark, else what it most looks like.

    Raises InvalidProfile.
    """
    body = _bytes(path)
    marked = "utf-16" if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return body.decode(marked)
    except UnicodeDecodeError:
        from charset_normalizer import from_bytes

    best = from_bytes(body, cp_isolation=list(OLD_ENCODINGS)).best()
    if best is None:
        raise InvalidProfile(f"{path} is neither UTF-8 nor UTF-16 nor {' nor '.join(OLD_ENCODINGS)} text")
    return str(best)


def _bytes(path: Path) -> bytes:
    try:
        if (size := path.stat().st_size) > MAX_TEXT_BYTES:
            raise InvalidProfile(f"{path} has {size} bytes: at most {MAX_TEXT_BYTES} are read")
        return path.read_bytes()
    except OSError as error:
        raise InvalidProfile(f"cannot read {path}: {error.strerror}") from error
