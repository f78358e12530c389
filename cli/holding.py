"""Whether a run is worked on now, or is about to be: each process that does holds a claim of its own, which a killed one
cannot keep."""

from __future__ import annotations

import os

from kadr.storage.claims import Claim, FileClaims
from kadr.storage.files import FileStore


def hold(store: FileStore, run_id: str) -> Claim | None:
    """Say that this process works on the run until the claim is released; None if it says so already."""
    return _claims(store).take(f"run-{run_id}-{os.getpid()}")


def held(store: FileStore, run_id: str) -> bool:
    """Whether some process works on the run."""
    claims = _claims(store)
    files = (store.root / "claims").glob(f"run-{run_id}-[0-9]*.lock")
    return any(claims.is_held(path.stem) for path in files)


def _claims(store: FileStore) -> FileClaims:
    return FileClaims(store.root / "claims")
