"""The options that say what to compute, shared by ``analyze`` and ``plan``."""

from __future__ import annotations

import codecs
import functools
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import click

from cli.compose import Machine, Question
from cli.sources import Video, shown
from cli.tracker import exactly
from kadr.contracts.errors import InvalidProfile
from kadr.contracts.faults import meant
from kadr.contracts.profile import Profile
from kadr.contracts.run import CaptionsFile
from kadr.craft.languages import NAMES, OTHERWISE
from kadr.pipeline import catalogue, profiles

_LANGUAGE = re.compile(r"^([a-z]{2,3})(?:[-_][a-z]{2})?$")
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


class Language(click.ParamType[str]):
    """A language by its ISO 639 code, as ``en``, ``EN``, ``eng`` or ``en-US``."""

    name = "CODE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The code in small letters, of two where there is such a one; fails with usage for anything else."""
        text = str(value).lower()
        found = _LANGUAGE.match(text)
        code = found[1] if found else text
        if found is None:
            wrong = "is no code of a language: write that of ISO 639-1, as en, ru or zh"
            self.fail(f"{value!r} {wrong}{_meant_language(code)}", param, ctx)
        if len(code) == 3:
            code = _short_code(code)
        if code not in NAMES:
            wrong = f"is none of the {len(NAMES)} languages that speech knows"
            self.fail(f"{value!r} {wrong}{_meant_language(code)}: docs/profiles.md lists them", param, ctx)
        return code


def given(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    """A callback of arguments and options: ``""``, as from a variable that is not set, names nothing."""
    if value == "" or (isinstance(value, tuple) and "" in value):
        raise click.BadParameter("it is empty", ctx, param)
    return value


def _meant_language(text: str) -> str:
    instead = OTHERWISE.get(text)
    return f" (did you mean {instead!r}?)" if instead else meant(text, NAMES)


def _short_code(code: str) -> str:
    from yt_dlp.utils import ISO639Utils

    return ISO639Utils.long2short(code) or code


@dataclass(frozen=True)
class Choice:
    """What the options ask for. ``spoken``: each option as it was written, and the components that it speaks to.

    ``captions``: the text of those that were given for the video; ``captions_name``: of their file.
    """

    name: str
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    captions: str | None = None
    spoken: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    captions_name: str = ""

    def profile(self) -> Profile:
        """The profile with the options applied. Raises InvalidProfile, also for an option that would do nothing."""
        profile = profiles.load_profile(self.name)
        if self.only:
            profile = profiles.only(profile, self.only)
        known = catalogue.load()
        names = profiles.components_of(profile, known)
        idle = {n for n, e in known.components.items() if n not in names and e.scope != "run"}
        for option, components in self.spoken.items():
            if idle.issuperset(components):
                raise InvalidProfile(f"{option}: {profiles.absent(components[0], names)}")
        return profiles.with_settings(profile, self.settings)

    def check(self, videos: Sequence[Video]) -> None:
        """Raises click.UsageError for captions that would be taken for those of several videos."""
        if self.captions is not None and len(videos) > 1:
            raise click.UsageError(f"--captions belong to one video, and there are {len(videos)}")

    def for_video(
        self, video: Video, question: Question, machine: Machine, note: Callable[[str], None]
    ) -> Question:
        """``question`` for one video: captions given, or found beside it, are part of what is asked.

        Found ones that cannot be read are left out, and ``note`` says so, as does the request of the run.
        """
        if "captions" not in question.profile.components:
            return question
        text, file = self.captions, CaptionsFile(name=self.captions_name)
        if text is None:
            if video.sidecar is None:
                return question
            text, file = _beside(video, video.sidecar, note)
        if text is None:
            return replace(question, captions_file=file)
        settings = {**self.settings, "captions": {**self.settings.get("captions", {}), "sidecar": text}}
        mine = machine.question(Choice(self.name, settings, self.only).profile())
        return replace(mine, captions_file=file)


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
    @click.option("--language", type=Language(), help="The speech's language, e.g. ru; default: detected.")
    @click.option("--vocabulary", type=file, help="File of words to expect, one a line.")
    @click.option(
        "--audio-stream",
        type=click.IntRange(min=0),
        metavar="NUMBER",
        help="Which sound to hear, by its number among all streams of the file, from 0; default: the file's own choice.",
    )
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
        spoken: dict[str, tuple[str, ...]] = {
            f"--set {item}": (item.partition(".")[0].strip(),) for item in sets
        }
        if start is not None and end is not None and end <= start:
            raise click.UsageError(f"--to {exactly(end)} is not after --from {exactly(start)}")
        if end == 0:
            raise click.UsageError("--to 0 leaves nothing to analyse")
        for option, components, param, value in (
            ("--from", ("probe", "pcm"), "from_ms", start),
            ("--to", ("probe", "pcm"), "to_ms", end),
            ("--language", ("speech",), "language", language),
            ("--vocabulary", ("speech",), "vocabulary", _words(vocabulary)),
            ("--audio-stream", ("pcm",), "audio_stream", audio_stream),
        ):
            if value is not None:
                spoken[option] = components
                for component in components:
                    settings.setdefault(component, {})[param] = value
        if captions is not None:
            spoken["--captions"] = ("captions",)
        names = tuple(n.strip() for n in only.split(",") if n.strip()) if only is not None else ()
        if only is not None and not names:
            raise click.UsageError(f"--only {only!r} names no component: write e.g. --only speech,ocr")
        text = None if captions is None else _captions(captions, read_text(captions))
        file_name = "" if captions is None else shown(captions.name)
        return function(choice=Choice(name, settings, names, text, spoken, file_name), **rest)

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


def _beside(video: Video, path: Path, note: Callable[[str], None]) -> tuple[str | None, CaptionsFile]:
    """The text of ``path``, if it can be read, and what there is to say of the file."""
    name = shown(path.name)
    try:
        return _captions(path, found_text(path)), CaptionsFile(name=name)
    except InvalidProfile as error:
        note(f"{video.title}: its captions are left out: {error}")
        return None, CaptionsFile(name=name, unread=str(error).replace(str(path), name))


def _captions(path: Path, text: str) -> str:
    """``text`` of ``path`` once it is known to hold captions. Raises InvalidProfile."""
    from kadr.media.cues import sidecar_cues

    try:
        sidecar_cues(text)
    except InvalidProfile as error:
        raise InvalidProfile(f"{path} cannot be read. {error}") from error
    return text


def read_text(path: Path) -> str:
    """A small UTF-8 file that is part of the question. Raises InvalidProfile."""
    try:
        return _bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidProfile(f"{path} is not UTF-8 text (see its byte {error.start})") from error


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
        with path.open("rb") as file:
            body = file.read(MAX_TEXT_BYTES + 1)
    except OSError as error:
        raise InvalidProfile(f"cannot read {path}: {error.strerror}") from error
    if len(body) > MAX_TEXT_BYTES:
        raise InvalidProfile(f"{path} is longer than the {MAX_TEXT_BYTES} bytes that are read")
    return body
