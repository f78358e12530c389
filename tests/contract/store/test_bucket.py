"""What the service asks of a bucket: signed URLs, uploads in parts, ranged reads, copies and notices, on every server."""

from __future__ import annotations

import io
import random
import time
import urllib.error
import urllib.request
from fractions import Fraction
from urllib.parse import unquote_plus, urlsplit

import av
import pytest
from minio.commonconfig import ENABLED
from minio.versioningconfig import VersioningConfig

from cli.servers.s3 import ARN
from kadr.contracts.errors import ObjectMissing, StoreFailure, StoreRefused, VideoChanged
from kadr.storage.bucket import UploadPart
from kadr.storage.s3 import S3Store
from kadr.storage.s3_bucket import S3Bucket, S3Reader
from kadr.storage.s3_client import S3Client
from tests.servers_s3 import TOKEN, Backend

PART = 5 << 20
SOON = 60


def send(url: str, body: bytes | None = None) -> tuple[int, bytes, str]:
    """(status, body, ETag) of a GET, or of a PUT of ``body``; nothing but the URL is known to who sends."""
    request = urllib.request.Request(url, data=body, method="GET" if body is None else "PUT")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read(), (answer.headers.get("ETag") or "").strip('"')
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read(), ""


def test_users_put_with_a_url_alone(bucket: S3Bucket, s3: S3Store) -> None:
    name = "inbox/local/Отпуск 1+1.mp4"
    status, _, etag = send(bucket.presign_put(name, SOON), b"bytes of a video")
    assert (status, etag) == (200, bucket.stat(name).etag)
    assert s3.get(name) == b"bytes of a video"


@pytest.mark.parametrize("name", ["inbox/local/Отпуск 1+1.mp4", "inbox/a&b=c~(d)!*'.mp4"])
def test_a_url_for_so_many_bytes_takes_no_others(bucket: S3Bucket, s3: S3Store, name: str) -> None:
    for wrong in (b"", b"1234", b"123456", b"12345" * 1000):
        assert send(bucket.presign_put(name, SOON, 5), wrong)[0] in (403, 411)  # 411: nothing at all
    with pytest.raises(ObjectMissing):
        bucket.stat(name)
    url = bucket.presign_put(name, SOON, 5)
    assert send(url.replace("content-length%3Bhost", "host"), b"123456")[0] == 403
    assert send(url, b"12345")[0] == 200
    assert s3.get(name) == b"12345"
    upload = bucket.begin_upload(name)
    assert send(bucket.presign_part(name, upload, 1, SOON, 7), b"12345678")[0] == 403
    assert bucket.parts(name, upload) == []
    assert send(bucket.presign_part(name, upload, 1, SOON, 7), b"1234567")[0] == 200
    bucket.complete_upload(name, upload, bucket.parts(name, upload))
    assert bucket.stat(name).size == 7


def test_a_url_is_good_for_what_was_signed_and_no_longer(bucket: S3Bucket, s3: S3Store) -> None:
    s3.put("runs/a", b"a")
    s3.put("runs/b", b"b")
    url = bucket.presign_put("runs/a", SOON)
    short = bucket.presign_put("runs/a", 1)
    assert send(url.replace("runs/a", "runs/b"), b"c")[0] == 403
    assert send(url)[0] == 403
    assert send(url[:-4] + "0000", b"c")[0] == 403
    assert send(url.replace("X-Amz-Expires=60", "X-Amz-Expires=600"), b"c")[0] == 403
    assert send(urlsplit(url)._replace(query="").geturl(), b"c")[0] == 403
    time.sleep(2.1)
    assert send(short, b"c")[0] == 403
    assert (s3.get("runs/a"), s3.get("runs/b")) == (b"a", b"b")
    assert send(url, b"another")[0] == 200
    assert s3.get("runs/a") == b"another"


def test_urls_are_signed_for_the_public_endpoint_without_asking_anybody(backend: Backend) -> None:
    """Nobody answers at either endpoint here."""
    client = backend.client("nowhere", public_endpoint="https://files.example.org", region="eu-south-7")
    url = urlsplit(S3Bucket(client).presign_put("runs/a", SOON))
    assert (url.scheme, url.netloc, url.path) == ("https", "files.example.org", "/nowhere/runs/a")
    assert "eu-south-7" in url.query


def test_a_url_for_another_host_is_good_there(backend: Backend) -> None:
    host = f"http://localhost:{backend.server.port}"
    client = backend.client(public_endpoint=host)
    client.make_bucket()
    bucket = S3Bucket(client)
    url = bucket.presign_put("inbox/local/a", SOON)
    assert url.startswith(host)
    assert send(url, b"x")[0] == 200
    assert send(url.replace("localhost", "127.0.0.1"), b"x")[0] == 403


def test_an_upload_in_parts_is_resumed_by_who_knows_its_name(bucket: S3Bucket, s3: S3Store) -> None:
    name, body = "inbox/local/long video.mp4", random.Random(2).randbytes(PART + 1000)
    upload = bucket.begin_upload(name)
    status, _, first = send(bucket.presign_part(name, upload, 1, SOON), body[:PART])
    assert status == 200
    assert list(s3.list("")) == []

    assert bucket.parts(name, upload) == [UploadPart(1, PART, first)]

    assert send(bucket.presign_part(name, upload, 2, SOON), body[PART:])[0] == 200
    parts = bucket.parts(name, upload)
    assert [(p.number, p.size) for p in parts] == [(1, PART), (2, 1000)]
    etag = bucket.complete_upload(name, upload, list(reversed(parts)))
    assert etag == bucket.stat(name).etag
    assert s3.get(name) == body
    for again in (lambda: bucket.parts(name, upload), lambda: bucket.complete_upload(name, upload, parts)):
        with pytest.raises(ObjectMissing):
            again()


@pytest.mark.parametrize("name", ["a/../b", "a//b", "./a", "a/"])
def test_what_can_be_no_name_is_asked_for_by_nobody(bucket: S3Bucket, s3: S3Store, name: str) -> None:
    s3.put("b", b"b")
    for ask in (
        lambda: bucket.stat(name),
        lambda: bucket.parts(name, "u"),
        lambda: bucket.complete_upload(name, "u", []),
        lambda: bucket.abort_upload(name, "u"),
    ):
        with pytest.raises(StoreFailure, match="not an object name"):
            ask()


def test_an_aborted_upload_leaves_nothing(bucket: S3Bucket, s3: S3Store) -> None:
    upload = bucket.begin_upload("inbox/local/a")
    send(bucket.presign_part("inbox/local/a", upload, 1, SOON), b"x")
    for _ in range(2):
        bucket.abort_upload("inbox/local/a", upload)
    with pytest.raises(ObjectMissing):
        bucket.parts("inbox/local/a", upload)
    assert send(bucket.presign_part("inbox/local/a", upload, 2, SOON), b"x")[0] == 404
    assert list(s3.list("")) == []


def test_ranges_and_seeks_give_the_bytes_that_are_there(bucket: S3Bucket, s3: S3Store) -> None:
    body = random.Random(3).randbytes((3 << 20) + 17)
    s3.put("videos/source", body)
    pinned = bucket.stat("videos/source")
    assert pinned.size == len(body)
    for offset, length in [
        (0, 1),
        (0, len(body)),
        (1_000_000, 77),
        (len(body) - 5, 100),
        (len(body), 1),
        (7, 0),
    ]:
        assert bucket.read_range(pinned, offset, length) == body[offset : offset + length]
    plain, chance = io.BytesIO(body), random.Random(4)
    with bucket.open_ranged(pinned) as file:
        for _ in range(60):
            at, size = chance.randrange(len(body)), chance.choice([1, 100, 32_768, 1_500_000])
            assert (file.seek(at), file.read(size)) == (plain.seek(at), plain.read(size))
            assert file.tell() == plain.tell()
        assert file.seek(-3, io.SEEK_END) == len(body) - 3
        assert file.read() == body[-3:]


def test_a_video_is_decoded_where_it_lies(bucket: S3Bucket, s3: S3Store) -> None:
    made = io.BytesIO()
    with av.open(made, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=Fraction(10))
        stream.width = stream.height = 32
        for _ in range(10):
            container.mux(stream.encode(av.VideoFrame(32, 32, "yuv420p")))
        container.mux(stream.encode())
    s3.put("videos/source", made.getvalue())
    with bucket.open_ranged(bucket.stat("videos/source")) as file, av.open(file, "r") as video:
        assert sum(1 for _ in video.decode(video=0)) == 10


def test_a_video_that_changes_underneath_is_an_error(bucket: S3Bucket, s3: S3Store) -> None:
    s3.put("videos/source", b"1" * 3_000_000)
    pinned = bucket.stat("videos/source")
    with bucket.open_ranged(pinned) as file:
        assert file.read(10) == b"1" * 10
        s3.put("videos/source", b"2" * 3_000_000)
        file.seek(2_500_000)
        with pytest.raises(VideoChanged, match="videos/source"):
            file.read(10)
    with pytest.raises(VideoChanged):
        bucket.copy(pinned, "videos/copy")
    s3.delete("videos/source")
    with pytest.raises(VideoChanged, match="gone"):
        bucket.read_range(pinned, 0, 10)


@pytest.mark.parametrize("size", [0, 1_000, 2 * PART + 5], ids=["empty", "small", "in pieces"])
def test_copies_inside_the_store(client: S3Client, s3: S3Store, size: int) -> None:
    bucket, body = S3Bucket(client, copy_part=PART), random.Random(5).randbytes(size)
    s3.put("tmp/local/a b", body)
    bucket.copy(bucket.stat("tmp/local/a b"), "videos/source")
    assert s3.get("videos/source") == body
    assert s3.exists("tmp/local/a b")


def test_a_users_own_bucket_is_read_where_it_lies(backend: Backend, client: S3Client) -> None:
    """Where versions are kept, the one that was pinned is read though another came after."""
    theirs = backend.client()
    S3Bucket(theirs).presign_put("film.mp4", SOON)
    versions = backend.name == "minio"  # JuiceFS has none
    if versions:
        own = theirs.address.bucket
        theirs.ask(own, lambda minio: minio.set_bucket_versioning(own, VersioningConfig(ENABLED)))
    assert send(S3Bucket(theirs).presign_put("film.mp4", SOON), b"first")[0] == 200
    reader = S3Reader(client, theirs.address.bucket)
    pinned = reader.stat("film.mp4")
    assert bool(pinned.version) is versions
    assert reader.read_range(pinned, 1, 3) == b"irs"
    assert send(S3Bucket(theirs).presign_put("film.mp4", SOON), b"other")[0] == 200
    if versions:
        assert reader.open_ranged(pinned).read() == b"first"
        assert reader.stat("film.mp4", pinned.version) == pinned
    else:
        with pytest.raises(VideoChanged, match=f"{theirs.address.bucket}/film.mp4"):
            reader.read_range(pinned, 1, 3)
    with pytest.raises(ObjectMissing, match=r"none\.mp4"):
        reader.stat("none.mp4")


def test_who_we_are_not_is_refused_and_told_so(backend: Backend) -> None:
    with pytest.raises(StoreRefused, match="b-none"):
        S3Store(backend.client("b-none"), None).exists("a")  # type: ignore[arg-type]
    wrong = backend.client("b-none", secret_key="wrong-wrong")
    for ask in (wrong.check, lambda: wrong.ask("a", lambda minio: minio.stat_object("b-none", "a"))):
        with pytest.raises(StoreRefused) as refused:
            ask()
        assert not refused.value.retryable


def test_notices_tell_of_the_inbox_and_of_states_and_of_nothing_else(
    backend: Backend, client: S3Client, bucket: S3Bucket, s3: S3Store
) -> None:
    bucket.notify(["inbox/", "state/"], ARN)
    began = time.time()
    name = "inbox/local/Отпуск 1+1 & ü.mp4"
    send(bucket.presign_put(name, SOON), b"video")
    s3.put("results/local/a.json", b"{}")
    s3.put("state/local/r/request.json", b"{}")
    upload = bucket.begin_upload("inbox/local/parts")
    send(bucket.presign_part("inbox/local/parts", upload, 1, SOON), b"one")
    bucket.complete_upload("inbox/local/parts", upload, bucket.parts("inbox/local/parts", upload))
    notices = backend.listener.wait(client.address.bucket, 3)
    time.sleep(0.1)
    assert backend.listener.of(client.address.bucket) == notices
    heard = {}
    for notice in notices:
        [record] = notice.body["Records"]
        thing = record["s3"]["object"]
        heard[unquote_plus(thing["key"])] = thing["eTag"]
        assert record["eventName"].startswith("s3:ObjectCreated:")
        assert notice.at - began < 1
        assert notice.authorization == f"Bearer {TOKEN}"
    names = [name, "state/local/r/request.json", "inbox/local/parts"]
    assert heard == {n: bucket.stat(n).etag for n in names}
