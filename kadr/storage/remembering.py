"""An object store that remembers small bodies which never change, so that one process asks for each of them once."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from kadr.storage import layout
from kadr.storage.store import Listed, ObjectStore

MOST_BYTES = 64 << 20
LARGEST = 1 << 20
"""What is larger is not worth its room."""


def is_state(name: str) -> bool:
    """Of records, marks, and manifests by their digest. Not of requests: while one is there, so is its run."""
    run = layout.parse_run(name)
    return layout.is_manifest(name) if run is None else layout.parse_state(run[2]) is not None


def is_result(name: str) -> bool:
    """Of the JSON of results."""
    return name.endswith(".json") and layout.parse_result(name) is not None


def is_whole(name: str, body: bytes) -> bool:
    """Whether ``body`` is a JSON object and, of a result, the one that its name says."""
    try:
        found = json.loads(body)
    except ValueError:
        return False
    if not isinstance(found, dict):
        return False
    return not is_result(name) or name.endswith(f"/{found.get('digest')}.json")


class Remembering:
    """``store``, whose objects that ``fixed`` names are read once and remembered when they are written.

    Listings are always the store's own: what is there is asked, what it says is remembered. A record is written anew under its
    name only where a lost payload was made again and came out as once before, and says so (``remade``): of such a run nothing is
    remembered. Nor is what is not ``whole``: it will be written anew. ``told``: where a body may be had that somebody else has just
    written, by its name.
    """

    def __init__(
        self,
        store: ObjectStore,
        fixed: Callable[[str], bool],
        whole: Callable[[str, bytes], bool] = is_whole,
        told: Callable[[str], bytes | None] = lambda _: None,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self.inner = store
        self._fixed = fixed
        self._whole = whole
        self._told = told
        self._most = most_bytes
        self._bodies: OrderedDict[str, bytes] = OrderedDict()
        self._bytes = 0
        self._changing: set[tuple[str, str]] = set()
        self._lock = threading.Lock()

    def get(self, name: str) -> bytes:
        if not self._fixed(name):
            return self.inner.get(name)
        with self._lock:
            if (known := self._bodies.get(name)) is not None:
                self._bodies.move_to_end(name)
                return known
        body = self._told(name)
        if body is None:
            body = self.inner.get(name)
        self._keep(name, body)
        return body

    def put(self, name: str, body: bytes) -> None:
        self._forget(name)  # whatever becomes of it, it is not what it was for certain
        self.inner.put(name, body)
        if self._fixed(name):
            self._keep(name, body)

    def put_file(self, name: str, path: Path) -> None:
        self._forget(name)
        self.inner.put_file(name, path)

    def delete(self, name: str) -> None:
        self._forget(name)
        self.inner.delete(name)

    def touch(self, name: str) -> None:
        self.inner.touch(name)

    def local(self, name: str) -> AbstractContextManager[Path]:
        return self.inner.local(name)

    def exists(self, name: str) -> bool:
        return self.inner.exists(name)

    def list(self, prefix: str) -> Iterator[str]:
        return self.inner.list(prefix)

    def entries(self, prefix: str) -> Iterator[Listed]:
        return self.inner.entries(prefix)

    def folders(self, prefix: str) -> Iterator[str]:
        return self.inner.folders(prefix)

    def modified_ms(self, name: str) -> int:
        return self.inner.modified_ms(name)

    def size(self, name: str) -> int:
        return self.inner.size(name)

    def scratch(self) -> Path:
        return self.inner.scratch()

    def _keep(self, name: str, body: bytes) -> None:
        run = layout.parse_run(name)
        if len(body) > LARGEST or not self._whole(name, body):
            return
        with self._lock:
            if run is not None and _is_remade(body):
                self._changing.add(run[:2])
                for known in [n for n in self._bodies if n.startswith(layout.state_prefix(*run[:2]))]:
                    self._drop(known)
            if run is not None and run[:2] in self._changing:
                return
            self._drop(name)
            self._bodies[name] = body
            self._bytes += len(body)
            while self._bytes > self._most:
                self._drop(next(iter(self._bodies)))

    def _forget(self, name: str) -> None:
        with self._lock:
            self._drop(name)

    def _drop(self, name: str) -> None:
        self._bytes -= len(self._bodies.pop(name, b""))


def _is_remade(body: bytes) -> bool:
    return b'"remade"' in body and bool(json.loads(body).get("remade"))
