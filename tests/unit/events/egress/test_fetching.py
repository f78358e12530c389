"""Videos behind URLs, fetched through the real proxy: what arrives, what does not, and whether it is worth another try."""

from __future__ import annotations

import gc
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from events.egress.errors import NetworkTrouble
from events.egress.fetching import Fetching
from events.egress.filter import Filter
from events.egress.proxy import EgressProxy
from events.egress.urls import canonical
from kadr.contracts.errors import VideoUnavailable
from tests.unit.events.egress.sites import Site, certificate, site

# yt-dlp, and urllib3 of a connection that broke, leave sockets to the collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

VIDEO = b"not looked into" * 1000


@pytest.fixture
def outside() -> Iterator[Site]:
    with site() as made:
        yield made


@pytest.fixture
def private() -> Iterator[Site]:
    with site() as made:
        made.file("/secret.mp4", VIDEO)
        yield made
        assert made.accepted == 0, "somebody reached it"


@pytest.fixture
def fetch(outside: Site) -> Iterator[Fetching]:
    with EgressProxy(Filter(frozenset({outside.place}))) as proxy:
        yield Fetching(proxy.url)


def test_a_file_is_fetched_as_it_is(outside: Site, fetch: Fetching, tmp_path: Path) -> None:
    url = outside.file("/v.mp4", VIDEO)
    assert fetch(url, tmp_path).read_bytes() == VIDEO
    assert outside.asked == {"/v.mp4": 1}


def test_a_file_behind_https_and_a_redirect_is_fetched(tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    (tmp_path / "got").mkdir()
    with site(certificate=pem) as secure, EgressProxy(Filter(frozenset({secure.place}))) as proxy:
        url = secure.leads("/there", secure.file("/v.mp4", VIDEO))
        with pytest.raises(VideoUnavailable, match="certificate is not trusted"):
            Fetching(proxy.url)(url, tmp_path / "got")
        assert Fetching(proxy.url, ca_file=pem)(url, tmp_path / "got").read_bytes() == VIDEO


def test_of_a_page_the_video_in_it_is_fetched(outside: Site, fetch: Fetching, tmp_path: Path) -> None:
    outside.file("/v.mp4", VIDEO)
    page = outside.file("/page", b'<html><video src="/v.mp4"></video></html>', "text/html")
    assert fetch(page, tmp_path).read_bytes() == VIDEO


def test_no_way_leads_to_a_private_server(
    outside: Site, private: Site, fetch: Fetching, tmp_path: Path
) -> None:
    secret = f"{private.url}/secret.mp4"
    listed = b"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1.0,\n%s\n#EXT-X-ENDLIST\n" % secret.encode()
    ways = [
        secret,
        secret.replace("http:", "https:"),
        outside.leads("/there", secret),
        outside.leads("/twice", f"{outside.url}/there"),
        outside.leads("/tunnel", secret.replace("http:", "https:")),
        outside.file("/page", b'<video src="%s"></video>' % secret.encode(), "text/html"),
        outside.file(
            "/frame", b'<meta http-equiv="refresh" content="0;url=%s">' % secret.encode(), "text/html"
        ),
        outside.file("/list.m3u8", listed, "application/vnd.apple.mpegurl"),
    ]
    for number, way in enumerate(ways):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(VideoUnavailable, match="denied by the egress filter: port"):
            fetch(way, folder)
        assert not [p for p in folder.iterdir() if p.read_bytes() == VIDEO]


@pytest.mark.parametrize(
    "to", ["http://169.254.169.254/latest/meta-data/", "http://[::ffff:10.0.0.1]/", "http://2130706433/"]
)
def test_a_redirect_to_metadata_says_that_it_was_denied(
    outside: Site, fetch: Fetching, tmp_path: Path, to: str
) -> None:
    with pytest.raises(VideoUnavailable, match="denied by the egress filter"):
        fetch(outside.leads("/there", to), tmp_path)


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/v.mp4", "gopher://127.0.0.1:70/"])
def test_a_redirect_to_another_scheme_leads_nowhere(
    outside: Site, fetch: Fetching, tmp_path: Path, to: str
) -> None:
    with pytest.raises(VideoUnavailable, match="leads to what is not fetched"):
        fetch(outside.leads("/there", to), tmp_path)


def test_what_leads_round_in_circles_is_given_up(outside: Site, fetch: Fetching, tmp_path: Path) -> None:
    with pytest.raises(VideoUnavailable, match="leads on more than 5 times"):
        fetch(outside.leads("/a", f"{outside.url}/a"), tmp_path)


@pytest.mark.parametrize("told", [True, False])
def test_what_is_too_large_is_refused_whether_it_says_so_or_not(
    outside: Site, fetch: Fetching, tmp_path: Path, told: bool
) -> None:
    url = outside.file("/v.mp4", VIDEO)
    if not told:
        outside.pages["/v.mp4"] = (200, {"Content-Type": "video/mp4", "Connection": "close"}, VIDEO)
    with pytest.raises(VideoUnavailable, match="is larger than 1e-06 GB: KADR_FETCH_GB lets in more"):
        replace(fetch, max_bytes=1000)(url, tmp_path)


def test_what_takes_too_long_is_given_up(outside: Site, fetch: Fetching, tmp_path: Path) -> None:
    with pytest.raises(VideoUnavailable, match="takes too long"):
        replace(fetch, total_s=0)(outside.file("/v.mp4", VIDEO), tmp_path)


@pytest.mark.parametrize("status", [404, 403, 410])
def test_a_refusal_is_final_and_told(outside: Site, fetch: Fetching, tmp_path: Path, status: int) -> None:
    with pytest.raises(VideoUnavailable, match=f"the server answered {status}"):
        fetch(outside.status("/v.mp4", status), tmp_path)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again_later(
    outside: Site, fetch: Fetching, tmp_path: Path, status: int
) -> None:
    with pytest.raises(NetworkTrouble, match=f"the server answered {status}"):
        fetch(outside.status("/v.mp4", status), tmp_path)


def test_a_page_without_a_video_says_so(outside: Site, fetch: Fetching, tmp_path: Path) -> None:
    with pytest.raises(VideoUnavailable, match="no video was found there"):
        fetch(outside.file("/page", b"<p>nothing", "text/html"), tmp_path)


def broken(outside: Site, fetch: Fetching) -> tuple[str, Fetching]:
    outside.pages["/v.mp4"] = (200, {"Content-Type": "video/mp4", "Content-Length": "99999"}, b"begun")
    outside.pages["/v.mp4"][1]["Connection"] = "close"
    return f"{outside.url}/v.mp4", fetch


def unnamed(outside: Site, fetch: Fetching) -> tuple[str, Fetching]:
    return "https://no-such-name.invalid/v.mp4", fetch


def proxyless(outside: Site, fetch: Fetching) -> tuple[str, Fetching]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    return f"{outside.url}/v.mp4", replace(fetch, proxy=f"http://127.0.0.1:{port}")


@pytest.mark.parametrize("trouble", [broken, unnamed, proxyless])
def test_trouble_of_the_network_may_pass(
    outside: Site,
    fetch: Fetching,
    tmp_path: Path,
    trouble: Callable[[Site, Fetching], tuple[str, Fetching]],
) -> None:
    url, by = trouble(outside, fetch)
    with pytest.raises(NetworkTrouble, match="it cannot be reached"):
        by(url, tmp_path)
    gc.collect()


def test_the_environment_leads_past_no_proxy(
    outside: Site, private: Site, fetch: Fetching, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "*")
    page = outside.file("/page", b'<video src="%s/secret.mp4"></video>' % private.url.encode(), "text/html")
    with pytest.raises(VideoUnavailable, match="denied"):
        fetch(page, tmp_path)


def test_one_address_has_one_form() -> None:
    plain = "https://example.com/a%20B?x=1"
    assert canonical(" HTTPS://EXAMPLE.com:443/a%20B?x=1#t=5 ") == plain
    assert canonical(plain) == plain
    assert canonical("https://example.com") == "https://example.com/"
    assert canonical("https://example.com:8443/") == "https://example.com:8443/"
    assert canonical("https://[::1]/v") == "https://[::1]/v"
    for wrong in (
        "https://u:p@example.com/",
        "https://u@example.com/",
        "https:///v",
        "https://[x/",
        "ftp://a/",
    ):
        with pytest.raises(ValueError, match=r"."):
            canonical(wrong)
