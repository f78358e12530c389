"""The egress proxy on real sockets: what it lets through arrives, and what it denies is not even connected to."""

from __future__ import annotations

import gc
import ipaddress
import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
from urllib3.exceptions import ProxyError

from events.egress.fetching import through
from events.egress.filter import Address, Filter, why_not
from events.egress.proxy import EgressProxy
from tests.unit.events.egress.sites import Site, certificate, site

OUTSIDE = ipaddress.ip_address("127.0.0.1")


@pytest.fixture
def outside() -> Iterator[Site]:
    with site() as made:
        made.file("/v", b"video")
        yield made


@pytest.fixture
def private() -> Iterator[Site]:
    with site() as made:
        made.file("/secret", b"secret")
        yield made
        assert made.accepted == 0, "somebody reached it"


@pytest.fixture
def proxy(outside: Site) -> Iterator[EgressProxy]:
    with EgressProxy(Filter(frozenset({outside.place}))) as made:
        yield made


def ask(proxy: EgressProxy, url: str, method: str = "GET") -> urllib3.BaseHTTPResponse:
    with urllib3.ProxyManager(proxy.url) as http:
        return http.request(method, url, retries=False, redirect=False, timeout=10)


def raw(proxy: EgressProxy, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as connection:
        connection.sendall(request)
        found = b""
        while piece := connection.recv(65536):
            found += piece
        return found


def test_what_is_allowed_arrives_each_time_it_is_asked_for(outside: Site, proxy: EgressProxy) -> None:
    with through(proxy.url) as http:
        for _ in range(5):
            assert http.request("GET", f"{outside.url}/v", retries=False).data == b"video"
        assert http.request("GET", f"{outside.url}/none", retries=False).status == 404


def test_https_goes_through_untouched(tmp_path: Path) -> None:
    pem = certificate(tmp_path)
    with site(certificate=pem) as secure, EgressProxy(Filter(frozenset({secure.place}))) as proxy:
        secure.file("/v", b"video" * 1_000_000)
        with through(proxy.url, pem) as http:
            assert len(http.request("GET", f"{secure.url}/v", retries=False).data) == 5_000_000


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://169.254.169.254/latest/meta-data/", "169.254.169.254 is link-local"),
        ("http://[fd00:ec2::254]/", "is private"),
        ("http://[::ffff:127.0.0.1]/", "is"),
        ("http://[64:ff9b::7f00:1]/", "127.0.0.1 is loopback"),
        ("http://127.1/", "is a number, but no IPv4 address"),
        ("http://2130706433/", "is a number, but no IPv4 address"),
        ("http://localhost/", "localhost: "),
        ("http://example.com:25/", "port 25 of example.com"),
    ],
)
def test_a_denial_says_why_as_problem_json(proxy: EgressProxy, url: str, why: str) -> None:
    answer = ask(proxy, url)
    assert (answer.status, answer.headers["Content-Type"]) == (403, "application/problem+json")
    said = json.loads(answer.data)
    assert (said["title"], said["retryable"]) == ("EgressDenied", False)
    assert why in said["detail"]
    assert (answer.reason or "").startswith("Denied by the egress filter: ")


def test_a_private_server_is_not_touched_by_http_or_tunnel(private: Site, proxy: EgressProxy) -> None:
    assert ask(proxy, f"{private.url}/secret").status == 403
    with pytest.raises(ProxyError, match="403 Denied by the egress filter"):
        ask(proxy, f"https://127.0.0.1:{private.port}/secret")
    assert ask(proxy, f"http://localhost:{private.port}/secret").status == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "TRACE", "get"])
def test_other_methods_are_denied(outside: Site, proxy: EgressProxy, method: str) -> None:
    said = raw(proxy, f"{method} {outside.url}/v HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert said.startswith(b"HTTP/1.1 403 Denied by the egress filter: method")
    assert outside.accepted == 0


def test_odd_requests_reach_nobody(outside: Site, private: Site, proxy: EgressProxy) -> None:
    place = f"127.0.0.1:{outside.port}"
    for line in [
        f"GET http://user:word@{place}/v",
        f"GET http://user@{place}/v",
        f"GET https://{place}/v",
        f"GET ftp://{place}/v",
        "GET /v",
        f"GET http://{place}@127.0.0.1:{private.port}/secret",
        f"GET http://127.0.0.1:{private.port}#@{place}/",
        f"CONNECT 127.0.0.1:{private.port}",
        f"CONNECT {place}@127.0.0.1:{private.port}",
        f"CONNECT user@{place}",
        "CONNECT ",
        "nonsense",
    ]:
        said = raw(proxy, f"{line} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode())
        assert said[9:12] in (b"", b"400", b"403"), (line, said)
    assert outside.accepted == 0


def test_a_second_request_on_a_connection_goes_nowhere(
    outside: Site, private: Site, proxy: EgressProxy
) -> None:
    outside.pages["/slow"] = (200, {"Content-Length": "1000"}, b"begun")
    first = f"GET {outside.url}/slow HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    with socket.create_connection(("127.0.0.1", proxy.port), timeout=10) as connection:
        connection.sendall(first)
        assert connection.recv(65536)
        connection.sendall(f"GET {private.url}/secret HTTP/1.1\r\nHost: b\r\n\r\n".encode())
        while connection.recv(65536):
            pass
    assert outside.asked == {"/slow": 1}


def test_a_name_that_turns_private_after_it_was_judged_is_not_looked_up_again() -> None:
    answers = [["127.0.0.1"], ["127.0.0.2"]]
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers[min(len(asked), 2) - 1]

    def judge(address: Address) -> str | None:
        return None if address == OUTSIDE else why_not(address)

    with site() as first, site("127.0.0.2", first.port) as second:
        first.file("/v", b"outside")
        second.file("/v", b"inside")
        with EgressProxy(Filter(frozenset(), resolve, judge, frozenset({first.port}))) as proxy:
            url = f"http://rebind.example:{first.port}/v"
            assert ask(proxy, url).data == b"outside"
            assert asked == ["rebind.example"]
            refused = ask(proxy, url)
            assert refused.status == 403
            assert b"127.0.0.2 is loopback" in refused.data
        assert second.accepted == 0


def test_of_a_long_answer_little_waits_in_the_proxy(outside: Site, proxy: EgressProxy) -> None:
    """While the client does not read, the server does not get rid of what it has."""
    body = bytes(64 << 20)
    outside.file("/long", body)
    with through(proxy.url) as http:
        answer = http.request("GET", f"{outside.url}/long", preload_content=False, retries=False)
        time.sleep(0.3)
        assert outside.answered == 0
        assert sum(len(piece) for piece in answer.stream(1 << 20)) == len(body)


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)  # proxy.py leaves its socket to the collector
def test_a_server_that_is_not_there_is_a_bad_gateway() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with EgressProxy(Filter(frozenset({("127.0.0.1", port)}))) as proxy:
        assert ask(proxy, f"http://127.0.0.1:{port}/").status == 502
        gc.collect()
