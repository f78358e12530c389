"""The service's own ports over S3: signed URLs, uploads in parts, ranged reads with the object pinned, notices."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import BinaryIO

from minio import Minio
from minio.commonconfig import ComposeSource
from minio.datatypes import Part
from minio.notificationconfig import NotificationConfig, PrefixFilterRule, QueueConfig

from kadr.contracts.errors import ObjectMissing, StoreFailure, VideoChanged
from kadr.storage.bucket import Pinned, UploadPart
from kadr.storage.ranged import RangedSource
from kadr.storage.s3 import checked, ms
from kadr.storage.s3_client import S3Client
from kadr.storage.signing import of_length

EVENTS = ["s3:ObjectCreated:*"]
COPY_PART = 1 << 30
"""Servers copy at most 5 GiB at once; a part of one is done before anybody gives up waiting."""


class S3Reader:
    """Reads one bucket. A user's own is read with the credentials that its client was given, and there is nothing here to write."""

    def __init__(self, client: S3Client, bucket: str | None = None) -> None:
        """``bucket``: another than the client's own."""
        self._client = client
        self._bucket = bucket or client.address.bucket

    def stat(self, name: str, version: str | None = None) -> Pinned:
        found = self._client.ask(
            self._told(checked(name)), lambda minio: minio.stat_object(self._bucket, name, version_id=version)
        )
        return Pinned(
            name, found.size or 0, found.etag or "", found.version_id or version, ms(found.last_modified)
        )

    def read_range(self, pinned: Pinned, offset: int, length: int) -> bytes:
        end = min(offset + length, pinned.size)
        if offset < 0 or offset >= end:
            return b""
        try:
            return self._client.body(
                self._told(checked(pinned.name)), lambda minio: self._range(minio, pinned, offset, end)
            )
        except ObjectMissing as error:
            raise VideoChanged(f"{self._told(pinned.name)} is gone since it was first looked at") from error

    def _range(self, minio: Minio, pinned: Pinned, offset: int, end: int) -> bytes:
        response = minio.get_object(
            self._bucket,
            pinned.name,
            version_id=pinned.version,
            request_headers={"If-Match": f'"{pinned.etag}"', "Range": f"bytes={offset}-{end - 1}"},
        )
        try:
            # Not every server honours the condition.
            if response.headers.get("ETag", "").strip('"') != pinned.etag or response.status != 206:
                raise VideoChanged(
                    f"{self._told(pinned.name)} is not what it was when it was first looked at"
                )
            return response.read()
        finally:
            response.close()
            response.release_conn()

    def open_ranged(self, pinned: Pinned) -> BinaryIO:
        return RangedSource(
            pinned.size, lambda offset, length: self.read_range(pinned, offset, length)
        ).open()

    def _told(self, name: str) -> str:
        return name if self._bucket == self._client.address.bucket else f"{self._bucket}/{name}"


class S3Bucket(S3Reader):
    """Our own bucket. A user's URL is good for one name, one method and its time: whoever has it needs no credentials."""

    def __init__(self, client: S3Client, copy_part: int = COPY_PART) -> None:
        super().__init__(client)
        self._copy_part = copy_part

    def presign_put(self, name: str, expires_s: int, size: int | None = None) -> str:
        return self._sized(self._signed(name, expires_s), size)

    def presign_part(
        self, name: str, upload: str, number: int, expires_s: int, size: int | None = None
    ) -> str:
        query = {"uploadId": upload, "partNumber": str(number)}
        return self._sized(self._signed(name, expires_s, query), size)

    def _sized(self, url: str, size: int | None) -> str:
        return url if size is None else of_length(url, "PUT", size, self._client.address.secret_key)

    def _signed(self, name: str, expires_s: int, query: dict[str, str] | None = None) -> str:
        return self._client.public.get_presigned_url(
            "PUT",
            self._bucket,
            checked(name),
            expires=timedelta(seconds=expires_s),
            extra_query_params={**(query or {})},
        )

    # The client has these requests, and keeps them to itself: its version is pinned, and the contract suite asks each.

    def begin_upload(self, name: str) -> str:
        return self._client.ask(
            checked(name), lambda minio: minio._create_multipart_upload(self._bucket, name, {})
        )

    def parts(self, name: str, upload: str) -> list[UploadPart]:
        found: list[UploadPart] = []
        marker: int | None = 0
        while marker is not None:
            page = self._client.ask(
                f"upload {upload} of {checked(name)}",
                lambda minio, after=marker: minio._list_parts(  # type: ignore[misc]
                    self._bucket, name, upload, part_number_marker=str(after)
                ),
            )
            found += [UploadPart(p.part_number, p.size or 0, p.etag) for p in page.parts]
            marker = page.next_part_number_marker if page.is_truncated else None
        return sorted(found, key=lambda part: part.number)

    def complete_upload(self, name: str, upload: str, parts: Sequence[UploadPart]) -> str:
        made = [Part(part.number, part.etag) for part in sorted(parts, key=lambda part: part.number)]
        done = self._client.ask(
            f"upload {upload} of {checked(name)}",
            lambda minio: minio._complete_multipart_upload(self._bucket, name, upload, made),
        )
        return (done.etag or "").strip('"')

    def abort_upload(self, name: str, upload: str) -> None:
        try:
            self._client.ask(
                checked(name), lambda minio: minio._abort_multipart_upload(self._bucket, name, upload)
            )
        except ObjectMissing:
            return

    def copy(self, source: Pinned, target: str) -> None:
        def copied(minio: Minio) -> None:
            minio.compose_object(self._bucket, checked(target), self._pieces(source))

        self._client.ask(f"{source.name} to {target}", copied)
        self._see_copy(source, target)

    def _see_copy(self, source: Pinned, target: str) -> None:
        """That it was copied is not believed: JuiceFS says so of a copy for which its volume had no room."""
        try:
            size = self.stat(target).size
        except ObjectMissing as error:
            raise StoreFailure(
                f"store: {source.name} was not copied to {target}: is the store full?"
            ) from error
        if size != source.size:
            raise StoreFailure(
                f"store: {source.name} of {source.size} bytes was copied to {target} as {size} bytes: is the store full?"
            )

    def _pieces(self, source: Pinned) -> list[ComposeSource]:
        """In pieces of one size but the last, which may be larger: no part but the last may be smaller than 5 MiB."""
        count = max(1, source.size // self._copy_part)
        if count == 1:
            return [self._piece(source, None, None)]
        starts = [i * self._copy_part for i in range(count)]
        return [
            self._piece(source, at, end - at)
            for at, end in zip(starts, [*starts[1:], source.size], strict=True)
        ]

    def _piece(self, source: Pinned, offset: int | None, length: int | None) -> ComposeSource:
        return ComposeSource(
            self._bucket,
            source.name,
            version_id=source.version,
            match_etag=source.etag,
            offset=offset,
            length=length,
        )

    def notify(self, prefixes: Sequence[str], arn: str) -> None:
        queues = [
            QueueConfig(
                queue=arn,
                events=EVENTS,
                config_id=f"kadr-{p.strip('/')}",
                prefix_filter_rule=PrefixFilterRule(p),
            )
            for p in prefixes
        ]
        wanted = NotificationConfig(queue_config_list=queues)
        self._client.ask(
            f"notices to {arn}", lambda minio: minio.set_bucket_notification(self._bucket, wanted)
        )
