"""What is secret in an address stays in the run's request: nobody is told it by a log, an error, a record or an event."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from events import binding
from events.acquire import no_way_out
from events.asking import source_of
from events.binding import InvalidEvent
from events.egress.errors import failed
from events.egress.fetching import Fetching
from events.egress.urls import shown
from events.egress.ytdlp import check, download, too_large, too_slow
from events.messages import acquire_body, run_fields
from kadr.contracts.errors import KadrError
from kadr.contracts.run import Request
from tests.unit.events.egress.sites import site
from tests.unit.events.egress.test_acquire import VIDEO, House, house, proxied

__all__ = ["house", "proxied"]

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # yt-dlp's sockets

SECRET = "S3CR3T"
SIGNED = f"?X-Amz-Signature={SECRET}&v=1"


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("https://a.example/b/v.mp4", "https://a.example/b/v.mp4"),
        (f"https://a.example/v.mp4{SIGNED}", "https://a.example/v.mp4?…"),
        (f"https://a.example:8443?{SECRET}#{SECRET}", "https://a.example:8443?…"),
        (f"https://anna:{SECRET}@a.example/@v#{SECRET}", "https://a.example/@v"),
        ("s3://theirs/a.mp4?versionId=7", "s3://theirs/a.mp4?versionId=7"),
        ("kadr:///inbox/main/a.mp4?etag=e", "kadr:///inbox/main/a.mp4?etag=e"),
        (f"nothing{SIGNED}", "nothing?…"),
    ],
)
def test_an_address_is_shown_without_what_lets_in(url: str, seen: str) -> None:
    assert shown(url) == seen


def test_no_error_of_a_fetch_tells_a_token(tmp_path: Path) -> None:
    url = f"https://127.0.0.1:9/v.mp4{SIGNED}"
    quoted = f"HTTPSConnectionPool(host='a'): Max retries exceeded with url: /v.mp4{SIGNED} after {url}"
    said = [too_large(url, 1), too_slow(url), failed(url, quoted, True), failed(url, quoted, False)]
    ways = (
        lambda: no_way_out(url, tmp_path),
        lambda: check(f"https://{SIGNED}"),
        lambda: download(url, tmp_path, 100, total_s=5.0),
        lambda: Fetching("http://127.0.0.1:9")(url, tmp_path),
        lambda: Fetching("http://127.0.0.1:9")(f"ftp://a.example/v{SIGNED}", tmp_path),
        lambda: source_of("main", {"type": "https", "url": f"http://a.example/v{SIGNED}"}),
        lambda: source_of("main", {"type": "https", "url": f"https:///v{SIGNED}"}),
    )
    for way in ways:
        with pytest.raises((KadrError, InvalidEvent)) as caught:
            way()
        said.append(caught.value)
    assert [str(error) for error in said if SECRET in str(error)] == []
    assert "a.example/v?…" in str(said[-2])


def test_the_record_of_a_failed_run_and_its_events_hold_no_token(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "kadr")
    outside = house.outside
    with site() as private:
        for url in (
            outside.file("/page" + SIGNED, b"<p>", "text/html"),
            outside.status("/gone.mp4" + SIGNED, 410),
            outside.leads("/there" + SIGNED, f"{private.url}/v.mp4{SIGNED}"),
            outside.leads("/odd" + SIGNED, f"ftp://a.example/v.mp4{SIGNED}"),
            outside.file("/none.mp4" + SIGNED, b""),
        ):
            _no_token(house, house.ask(url))
    _no_token(house, house.ask(f"gopher://a.example/v.mp4{SIGNED}"))
    assert SECRET not in caplog.text


def _no_token(house: House, asked: Request) -> None:
    status, said = house.call(asked)
    record = house.store.get(said["record"]).decode()
    event = binding.Event("1", "/kadr", binding.RUN_COMPLETED, run_fields(asked, None))
    told = [json.dumps(acquire_body(asked, 1)), binding.to_json(event).decode(), record, json.dumps(said)]
    assert status == 200
    assert [text for text in told if SECRET in text] == []
    assert shown(asked.source).partition("?")[0] in record


def test_what_is_signed_is_fetched_with_its_signature(house: House) -> None:
    asked = house.ask(house.outside.file("/v.mp4" + SIGNED, VIDEO))
    assert SECRET in asked.source
    assert house.acquired(asked)
