"""Whether a run is worked on now, or is about to be: each process that does holds a claim of its own, which a killed one
cannot keep."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from kadr.storage.claims import Claim, FileClaims
from kadr.storage.files import FileStore

WAIT_S = 0.02


def hold(store: FileStore, run_id: str) -> Claim | None:
    """Say that this process works on the run until the claim is released; None if it says so already.

    Waits while the run is being collected: afterwards it may not be there.
    """
    claims = _claims(store)
    claim = claims.take(f"run-{run_id}-{os.getpid()}")
    while claims.is_held(f"collect-{run_id}"):
        time.sleep(WAIT_S)
    return claim


def held(store: FileStore, run_id: str) -> bool:
    """Whether some process works on the run."""
    claims = _claims(store)
    files = (store.root / "claims").glob(f"run-{run_id}-[0-9]*.lock")
    return any(claims.is_held(path.stem) for path in files)


@contextmanager
def alone(store: FileStore, run_id: str) -> Iterator[bool]:
    """Whether nobody works on the run; who is about to waits for the end of this.

    Each side shows its claim before it looks for the other's, so that never both go on.
    """
    claim = _claims(store).take(f"collect-{run_id}")
    try:
        yield claim is not None and not held(store, run_id)
    finally:
        if claim is not None:
            claim.release()


def _claims(store: FileStore) -> FileClaims:
    return FileClaims(store.root / "claims")
