"""What parses Kadr's own formats, as functions of bytes. Each gives a value or raises an error that it documents; nothing else."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import click
import numpy as np

from cli.options import Clock, Language, parse_sets
from kadr.contracts.errors import InvalidObject, InvalidProfile, KadrError, ObjectMissing, PayloadExpired
from kadr.contracts.keys import sha256_json
from kadr.contracts.run import Record, Request
from kadr.media.cues import MAX_CUES, sidecar_cues
from kadr.pipeline import catalogue, profiles
from kadr.pipeline.admission import read_request
from kadr.pipeline.epochs import Stored, parse
from kadr.pipeline.manifests import read_manifest
from kadr.pipeline.messages import Advanced, Finished, Noted, decode, encode
from kadr.pipeline.state import evaluate
from kadr.storage import layout, npz
from kadr.storage.files import FileStore
from kadr.storage.results import ResultId, find_result, read_result
from tests.fuzz.front_door import scratch

HELD = Path(__file__).parents[1] / "corpus" / "0.1.0"
"""What a version of Kadr wrote."""
FOUND = Path(__file__).parent / "corpus"
"""By target: inputs that once broke something."""


@dataclass(frozen=True)
class Target:
    """``reads`` is given bytes; of errors it may raise ``refusals`` only. ``seeds``: honest inputs."""

    reads: Callable[[bytes], Any]
    refusals: tuple[type[Exception], ...]
    seeds: Callable[[], Iterator[bytes]]


@cache
def folder() -> Path:
    """Where this process's targets write what is to be read."""
    holder = tempfile.TemporaryDirectory(dir=scratch(), prefix="kadr-formats-")
    _kept.append(holder)
    return Path(holder.name)


_kept = list[tempfile.TemporaryDirectory[str]]()


@cache
def store() -> FileStore:
    return FileStore(folder() / "store")


# -- NPZ -----------------------------------------------------------------------------------------------------------------

ARRAYS: dict[str, np.ndarray[Any, Any]] = {
    "times": np.arange(5, dtype=np.int64),
    "boxes": np.ones((3, 4), dtype=np.float32),
    "none": np.zeros((0, 2), dtype=np.uint8),
}
MAPPED: dict[str, np.ndarray[Any, Any]] = {"samples": np.zeros(npz.MMAP_FROM // 2, dtype=np.int16)}


def _expected(arrays: dict[str, np.ndarray[Any, Any]]) -> dict[str, tuple[str, tuple[int, ...]]]:
    return {name: (a.dtype.name, a.shape) for name, a in arrays.items()}


def _npz(arrays: dict[str, np.ndarray[Any, Any]]) -> bytes:
    file = io.BytesIO()
    npz.write_npz(file, arrays)
    return file.getvalue()


def _read_npz(body: bytes, arrays: dict[str, np.ndarray[Any, Any]] = ARRAYS) -> None:
    path = folder() / "some.npz"
    path.write_bytes(body)
    found = npz.read_npz(path, _expected(arrays))
    assert {n: (a.dtype, a.shape) for n, a in found.items()} == {
        n: (a.dtype, a.shape) for n, a in arrays.items()
    }
    for array in found.values():
        array.tobytes()


def _read_mapped(body: bytes) -> None:
    """The first and last bytes of a file whose middle, the array, is a megabyte of zeros: ``body`` says what stands around it."""
    whole = _npz(MAPPED)
    half = len(body) // 2
    _read_npz(body[:half] + whole[_EDGE:-_EDGE] + body[half:], MAPPED)


_EDGE = 256


# -- objects of the store -------------------------------------------------------------------------------------------------


def _bodies(pattern: str) -> Iterator[bytes]:
    return (path.read_bytes() for path in sorted(HELD.glob(pattern)))


_RESULT = ("local", "v" * 8, "voice", "a" * 64, "d" * 64)


def _read_result(body: bytes) -> None:
    at = ResultId(*_RESULT)
    store().put(at.json, body)
    store().put(at.npz, _npz(ARRAYS))
    find_result(FileStore(store().root), *_RESULT[:4])
    with contextlib.suppress(InvalidObject):  # the digest is another's
        read_result(store(), at, verify=True)
    read_result(store(), at)


def _results() -> Iterator[bytes]:
    for path in sorted(HELD.glob("results/*/*/*/*/*.json"))[::4]:
        yield path.read_bytes().replace(path.stem.encode(), _RESULT[4].encode())
    described = {n: {"dtype": a.dtype.name, "shape": list(a.shape), "unit": ""} for n, a in ARRAYS.items()}
    header = {"schema": {"name": "voice", "major": 1, "minor": 0}, "retention": "kept", "digest": _RESULT[4]}
    yield json.dumps(
        {**header, "arrays": described, "payload": {}, "key": "a" * 64, "ingredients": {}}
    ).encode()


def _read_name(body: bytes) -> None:
    name = body.decode("utf-8", "surrogateescape")
    layout.parse_state(name)
    layout.parse_result(name)
    layout.video_id_of_reference(name)
    layout.run_of(name)
    layout.video_id_of(name)


def _names() -> Iterator[bytes]:
    for path in sorted(p for p in HELD.rglob("*") if p.is_file()):
        name = path.relative_to(HELD).as_posix()
        yield name.encode()
        if name.startswith("state/"):
            yield name.split("/", 3)[3].encode()


@cache
def _run() -> tuple[Request, dict[str, Stored]]:
    """A run that was held, with all its objects."""
    root = sorted(HELD.glob("state/*/*/request.json"))[0].parent
    request = Request.model_validate_json((root / "request.json").read_bytes())
    found = {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*.json"))}
    return request, {n: v for n, b in found.items() if (v := parse(n, b)) is not None}


def _read_state(body: bytes) -> None:
    """A name, a line feed, an object's body: read, and evaluated among the objects of a run."""
    name, _, rest = body.partition(b"\n")
    at = name.decode("utf-8", "surrogateescape")
    value = parse(at, rest)
    if value is not None:
        request, objects = _run()
        evaluate(request, {**objects, at: value})
        evaluate(request, {at: value})


def _states() -> Iterator[bytes]:
    for path in sorted(p for p in HELD.glob("state/*/*/**/*.json") if p.name != "request.json"):
        name = path.relative_to(HELD).as_posix().split("/", 3)[3]
        yield name.encode() + b"\n" + path.read_bytes()
    for mark in ("retry.2.json", "cancelled.1.json"):
        yield mark.encode() + b'\n{"reason": "x"}'


def _read_request(body: bytes) -> None:
    store().put(layout.request("local", "r"), body)
    read_request(store(), "local", "r")


def _read_manifest(body: bytes) -> None:
    """Under the digest that it has, as far as it has one."""
    try:
        digest = sha256_json(json.loads(body))
    except (ValueError, RecursionError):
        digest = hashlib.sha256(body).hexdigest()
    request, _ = _run()
    store().put(layout.manifest(request.owner, request.run_id, digest), body)
    try:
        manifest = read_manifest(store(), request, digest)
    finally:
        store().delete(layout.manifest(request.owner, request.run_id, digest))
    assert manifest.digest == digest
    assert manifest.video_id is None or manifest.video_id


# -- what people write ------------------------------------------------------------------------------------------------------


def _read_profile(body: bytes) -> None:
    """TOML, or JSON after an ``@``."""
    path = folder() / ("some.json" if body[:1] == b"@" else "some.toml")
    path.write_bytes(body.removeprefix(b"@"))
    profiles.normalise(profiles.load_profile(str(path)), catalogue.load(), lambda name: "0" * 64)


def _profiles() -> Iterator[bytes]:
    for path in sorted(profiles.FOLDER.glob("*.toml")):
        yield path.read_bytes()
    yield b'components = ["ocr", "speech"]\nrequired = ["ocr"]\n[set.ocr]\nfps = 0.5\n[set.speech]\nlanguage = "en"\n'
    yield b'@{"components": ["quality"], "set": {"probe": {"from_ms": 5, "chunk_ms": 1000}}, "cache_ttl_days": null}'


def _read_captions(body: bytes) -> None:
    cues = sidecar_cues(body.decode("utf-8", "replace"))
    assert cues == sorted(cues)
    assert len(cues) <= MAX_CUES
    assert all(0 <= c.start_ms < c.end_ms and c.text for c in cues)
    np.array([(c.start_ms, c.end_ms) for c in cues], dtype=np.int64)


def _captions() -> Iterator[bytes]:
    yield b"1\r\n00:00:01,000 --> 00:00:02,500\r\n<b>Hi</b> there\r\n\r\n2\r\n99:59:59,999 --> 100:00:00,000\r\nx\r\n"
    yield b"WEBVTT - x\n\nSTYLE\n::cue {}\n\nNOTE n\n\nid\n00:01.000 --> 00:02.000 align:start\n<v Bob>Hi</v> &lt;\n"
    yield b"[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize\nStyle: Default,Arial,16\n\n\
[Events]\nFormat: Layer, Start, End, Style, Text\nDialogue: 0,0:00:01.00,0:00:02.00,Default,{\\i1}x{\\i0}\\Ny\n"
    yield b"{1}{25}microdvd|two lines\n"


def _read_words(body: bytes) -> None:
    """What options take: a time, a language, a setting."""
    text = body.decode("utf-8", "surrogateescape")
    errors = list[Exception]()
    for convert in (
        lambda t: Clock().convert(t, None, None),
        lambda t: Language().convert(t, None, None),
        lambda t: parse_sets((t,)),
    ):
        try:
            convert(text)
        except click.UsageError as error:
            errors.append(error)


def _words() -> Iterator[bytes]:
    yield from (
        b"90",
        b"01:30",
        b"1:02:03.250",
        b"en-US",
        b"rus",
        b"ocr.fps=0.5",
        b'speech.language="en"',
        b"ocr.x=[1, {}]",
    )


# -- what processes say to each other -----------------------------------------------------------------------------------------


def _read_message(body: bytes) -> None:
    said = decode(body)
    assert decode(encode(said)) is not None


def _messages() -> Iterator[bytes]:
    _, objects = _run()
    yield encode(Advanced(ticket=1, fraction=0.5))
    yield encode(Noted(text="x"))
    yield encode(
        Finished(ticket=2, code="WorkerDied", message="x", retryable=True, details={"traceback": "y"})
    )
    yield from (encode(Finished(ticket=3, record=r)) for r in objects.values() if isinstance(r, Record))


STORED = (InvalidObject, ObjectMissing, PayloadExpired)
TARGETS = {
    "npz": Target(_read_npz, (InvalidObject,), lambda: iter([_npz(ARRAYS)])),
    "npz-mapped": Target(
        _read_mapped, (InvalidObject,), lambda: iter([_npz(MAPPED)[:_EDGE] + _npz(MAPPED)[-_EDGE:]])
    ),
    "results": Target(_read_result, STORED, _results),
    "names": Target(_read_name, (), _names),
    "state": Target(_read_state, (InvalidObject,), _states),
    "requests": Target(_read_request, STORED, lambda: _bodies("state/*/*/request.json")),
    "manifests": Target(_read_manifest, STORED, lambda: _bodies("runs/*/*/manifest.json")),
    "profiles": Target(_read_profile, (InvalidProfile,), _profiles),
    "captions": Target(_read_captions, (InvalidProfile,), _captions),
    "options": Target(_read_words, (), _words),
    "messages": Target(_read_message, (ValueError,), _messages),
}


def tried(name: str, body: bytes) -> bool:
    """Whether target ``name`` takes ``body`` (True) or refuses it as it documents (False). Whatever else it raises leaves here."""
    target = TARGETS[name]
    try:
        target.reads(body)
    except target.refusals as error:
        if isinstance(error, KadrError) and not str(error):
            raise AssertionError("an error without a word") from error
        return False
    return True
