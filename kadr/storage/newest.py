"""When objects were written, by the store's own clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

from kadr.contracts.errors import ObjectMissing
from kadr.storage.store import ObjectStore


def newest(store: ObjectStore, names: Iterable[str], most: int) -> list[str]:
    """Of ``names``, those written last, newest first; what was removed meanwhile is left out."""
    return [name for _, name in sorted(written(store, names), reverse=True)[:most]]


def written(store: ObjectStore, names: Iterable[str]) -> Iterator[tuple[int, str]]:
    """(when it was written in ms by the store's clock, name) of those of ``names`` that are still there."""
    for name in names:
        with suppress(ObjectMissing):
            yield store.modified_ms(name), name
