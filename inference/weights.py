"""Where a model's files lie, and whether they are the ones that its card names."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import BinaryIO

from inference.cards import CardFile
from kadr.contracts.errors import ModelDigestMismatch, ModelUnavailable
from kadr.contracts.model import ModelCard, WeightFile

BLOCK = 1 << 20
SETTLED_NS = 2_000_000_000
"""A file younger than this may change without its time changing: its check is not remembered."""


@dataclass(frozen=True)
class ModelFiles:
    """A model's card and the paths of its files, all present."""

    card: ModelCard
    paths: Mapping[str, Path]

    @property
    def main(self) -> Path:
        """The file that the engine opens."""
        return self.paths[self.card.file]


@dataclass(frozen=True)
class DigestCheck:
    """SHA-256 of files, remembered in ``folder`` by path, size and times, so that a start does not hash again.

    Without a folder nothing outlives the process.
    """

    folder: Path | None = None
    _seen: dict[str, str] = field(default_factory=dict)

    def digest(self, path: Path) -> str:
        """SHA-256 of the file's bytes: remembered, or computed now."""
        facts = self._facts(path)
        known = self._seen.get(facts) or self._recall(facts)
        if known is None:
            known = file_digest(path)
            if self._facts(path) == facts and _settled(path):
                self._remember(facts, known)
        return known

    def verify(self, card: ModelCard, file: WeightFile, path: Path) -> None:
        """Raises ModelDigestMismatch unless ``path`` has the digest that ``card`` names for ``file``."""
        found = self.digest(path)
        if found != file.sha256:
            raise ModelDigestMismatch(mismatch_text(card, path, file.sha256, found))

    @staticmethod
    def _facts(path: Path) -> str:
        stat = path.stat()
        return json.dumps([str(path.resolve()), stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns])

    def _note(self, facts: str) -> Path | None:
        return self.folder / f"{hashlib.sha256(facts.encode()).hexdigest()}.sha256" if self.folder else None

    def _recall(self, facts: str) -> str | None:
        note = self._note(facts)
        if note is None or not note.is_file():
            return None
        text = note.read_text(encoding="ascii", errors="replace").strip()
        return text if len(text) == 64 else None

    def _remember(self, facts: str, digest: str) -> None:
        self._seen[facts] = digest
        note = self._note(facts)
        if note is None:
            return
        # A read-only or full disk costs only the memory of this check.
        with suppress(OSError):
            note.parent.mkdir(parents=True, exist_ok=True)
            partial = note.with_suffix(f".{os.getpid()}")
            partial.write_text(digest, encoding="ascii")
            partial.replace(note)


def _settled(path: Path) -> bool:
    stat = path.stat()
    return time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) > SETTLED_NS


def file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return stream_digest(file)


def stream_digest(stream: BinaryIO) -> str:
    state = hashlib.sha256()
    while block := stream.read(BLOCK):
        state.update(block)
    return state.hexdigest()


def mismatch_text(card: ModelCard, path: Path, expected: str, found: str) -> str:
    """What was wrong, with both digests, and what to do."""
    remedy = f"Delete it and run `kadr models pull {card.name}`." if pullable(card) else _remedy(card)
    return (
        f"{path} is not the file that the card of {card.name} names: expected SHA-256 {expected}, found {found}. "
        f"{remedy} If another model is meant, give it a card of its own."
    )


def pullable(card: ModelCard) -> bool:
    """Whether `kadr models pull` can fetch this model."""
    return bool(card.source.parts) and not card.source.installed


def places(found: CardFile, weights_dirs: Sequence[Path]) -> Iterator[dict[str, Path]]:
    """Where the model's files may lie, in order: beside the card, in ``weights_dirs``, in an installed package."""
    card = found.card
    version = str(card.version)
    for folder in (found.folder / version, *(d / card.name / version for d in weights_dirs)):
        yield {f.name: folder / f.name for f in card.files}
    if card.source.installed:
        with suppress(PackageNotFoundError):
            yield {
                p.file: Path(str(distribution(p.package).locate_file(p.member))) for p in card.source.parts
            }


def located(found: CardFile, weights_dirs: Sequence[Path]) -> ModelFiles | None:
    """The first place that has all of the model's files; None if there is none."""
    for paths in places(found, weights_dirs):
        if all(path.is_file() for path in paths.values()):
            return ModelFiles(found.card, paths)
    return None


def locate(found: CardFile, weights_dirs: Sequence[Path]) -> ModelFiles:
    """As ``located``. Raises ModelUnavailable naming what is missing, where it was looked for, and how to get it."""
    files = located(found, weights_dirs)
    if files is None:
        raise ModelUnavailable(missing_text(found, weights_dirs))
    return files


def missing_text(found: CardFile, weights_dirs: Sequence[Path]) -> str:
    """Which files are missing, where they were looked for, and how to get them."""
    card = found.card
    looked = sorted({str(path.parent) for paths in places(found, weights_dirs) for path in paths.values()})
    files = "\n".join(f"  {f.name}  {f.size} bytes  SHA-256 {f.sha256}" for f in card.files)
    return f"{card.name} has no weights on this machine. Its files\n{files}\nwere looked for in {', '.join(looked)}. {_remedy(card)}"


def _remedy(card: ModelCard) -> str:
    if pullable(card):
        return f"Run `kadr models pull {card.name}`."
    if card.source.installed:
        return "Install " + ", ".join(f"{p.name}=={p.version}" for p in card.source.packages) + "."
    return "Put the files that the card names into its folder."
