"""Buckets to index: runs of earlier versions, and runs that go on object by object."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from index.derive import source_hash
from index.tables import DERIVED, read
from kadr.contracts.keys import jcs
from kadr.pipeline.admission import read_request
from kadr.storage import layout
from kadr.storage.store import ObjectStore

CORPUS = Path(__file__).parents[2] / "corpus"
OWNER = layout.LOCAL_OWNER
RETRIED = "681fefb2-d290-4e7c-a59b-683e6f65dfe5"
"""Of 0.3.0: two epochs."""
FULL = "7f6d848a-50f8-4ee1-be3f-db60e089c5cc"
"""Of 0.3.0: the profile `full`, complete."""
Rows = dict[str, list[dict[str, Any]]]
Dump = Callable[[], Rows]


def dump(url: str) -> Rows:
    with psycopg.connect(url) as connection:
        connection.execute("SET timezone = 'UTC'")
        return {table.name: read(connection, table) for table in DERIVED}


def steps(source: ObjectStore, run_id: str) -> list[str]:
    """The objects of a run in an order in which they can have been written: request, records, done, retry, …"""
    prefix = layout.state_prefix(OWNER, run_id)

    def order(name: str) -> tuple[int, int, str]:
        parsed = layout.parse_state(name.removeprefix(prefix))
        if parsed is None:
            return 0, 0, name
        place = {"retry": 0, "done": 2, "cancelled": 2}
        return parsed.epoch, place[parsed.what] if isinstance(parsed, layout.MarkName) else 1, name

    return sorted(source.list(prefix), key=order)


def copy(source: ObjectStore, target: ObjectStore, *names: str) -> None:
    for name in names:
        target.put(name, source.get(name))


def copy_rest(source: ObjectStore, target: ObjectStore, run_id: str) -> None:
    """All that a run needs besides its state: its video, alias and manifests."""
    request = read_request(source, OWNER, run_id)
    aliases = layout.alias_prefix(OWNER, source_hash(request.source))
    for prefix in (layout.run_prefix(OWNER, run_id), aliases):
        copy(source, target, *source.list(prefix))
    copy(source, target, layout.video_reference(OWNER, request.video_id or ""))


def again(store: ObjectStore, run_id: str, new_id: str, **changed: Any) -> None:
    """A run of another id that was asked the same, but for what is ``changed``; nothing of it is done yet."""
    request = read_request(store, OWNER, run_id).model_dump(mode="json")
    owner = changed.get("owner", OWNER)
    store.put(layout.request(owner, new_id), jcs({**request, "run_id": new_id, **changed}))
