"""ObjectStore over S3: any server that speaks it, through the minio client; what is read as a file is cached on this machine."""

from __future__ import annotations

import io
import mimetypes
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import BinaryIO, TypeVar

from minio import Minio
from minio.commonconfig import REPLACE, ComposeSource
from minio.datatypes import Object, parse_copy_object
from minio.helpers import DictType

from kadr.contracts.errors import ObjectMissing, StoreFailure, VideoChanged
from kadr.storage.cache import Cache
from kadr.storage.files import translated
from kadr.storage.s3_client import BODIES, S3Client
from kadr.storage.store import Listed

T = TypeVar("T")
PART = 16 << 20
PARTS = 10_000
UPLOADS = 3
PIECE = 1 << 20
RENEWED_S = 2
SMALL = 1 << 20
"""What is as small comes here and goes back; the server copies what is larger, which changes the ETag."""
LONGEST_NAME = 1024


def checked(name: str) -> str:
    """``name`` if it can be an object's. Raises StoreFailure."""
    if (
        any(part in ("", ".", "..") or "\0" in part for part in name.split("/"))
        or len(name.encode()) > LONGEST_NAME
    ):
        raise StoreFailure(f"not an object name: {name!r}")
    return name


class S3Store:
    """Safe for many threads and processes; processes on one machine may share the cache's folder.

    Times are the server's and whole seconds. A listing is collected before its first name is given: it is complete, or it fails.
    """

    page = 1000
    """Names in one answer of the server's; none gives more."""

    def __init__(self, client: S3Client, cache: Cache) -> None:
        self._client = client
        self._bucket = client.address.bucket
        self._cache = cache
        self._copies_onto_itself = True

    def put(self, name: str, body: bytes) -> None:
        self._ask(name, lambda minio: self._upload(minio, name, io.BytesIO(body), len(body)))

    def put_file(self, name: str, path: Path) -> None:
        """What was put is kept as this machine's copy: its reader is likely to be here."""
        with translated(name), path.open("rb") as file:
            size = path.stat().st_size

            def upload(minio: Minio) -> str:
                file.seek(0)
                return self._upload(minio, name, file, size)

            etag = self._ask(name, upload)
        with translated(name):
            self._cache.adopt(self._key(name, etag), path)

    def _upload(self, minio: Minio, name: str, file: BinaryIO, size: int) -> str:
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        written = minio.put_object(
            self._bucket,
            name,
            file,
            size,
            content_type=kind,
            part_size=PART if PART < size <= PARTS * PART else 0,  # 0: the client's own choice
            num_parallel_uploads=UPLOADS,
        )
        return written.etag or ""

    def get(self, name: str) -> bytes:
        body = bytearray()

        def read(minio: Minio) -> None:
            body.clear()
            for piece in self._pieces(minio, name, {}, 0):
                body.extend(piece)

        self._client.body(checked(name), read)
        return bytes(body)

    def _pieces(self, minio: Minio, name: str, headers: dict[str, str], offset: int) -> Iterator[bytes]:
        if offset:
            headers = {**headers, "Range": f"bytes={offset}-"}
        # The client's types allow lists as values, and dict is invariant.
        response = minio.get_object(self._bucket, name, request_headers={**headers})
        try:
            yield from response.stream(PIECE)
        finally:
            response.close()
            response.release_conn()

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        """The copy is of the object as it is now: one request asks that each time."""
        with ExitStack() as stack:
            with translated(name):
                path = self._entered(name, stack)
            yield path

    def _entered(self, name: str, stack: ExitStack) -> Path:
        for _ in range(BODIES):
            with suppress(VideoChanged):
                return stack.enter_context(self._copy(name))
        raise StoreFailure(f"store: {name} changes too often to be read")

    def _copy(self, name: str) -> AbstractContextManager[Path]:
        found = self._stat(name)
        etag, size = found.etag or "", found.size or 0
        return self._cache.copy(self._key(name, etag), size, lambda file: self._download(name, etag, file))

    def _download(self, name: str, etag: str, file: BinaryIO) -> None:
        """Continues where a broken connection left off."""

        def read(minio: Minio) -> None:
            for piece in self._pieces(minio, name, {"If-Match": f'"{etag}"'}, file.tell()):
                file.write(piece)

        self._client.body(name, read)

    def exists(self, name: str) -> bool:
        try:
            self._stat(name)
        except ObjectMissing:
            return False
        return True

    def list(self, prefix: str) -> Iterator[str]:
        return (found.name for found in self.entries(prefix))

    def entries(self, prefix: str) -> Iterator[Listed]:
        last = prefix.rpartition("/")[2]
        asked = prefix.removesuffix(last) if last in (".", "..") else prefix  # MinIO takes these for steps

        def listed(minio: Minio) -> list[Listed]:
            found = (
                Listed(o.object_name or "", o.size or 0, ms(o.last_modified) // 1000 * 1000)
                for o in minio.list_objects(self._bucket, prefix=asked, recursive=True)
            )
            return sorted(o for o in found if o.name.startswith(prefix) and not o.name.endswith("/"))

        return iter(self._client.ask(f"{prefix}*", listed))

    def folders(self, prefix: str) -> Iterator[str]:
        def listed(minio: Minio) -> list[str]:
            found = (o.object_name or "" for o in minio.list_objects(self._bucket, prefix) if o.is_dir)
            return sorted(name.removeprefix(prefix).removesuffix("/") for name in found if name != prefix)

        return iter(self._client.ask(f"{prefix}*/", listed))

    def modified_ms(self, name: str) -> int:
        return ms(self._stat(name).last_modified)

    def touch(self, name: str) -> None:
        """By a copy onto itself; JuiceFS leaves the time as it is then, and is made to write it anew."""
        if self._copies_onto_itself:
            self._copies_onto_itself = self._ask(name, lambda minio: self._renewed(minio, name))
        if not self._copies_onto_itself:
            self._rewrite(name)

    def _renewed(self, minio: Minio, name: str) -> bool:
        """Whether the copy is as old as the server's clock says that it is now."""
        source = ComposeSource(self._bucket, name)
        headers: DictType = {**source.gen_copy_headers(), "x-amz-metadata-directive": REPLACE}
        answer = minio._execute("PUT", self._bucket, name, headers=headers)
        _, modified = parse_copy_object(answer)
        now = parsedate_to_datetime(answer.headers["Date"])
        return modified is None or (now - modified.replace(microsecond=0)).total_seconds() < RENEWED_S

    def _rewrite(self, name: str) -> None:
        size = self.size(name)
        if size <= SMALL:
            self.put(name, self.get(name))
            return
        source = ComposeSource(self._bucket, name, offset=0, length=size)
        self._ask(name, lambda minio: minio.compose_object(self._bucket, name, [source]))

    def size(self, name: str) -> int:
        return self._stat(name).size or 0

    def delete(self, name: str) -> None:
        self._ask(name, lambda minio: minio.remove_object(self._bucket, name))

    def scratch(self) -> Path:
        return self._cache.scratch()

    def sweep(self) -> int:
        """Remove what killed processes of this machine left on its way into the store; how many there were."""
        return self._cache.sweep()

    def check(self) -> None:
        """Raises StoreFailure if the bucket cannot be reached."""
        self._client.check()

    def _stat(self, name: str) -> Object:
        return self._ask(name, lambda minio: minio.stat_object(self._bucket, name))

    def _ask(self, name: str, call: Callable[[Minio], T]) -> T:
        return self._client.ask_object(checked(name), call)

    def _key(self, name: str, etag: str) -> str:
        return f"{self._client.address.endpoint}\n{self._bucket}\n{name}\n{etag}"


def ms(moment: datetime | None) -> int:
    return int(moment.timestamp() * 1000) if moment else 0
