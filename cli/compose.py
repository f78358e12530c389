"""Puts the parts together for commands that work on this machine: store, models, coordinator."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kadr.contracts.errors import ModelUnavailable, StoreFailure
from kadr.contracts.profile import NormalProfile, Profile
from kadr.contracts.run import CaptionsFile, Graph
from kadr.pipeline import catalogue, profiles
from kadr.pipeline.graph import build
from kadr.settings import Settings
from kadr.storage.claims import FileClaims
from kadr.storage.files import FileStore

if TYPE_CHECKING:
    from cli.fetch import Fetcher
    from inference.registry import Registry
    from kadr.pipeline.local import Coordinator, Event

MAX_THREADS = 4
MODELS_MALLOC = {
    "glibc.malloc.hugetlb": 1,
    "glibc.malloc.arena_max": 1,
    "glibc.malloc.mmap_threshold": 8 << 20,
    "glibc.malloc.trim_threshold": 256 << 20,
}
"""How glibc serves a process of models, which asks for hundreds of megabytes a picture: in huge pages, kept until a task ends.

What is larger than 8 MB is mapped and unmapped each time: with 32 MB the heap keeps gaps that later tasks do not fit into, and
how many is chance. On the reel with `standard` the process holds 0.73 GB at most (0.74 and 0.82 with 32 MB), for 1.13 GB with
ONNX Runtime's own arena; CPU time is 55.0 s for 54.5 s. Other C libraries ignore it."""
ROOT = Path(__file__).parents[1]


def cores() -> int:
    """Cores that this process may use; where the system cannot say (macOS), all that there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class Question:
    """A normal profile with its graph and the models that it resolves to."""

    profile: NormalProfile
    graph: Graph
    models: Mapping[str, Mapping[str, Any]]
    captions_file: CaptionsFile | None = None
    refresh: bool = False


class Machine:
    """This machine's parts, made when they are first needed."""

    def __init__(self, settings: Settings | None = None) -> None:
        self.settings = settings or Settings.read()

    @cached_property
    def store(self) -> FileStore:
        """The local store, rid of what killed processes left half-written."""
        store = FileStore(self.settings.store)
        if self.settings.store.is_dir():
            store.sweep()
        return store

    def check_store(self) -> None:
        """Raises StoreFailure, before anything is spent, if nothing could be kept here."""
        folder = self.settings.store
        try:
            folder.mkdir(parents=True, exist_ok=True)
            why = "" if os.access(folder, os.W_OK) else "permission denied"
        except OSError as error:
            why = str(error.strerror)
        if why:
            raise StoreFailure(f"nothing can be kept in {folder}: {why}; name another folder by KADR_HOME")

    @cached_property
    def claims(self) -> FileClaims:
        return FileClaims(self.settings.store / "claims")

    @cached_property
    def catalogue(self) -> catalogue.Catalogue:
        return catalogue.load()

    @cached_property
    def registry(self) -> Registry:
        from inference.registry import Registry

        own = (self.settings.models,) if self.settings.models else ()
        return Registry(weights_dirs=(self.settings.weights, *own), own_cards=own)

    @property
    def threads(self) -> int:
        return self.settings.threads or min(MAX_THREADS, cores())

    def question(self, profile: Profile) -> Question:
        """``profile`` made normal. Raises InvalidProfile."""
        normal = profiles.normalise(profile, self.catalogue, self.registry.signature)
        names = sorted({m for c in normal.components.values() for m in c.models})
        return Question(normal, build(normal, self.catalogue), {n: self._use(n) for n in names})

    def _use(self, name: str) -> dict[str, Any]:
        card = self.registry.card(name)
        return {
            "name": card.name,
            "version": card.version,
            "signature": self.registry.signature(name),
            "engine": card.engine,
            "precision": card.precision,
            "licence": card.licence,
        }

    def require_weights(self, question: Question) -> None:
        """Raises ModelUnavailable naming every model of ``question`` whose weights are not here."""
        if missing := self.registry.missing(question.models):
            raise ModelUnavailable(
                f"the weights of {', '.join(missing)} are not on this machine: run `kadr models pull {' '.join(missing)}`"
                f" (they go to {self.settings.weights}), or leave out what needs them with --only"
            )

    def fetcher(self, profile: Profile, note: Callable[[str], None]) -> Fetcher:
        """For videos behind URLs, as fresh as ``profile`` wants them."""
        from cli.fetch import GB, Fetcher

        settings = self.settings
        return Fetcher(settings.home / "downloads", note, profile.cache_ttl_days, settings.fetch_gb * GB)

    def coordinator(
        self, on_event: Callable[[Event], None], on_note: Callable[[str], None], jobs: int | None = None
    ) -> Coordinator:
        """A coordinator with its two worker processes, not started yet."""
        from kadr.pipeline.budget import of_machine
        from kadr.pipeline.local import Coordinator
        from kadr.pipeline.workers import Host

        return Coordinator(
            self.store,
            self.claims,
            self.catalogue,
            Host("media", self._command("media", jobs), on_note),
            Host("models", self._command("models", jobs), on_note, self.malloc()),
            of_machine(self.catalogue, jobs or cores()),
            on_event,
        )

    def malloc(self) -> dict[str, str]:
        """Of a tunable that is told twice the last one counts."""
        ours = [f"{name}={value}" for name, value in MODELS_MALLOC.items()]
        theirs = self.settings.glibc_tunables
        return {"GLIBC_TUNABLES": ":".join([*ours, *([theirs] if theirs else [])])}

    def _command(self, role: str, jobs: int | None) -> list[str]:
        """A worker process with room for as many tasks as the budget lets run at once."""
        tasks = max(2, jobs or cores())
        store, threads = str(self.settings.store), str(self.threads)
        return [sys.executable, "-m", "cli.worker", role, store, threads, str(tasks)]
