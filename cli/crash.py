"""The last resort: an error that nobody foresaw becomes one sentence, and a file with what its mending needs."""

from __future__ import annotations

import tempfile
import time
import traceback
from pathlib import Path

from kadr.contracts.errors import KadrError


def unforeseen(error: BaseException) -> KadrError:
    """An error for people that names a file with ``error``'s traceback."""
    said = f"an error inside Kadr: {type(error).__name__}: {error}".strip().rstrip(":")
    try:
        path = _written(error)
    except OSError as trouble:
        return KadrError(f"{said} (its details could not be written: {trouble})")
    return KadrError(f"{said}. Its details are in {path}: send them along when you report it")


def _written(error: BaseException) -> Path:
    text = "".join(traceback.format_exception(error))
    name = f"{time.strftime('%Y%m%dT%H%M%S')}-{time.time_ns() % 10**9:09d}.txt"
    try:
        from kadr.settings import Settings

        path = Settings.read().home / "errors" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except (OSError, KadrError):
        path = Path(tempfile.mkdtemp(prefix="kadr-")) / name
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    return path
