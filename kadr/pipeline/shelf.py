"""What a video has of a component's results, by one listing for all keys: a run that looks for many of them asks once."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from kadr.pipeline.spec import TaskSpec
from kadr.storage import layout
from kadr.storage.results import Found, find
from kadr.storage.store import Listed, ObjectStore

FOUND_S = 10.0
"""Whoever records what was found has just listed it: this long ago at most."""
MISSED_S = 60.0
"""How long what was not there is taken to be missing still: the shell that is to compute it looks again."""
MOST = 500
"""Listings that are kept."""


@dataclass(frozen=True)
class _Looked:
    at: float
    by_key: dict[str, list[Listed]]


class Shelf:
    """Looks results up like :func:`kadr.pipeline.recording.lookup`. Safe for many threads."""

    def __init__(self, store: ObjectStore, found_s: float = FOUND_S, missed_s: float = MISSED_S) -> None:
        self._store = store
        self._found_s = found_s
        self._missed_s = missed_s
        self._looked: OrderedDict[tuple[str, str], _Looked] = OrderedDict()
        self._lock = threading.Lock()

    def lookup(self, spec: TaskSpec) -> dict[str, Found]:
        """The wanted results that are there, by output name; none that came after the run's last look at the component."""
        looked = self._look(spec, self._missed_s)
        found = self._among(looked, spec)
        if len(found) < len(spec.wanted) or time.monotonic() - looked.at <= self._found_s:
            return found
        return self._among(self._look(spec, 0), spec)

    def _among(self, looked: _Looked, spec: TaskSpec) -> dict[str, Found]:
        where = (spec.owner, spec.video_id, spec.component)
        found = {w.name: find(self._store, *where, w.key, looked.by_key.get(w.key, ())) for w in spec.wanted}
        return {name: there for name, there in found.items() if there is not None}

    def _look(self, spec: TaskSpec, at_most_s: float) -> _Looked:
        at = (spec.run_id, spec.component)
        with self._lock:
            looked = self._looked.get(at)
        if looked is not None and time.monotonic() - looked.at <= at_most_s:
            return looked
        began = time.monotonic()
        looked = _Looked(began, _by_key(self._store.entries(_prefix(spec))))
        with self._lock:
            self._looked[at] = looked
            self._looked.move_to_end(at)
            while len(self._looked) > MOST:
                self._looked.popitem(last=False)
        return looked


def _prefix(spec: TaskSpec) -> str:
    return layout.results_prefix(spec.owner, spec.video_id, spec.component)


def _by_key(listed: Iterable[Listed]) -> dict[str, list[Listed]]:
    found: dict[str, list[Listed]] = {}
    for entry in listed:
        if (result := layout.parse_result(entry.name)) is not None:
            found.setdefault(result[2], []).append(entry)
    return found
