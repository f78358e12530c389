"""The function ``acquire`` and videos behind URLs: one fetch makes video, marker, alias and record, in files and in a real S3."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from cli.compose import Machine
from events import binding
from events.acquire import Acquire, no_way_out
from events.asking import source_of
from events.binding import InvalidEvent
from events.egress.fetching import Fetching
from events.egress.filter import Filter
from events.egress.proxy import EgressProxy
from events.inbox import address
from events.messages import acquire_body
from events.sources import Sources
from kadr.contracts.keys import jcs
from kadr.contracts.profile import Profile
from kadr.contracts.run import Request, RunStatus
from kadr.pipeline.admission import load_objects, request_for
from kadr.pipeline.state import RunState, evaluate
from kadr.storage import layout
from kadr.storage.cache import Cache
from kadr.storage.files import FileStore
from kadr.storage.s3 import S3Store
from kadr.storage.s3_bucket import S3Bucket
from kadr.storage.store import ObjectStore
from tests.servers_s3 import CACHE, Start, started
from tests.unit.events.egress.sites import Site, site

__all__ = ["started"]

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # yt-dlp's sockets

OWNER = "anna"
VIDEO = b"not looked into" * 1000
ID = hashlib.sha256(VIDEO).hexdigest()
DAY_MS = 86_400_000


class LaterStore(FileStore):
    """Files whose requests are of ``days`` later than all else: the store's clock went on."""

    days = 0

    def modified_ms(self, name: str) -> int:
        return super().modified_ms(name) + (self.days * DAY_MS if name.endswith("request.json") else 0)


@dataclass
class House:
    store: ObjectStore
    acquire: Acquire
    outside: Site

    def ask(self, url: str, ttl_days: int | None = 3) -> Request:
        profile = Profile(components=("loudness",), cache_ttl_days=ttl_days)
        asked = request_for(Machine().question(profile), "v.mp4", url, None, OWNER)
        self.store.put(layout.request(OWNER, asked.run_id), jcs(asked.model_dump(mode="json")))
        return asked

    def call(self, asked: Request) -> tuple[int, dict[str, Any]]:
        """What the function answers to the task of ``asked``."""
        event = binding.Event("1", "/test", binding.TASK_READY, acquire_body(asked, 1))
        answer = self.acquire.take(event)
        return answer.status_code, json.loads(answer.data)

    def state(self, asked: Request) -> RunState:
        return evaluate(asked, load_objects(self.store, asked))

    def acquired(self, asked: Request) -> str | None:
        status, said = self.call(asked)
        assert status == 200, said
        assert self.store.exists(said["record"])
        return self.state(asked).video_id

    def failure(self, asked: Request) -> tuple[str, str]:
        status, said = self.call(asked)
        assert status == 200, said
        found = json.loads(self.store.get(said["record"]))
        return found["code"], found["message"]


@pytest.fixture
def proxied() -> Iterator[tuple[Site, Fetching]]:
    with site() as outside, EgressProxy(Filter(frozenset({outside.place}))) as proxy:
        yield outside, Fetching(proxy.url)


@pytest.fixture
def house(tmp_path: Path, proxied: tuple[Site, Fetching]) -> House:
    outside, fetch = proxied
    store = LaterStore(tmp_path / "store")
    nobody: Any = None  # what is behind URLs asks neither the bucket's own port nor others' buckets
    return House(store, Acquire(store, nobody, Sources(store, nobody, nobody), "kadr", fetch=fetch), outside)


@pytest.fixture
def real(started: Start, tmp_path: Path, proxied: tuple[Site, Fetching]) -> House:
    """The same on a real S3."""
    outside, fetch = proxied
    client = started("juicefs").client()
    store, bucket = S3Store(client, Cache(tmp_path / "cache", CACHE)), S3Bucket(client)
    acquire = Acquire(store, bucket, Sources(store, bucket, lambda name: bucket), "kadr", fetch=fetch)
    return House(store, acquire, outside)


def test_what_is_behind_a_url_becomes_a_video_in_a_real_s3(real: House) -> None:
    store, acquire, outside = real.store, real.acquire, real.outside
    asked = real.ask(outside.file("/v.mp4", VIDEO))
    assert real.acquired(asked) == ID
    ref = acquire.sources(asked, ID)
    assert acquire.sources.read(ref, 0, len(VIDEO)) == VIDEO
    assert store.exists(layout.run_marker(OWNER, ID, asked.run_id))
    assert real.acquired(real.ask(asked.source)) == ID
    assert outside.asked == {"/v.mp4": 1}
    assert not list(store.scratch().iterdir())


def test_an_upload_that_was_asked_about_twice_is_one_video(real: House) -> None:
    """Who got no answer asks again: the first run has taken the upload over when the second looks for it."""
    store, bucket = real.store, real.acquire.bucket
    name = f"{layout.uploads_prefix(OWNER)}u/v.mp4"
    store.put(name, VIDEO)
    told = address(name, bucket.stat(name).etag)
    first, second = real.ask(told), real.ask(told, ttl_days=0)
    assert real.acquired(first) == real.acquired(second) == ID
    assert not store.exists(name)
    assert real.failure(real.ask(address(name, "another")))[0] == "ObjectMissing"


def test_video_marker_alias_and_record_are_all_there(house: House) -> None:
    asked = house.ask(house.outside.file("/v.mp4", VIDEO))
    assert house.acquired(asked) == ID
    hashed = hashlib.sha256(asked.source.encode()).hexdigest()
    assert house.store.get(layout.video_source(OWNER, ID)) == VIDEO
    assert json.loads(house.store.get(layout.alias(OWNER, hashed, ID)))["uri"] == asked.source
    assert house.store.exists(layout.run_marker(OWNER, ID, asked.run_id))
    assert not [p for p in house.store.scratch().iterdir() if p.name.startswith("tmp")]


def test_what_is_found_by_a_later_object_has_the_earlier_ones(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is killed between two leaves no alias of a video that no run's marker keeps."""
    asked = house.ask(house.outside.file("/v.mp4", VIDEO))
    before, written = set(house.store.list("")), list[str]()
    put, put_file = house.store.put, house.store.put_file

    def noted(name: str, body: bytes) -> None:
        written.append(name)
        put(name, body)

    def noted_file(name: str, path: Path) -> None:
        written.append(name)
        put_file(name, path)

    monkeypatch.setattr(house.store, "put", noted)
    monkeypatch.setattr(house.store, "put_file", noted_file)
    assert house.acquired(asked) == ID
    hashed = hashlib.sha256(asked.source.encode()).hexdigest()
    *order, record = [name for name in written if name not in before]
    assert order == [
        layout.video_source(OWNER, ID),
        layout.run_marker(OWNER, ID, asked.run_id),
        layout.alias(OWNER, hashed, ID),
    ]
    assert record.startswith(layout.state_prefix(OWNER, asked.run_id))


def test_a_repeated_task_fetches_nothing_again(house: House) -> None:
    asked = house.ask(house.outside.file("/v.mp4", VIDEO), ttl_days=0)
    assert house.call(asked) == house.call(asked)
    assert house.outside.asked == {"/v.mp4": 1}


@pytest.mark.parametrize(
    ("ttl_days", "days", "fetches"), [(3, 0, 1), (3, 2, 1), (3, 3, 2), (0, 0, 2), (None, 999, 1)]
)
def test_a_url_is_fetched_again_when_what_it_led_to_is_old(
    house: House, ttl_days: int | None, days: int, fetches: int
) -> None:
    url = house.outside.file("/v.mp4", VIDEO)
    house.acquired(house.ask(url))
    newer = VIDEO + b"and more"
    house.outside.file("/v.mp4", newer)
    LaterStore.days = days
    try:
        found = house.acquired(house.ask(url, ttl_days))
        assert found == (ID if fetches == 1 else hashlib.sha256(newer).hexdigest())
        assert house.outside.asked == {"/v.mp4": fetches}
        assert house.acquired(house.ask(url, None)) == found, "the newest of two counts"
    finally:
        LaterStore.days = 0


def test_a_video_that_was_erased_is_fetched_again(house: House) -> None:
    url = house.outside.file("/v.mp4", VIDEO)
    house.acquired(house.ask(url))
    house.store.delete(layout.video_source(OWNER, ID))
    assert house.acquired(house.ask(url)) == ID
    assert house.outside.asked == {"/v.mp4": 2}


def test_of_another_owner_nothing_is_known(house: House) -> None:
    url = house.outside.file("/v.mp4", VIDEO)
    house.acquired(house.ask(url))
    other = house.ask(url).model_copy(update={"owner": "bert"})
    house.store.put(layout.request("bert", other.run_id), jcs(other.model_dump(mode="json")))
    assert house.acquired(other) == ID
    assert house.outside.asked == {"/v.mp4": 2}


def test_why_there_is_no_video_stands_in_the_run(house: House) -> None:
    outside = house.outside
    with site() as private:
        ways = {
            outside.leads("/there", f"{private.url}/v.mp4"): "denied by the egress filter: port",
            "https://169.254.169.254/latest/": "169.254.169.254 is link-local",
            "https://[::1]/": "::1 is loopback",
            outside.status("/gone.mp4", 410): "the server answered 410",
            outside.file("/page", b"<p>", "text/html"): "no video was found there",
        }
        for url, why in ways.items():
            asked = house.ask(url)
            code, message = house.failure(asked)
            assert code == "VideoUnavailable"
            assert why in message
            assert house.state(asked).status in (RunStatus.RUNNING, RunStatus.FAILED)
        assert private.accepted == 0
    small = replace(house, acquire=replace(house.acquire, fetch=Fetching(_proxy(house), max_bytes=100)))
    assert "is larger than" in small.failure(house.ask(outside.file("/v.mp4", VIDEO)))[1]
    assert house.failure(house.ask(outside.file("/none.mp4", b"")))[0] == "VideoUnreadable"


def _proxy(house: House) -> str:
    assert isinstance(house.acquire.fetch, Fetching)
    return house.acquire.fetch.proxy


def test_trouble_of_the_network_is_to_be_tried_again(house: House) -> None:
    asked = house.ask(house.outside.status("/v.mp4", 503))
    status, said = house.call(asked)
    assert (status, said["title"], said["retryable"]) == (503, "NetworkTrouble", True)
    house.outside.file("/v.mp4", VIDEO)
    assert house.acquired(asked) == ID


def test_without_a_proxy_nothing_goes_out(house: House) -> None:
    bare = replace(house, acquire=replace(house.acquire, fetch=no_way_out))
    status, said = bare.call(house.ask(house.outside.file("/v.mp4", VIDEO)))
    assert (status, said["retryable"]) == (503, True)
    assert "KADR_EGRESS_PROXY" in said["detail"]
    assert house.outside.accepted == 0


def test_the_entrances_take_one_address_in_one_form() -> None:
    told = {"type": "https", "url": "https://EXAMPLE.com:443/v.mp4#t=1"}
    assert source_of(OWNER, told) == "https://example.com/v.mp4"
    assert source_of(OWNER, told | {"type": "youtube_url"}) == "https://example.com/v.mp4"
    with pytest.raises(InvalidEvent, match="holds a user's name or password"):
        source_of(OWNER, {"type": "https", "url": "https://me:word@example.com/v.mp4"})
