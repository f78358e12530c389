"""The command that asks again what a run was asked: it resumes one that was stopped and retries one that failed."""

from __future__ import annotations

import json
import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cli.compose import Machine
from cli.options import Choice
from cli.sources import Video, path_of
from cli.tracker import exactly
from kadr.contracts.errors import KadrError
from kadr.contracts.profile import whole_name
from kadr.contracts.run import Request
from kadr.pipeline.catalogue import Catalogue
from kadr.pipeline.profiles import config_hash

OPTIONS = {
    "--from": (("probe", "pcm"), "from_ms"),
    "--to": (("probe", "pcm"), "to_ms"),
    "--language": (("speech",), "language"),
    "--audio-stream": (("pcm",), "audio_stream"),
}
"""Options of ``kadr analyze`` that set a parameter of all these components that are in the run."""
SIDECAR = ("captions", "sidecar")
"""The parameter that is a whole text: what lies beside the video is found there again."""
FAILS_ALIKE = ("VideoUnreadable", "InvalidProfile")
"""Errors that the same bytes, asked the same, give every time."""


def command_of(
    machine: Machine, request: Request, path: Path | None = None, resuming: bool = False
) -> str | None:
    """``kadr analyze …`` that asks the same of the video, at ``path`` if that is another copy of it.

    ``resuming``: the run is open, and the command is to go on with it even if another answers already.

    None if that cannot be told, as of a profile in some file.
    """
    path = path or path_of(request.source)
    profile = whole_name(request.profile_name)
    wanted = request.profile["components"]
    only = _leaves(wanted, machine.catalogue) if profile != request.profile_name else ()
    try:
        settings = _settings(machine, Choice(profile, only=only), wanted)
        same = machine.question(Choice(profile, settings, only).profile())
    except KadrError:
        return None
    sidecar = settings.get(SIDECAR[0], {}).pop(SIDECAR[1], None)
    if config_hash(same.profile) != request.config_hash or (sidecar and not _beside(path)):
        return None
    words = ["kadr", "analyze", str(path), "--profile", profile]
    words += ["--only", ",".join(only)] if only else []
    words += ["--refresh"] if resuming and request.refresh else []
    words += _short(settings, wanted)
    for component, params in settings.items():
        for name, value in params.items():
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            words += ["--set", f"{component}.{name}={text}"]
    return shlex.join(words)


def _short(settings: Mapping[str, dict[str, Any]], wanted: Mapping[str, Any]) -> list[str]:
    """Those of ``settings`` that an option sets, as that option; they are taken out."""
    words = []
    for option, (components, param) in OPTIONS.items():
        there = [c for c in components if c in wanted]
        values = [settings.get(c, {}).get(param) for c in there]
        if values and values[0] is not None and all(v == values[0] for v in values):
            words += [option, exactly(values[0]) if param.endswith("_ms") else str(values[0])]
            for component in there:
                del settings[component][param]
    return words


def in_words(command: str | None, profile: str) -> str:
    """``command`` as a sentence names it; what to do instead where it cannot be told."""
    other = f"`kadr analyze` of the same video with the same options (profile {profile})"
    return f"`{command}`" if command else other


def helps(codes: Sequence[str]) -> bool:
    """Whether asking the same again may mend what failed with errors of these ``codes``."""
    return not codes or any(code not in FAILS_ALIKE for code in codes)


def _beside(path: Path) -> bool:
    return Video(path, path.name, path.parent).sidecar is not None


def _leaves(wanted: Mapping[str, Any], catalogue: Catalogue) -> tuple[str, ...]:
    """Those of ``wanted`` that no other of them needs."""
    entries = [catalogue.components[n] for n in wanted if n in catalogue.components]
    needed = {r.component for e in entries for r in e.reads if not r.optional} | {e.plan for e in entries}
    return tuple(n for n in sorted(wanted) if n not in needed)


def _settings(machine: Machine, choice: Choice, wanted: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What of ``wanted`` is not as ``choice`` has it. ``packs`` follow from the rest. Raises KadrError."""
    settings: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for name, usual in machine.question(choice.profile()).profile.components.items():
        asked = wanted.get(name, {})
        for part, values in (("params", usual.params), ("frames", usual.frames or {})):
            given = asked.get(part) or {}
            settings[name] |= {
                k: given[k] for k, v in values.items() if k in given and given[k] != v and k != "packs"
            }
    return {name: params for name, params in settings.items() if params}
