"""The models of a process: cards, signatures, and shared sessions."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from inference.cards import BUILT_IN, CardFile, read_cards
from inference.engines import engine
from inference.weights import DigestCheck, ModelFiles, file_digest, locate, located, places
from kadr.contracts.errors import ModelUnavailable
from kadr.contracts.model import Model, ModelCard, model_signature

State = Literal["ok", "missing", "wrong"]


@dataclass(frozen=True)
class FileCheck:
    """One file of one model, hashed anew. ``found`` is its digest, ``path`` where it lies; both empty if missing."""

    model: str
    file: str
    state: State
    expected: str
    path: Path | None = None
    found: str | None = None


class LoadedModel:
    """A model whose engine is opened on first use, once, whichever thread comes first."""

    def __init__(self, files: ModelFiles, threads: int, device: str) -> None:
        self._files = files
        self._threads = threads
        self._device = device
        self._engine = engine(files.card.engine)
        self._lock = threading.Lock()
        self._native: Any = None

    @property
    def card(self) -> ModelCard:
        return self._files.card

    @cached_property
    def labels(self) -> tuple[str, ...]:
        if self.card.labels_file is None:
            return self.card.labels
        return tuple(self.file(self.card.labels_file).read_text(encoding="utf-8").splitlines())

    @property
    def native(self) -> Any:
        with self._lock:
            if self._native is None:
                self._native = self._engine.load(self._files, self._threads, self._device)
            return self._native

    def file(self, name: str) -> Path:
        return self._files.paths[name]

    def run(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return self._engine.run(self.native, self._files, inputs)


class LoadedModels:
    """The models that one component declared."""

    def __init__(self, models: Mapping[str, Model]) -> None:
        self._models = dict(models)

    def __getitem__(self, name: str) -> Model:
        try:
            return self._models[name]
        except KeyError:
            raise KeyError(f"{name!r} is not among the declared models {sorted(self._models)}") from None


class Registry:
    """Cards from ``own_cards`` (searched first) and ``cards_dir``; weights beside them or in ``weights_dirs``.

    Make one in a process: models of equal name and thread count are shared. Digests are checked before a model is
    handed out; the checks are remembered in the first of ``weights_dirs``.
    """

    def __init__(
        self,
        cards_dir: Path = BUILT_IN,
        weights_dirs: Sequence[Path] = (),
        own_cards: Sequence[Path] = (),
        device: str = "cpu",
    ) -> None:
        self._found = read_cards((*own_cards, cards_dir))
        self._weights_dirs = tuple(weights_dirs)
        self._digests = DigestCheck(weights_dirs[0] / ".checked" if weights_dirs else None)
        self._device = device
        self._lock = threading.Lock()
        self._loaded: dict[tuple[str, int], LoadedModel] = {}

    def names(self) -> list[str]:
        return sorted(self._found)

    def card(self, name: str) -> ModelCard:
        """Raises ModelUnavailable for a name that no card has."""
        return self._file(name).card

    def signature(self, name: str) -> str:
        return model_signature(self.card(name))

    def files(self, name: str) -> ModelFiles:
        """Where the model's files lie. Raises ModelUnavailable when they are not all here; hashes nothing."""
        return locate(self._file(name), self._weights_dirs)

    def missing(self, names: Iterable[str] | None = None) -> list[str]:
        """Those of the models whose files are not all here; hashes nothing."""
        wanted = self.names() if names is None else list(names)
        return [name for name in wanted if not located(self._file(name), self._weights_dirs)]

    def models(self, names: Iterable[str], threads: int) -> LoadedModels:
        """The models called ``names``, digests checked, each opened on its first use with ``threads`` threads.

        Raises ModelUnavailable (no such card, no weights) and ModelDigestMismatch.
        """
        return LoadedModels({name: self._model(name, threads) for name in names})

    def check(self, names: Iterable[str] | None = None) -> list[FileCheck]:
        """Every file of the models, hashed anew."""
        wanted = self.names() if names is None else names
        return [check for name in wanted for check in self._check(self._file(name))]

    def _file(self, name: str) -> CardFile:
        if name not in self._found:
            raise ModelUnavailable(
                f"no model is called {name!r}: there are cards for {', '.join(self.names())}"
            )
        return self._found[name]

    def _model(self, name: str, threads: int) -> LoadedModel:
        with self._lock:
            if (name, threads) not in self._loaded:
                files = self.files(name)
                for file in files.card.files:
                    self._digests.verify(files.card, file, files.paths[file.name])
                self._loaded[name, threads] = LoadedModel(files, threads, self._device)
            return self._loaded[name, threads]

    def _check(self, found: CardFile) -> list[FileCheck]:
        checks = []
        for file in found.card.files:
            paths = [p[file.name] for p in places(found, self._weights_dirs) if p[file.name].is_file()]
            digest = file_digest(paths[0]) if paths else None
            state: State = "missing" if digest is None else "ok" if digest == file.sha256 else "wrong"
            path = paths[0] if paths else None
            checks.append(FileCheck(found.card.name, file.name, state, file.sha256, path, digest))
        return checks
