"""ObjectStore over a local directory: atomic renames, nothing half-written ever has a name."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kadr.contracts.errors import NoSpaceLeft, ObjectMissing, StoreFailure

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


@contextmanager
def translated(name: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise ObjectMissing(f"object {name} is not in the store") from error
    except OSError as error:
        if error.errno in _FULL:
            raise NoSpaceLeft(f"{NoSpaceLeft.default_message()} ({name}: {error.strerror})") from error
        raise StoreFailure(f"store: {name}: {error.strerror}") from error


class FileStore:
    """The store that ``kadr analyze`` works on. Safe for several processes at once."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()

    def _path(self, name: str) -> Path:
        parts = name.split("/")
        if any(part in ("", ".", "..") or "\0" in part for part in parts):
            raise StoreFailure(f"not an object name: {name!r}")
        return self.root.joinpath(*parts)

    def scratch(self) -> Path:
        path = self.root / "tmp"
        path.mkdir(parents=True, exist_ok=True)
        return path

    def put(self, name: str, body: bytes) -> None:
        with translated(name):
            handle, temporary = tempfile.mkstemp(dir=self.scratch())
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(body)
                    file.flush()
                    os.fsync(file.fileno())
                self._place(Path(temporary), self._path(name))
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise

    def put_file(self, name: str, path: Path) -> None:
        with translated(name):
            with path.open("rb") as file:
                os.fsync(file.fileno())
            self._place(path, self._path(name))

    @staticmethod
    def _place(source: Path, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        source.chmod(0o644)
        source.replace(target)

    def get(self, name: str) -> bytes:
        with translated(name):
            return self._path(name).read_bytes()

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        path = self._path(name)
        if not path.is_file():
            raise ObjectMissing(f"object {name} is not in the store")
        yield path

    def exists(self, name: str) -> bool:
        return self._path(name).is_file()

    def list(self, prefix: str) -> Iterator[str]:
        folder = self.root / prefix.rpartition("/")[0]
        found = []
        for where, folders, files in os.walk(folder):
            base = Path(where).relative_to(self.root).as_posix()
            folders[:] = [f for f in folders if _may_hold(f"{base}/{f}", prefix)]
            found += [name for f in files if (name := f"{base}/{f}").startswith(prefix)]
        return iter(sorted(found))

    def modified_ms(self, name: str) -> int:
        with translated(name):
            return self._path(name).stat().st_mtime_ns // 1_000_000

    def delete(self, name: str) -> None:
        with translated(name):
            self._path(name).unlink(missing_ok=True)


def _may_hold(folder: str, prefix: str) -> bool:
    return folder.startswith(prefix) or prefix.startswith(f"{folder}/")
