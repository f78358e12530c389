"""POSTs on real sockets, through the egress proxy: what may arrive does, what must not is not connected to, and all of it ends."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPResponse
from pathlib import Path

import pytest

from events.answers.post import Post, _reply, retry_after_ms
from events.answers.resting import Resting
from events.answers.sending import outcome, told
from events.answers.signing import check, key_of, new_secret
from events.answers.targets import Reached, host_of
from events.egress.errors import EgressDenied, NetworkTrouble
from events.egress.fetching import trusting
from events.egress.filter import Address, Filter, why_not
from events.egress.proxy import EgressProxy
from tests.unit.events.answers.receiver import Receiver, receiver
from tests.unit.events.egress.sites import certificate

EVENT = {
    "specversion": "1.0",
    "id": "e1",
    "source": "/kadr",
    "type": "t",
    "traceparent": "00-a-b-01",
    "data": {},
}


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("pem"))


@pytest.fixture
def plain() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


@pytest.fixture
def proxy(plain: Receiver) -> Iterator[EgressProxy]:
    with EgressProxy(Filter(frozenset({("127.0.0.1", plain.port)}))) as made:
        yield made


def test_it_arrives_signed_over_tls(pem: Path) -> None:
    secret = new_secret()
    with receiver(pem) as secure, EgressProxy(Filter(frozenset({("127.0.0.1", secure.port)}))) as proxy:
        found = told(
            Post(proxy.url, trusting(pem)), Reached(f"{secure.url}/hook?a=1", (key_of(secret),)), EVENT
        )
        assert (found.how, found.status) == ("delivered", 204)
        [got] = secure.of("/hook?a=1")
        check([key_of(secret)], got.headers, got.body)
        assert got.event == EVENT
        assert got.headers["content-type"].startswith("application/cloudevents+json")
        assert got.headers["traceparent"] == EVENT["traceparent"]
        assert got.headers["webhook-id"] == EVENT["id"]
        untrusted = told(Post(proxy.url), Reached(f"{secure.url}/hook", ()), EVENT)
        assert untrusted.how == "retried"
        assert "CERTIFICATE_VERIFY_FAILED" in untrusted.why


@pytest.mark.parametrize(
    ("status", "how"),
    [(200, "delivered"), (302, "failed"), (400, "failed"), (401, "failed"), (404, "failed"), (408, "retried"),
     (410, "gone"), (425, "retried"), (429, "retried"), (500, "retried"), (503, "retried")],
)  # fmt: skip
def test_what_an_answer_means(plain: Receiver, proxy: EgressProxy, status: int, how: str) -> None:
    plain.say(status, b"no \xff such\nhook", Retry_After="7", Location="http://127.0.0.1:1/")
    found = outcome(Post(proxy.url)(f"{plain.url}/hook", {}, b"{}"))
    assert (found.how, found.status) == (how, status)
    assert plain.accepted == 1  # redirects are not followed
    if how == "retried":
        assert found.after_ms == 7000
    if how != "delivered":
        assert "no such hook" in found.text.replace("  ", " ")
        assert "hook" not in found.why  # which is what logs say


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:{port}/", "https://127.0.0.1:{port}/", "https://localhost:{port}/", "http://169.254.169.254/latest",
     "https://[::1]:{port}/", "https://[fd00:ec2::254]/", "http://2130706433/", "https://user:word@127.0.0.1/", "ftp://x/", "https://",
     "https://x.example/a b", "https://é.example/"],
)  # fmt: skip
def test_the_private_is_refused_and_not_touched(url: str) -> None:
    with receiver() as private, EgressProxy(Filter()) as proxy:
        with pytest.raises(EgressDenied) as refused:
            Post(proxy.url)(url.format(port=private.port), {}, b"{}")
        assert private.accepted == 0
        assert "word" not in str(refused.value)
        found = told(Post(proxy.url), Reached(url.format(port=private.port), ()), EVENT)
        assert found.how == "denied"
        assert found.why


def test_a_name_that_turns_private_is_refused() -> None:
    """DNS rebinding: public when it is judged first, private a moment later."""
    answers = iter([["127.0.0.1"], ["127.0.0.2"], ["127.0.0.2"]])

    def judge(address: Address) -> str | None:
        return None if address == ipaddress.ip_address("127.0.0.1") else why_not(address)

    with receiver() as outside:
        rules = Filter(frozenset(), lambda host, port: next(answers), judge, frozenset({outside.port}))
        with EgressProxy(rules) as proxy:
            url = f"http://rebind.example:{outside.port}/hook"
            assert Post(proxy.url)(url, {}, b"{}").taken
            with pytest.raises(EgressDenied, match=r"127\.0\.0\.2 is loopback"):
                Post(proxy.url)(url, {}, b"{}")
        assert outside.accepted == 1


@pytest.mark.parametrize(
    "drip", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 500 No\r\nContent-Length: 9999\r\n\r\n", b""]
)
@pytest.mark.parametrize("secure", [False, True])
def test_who_drips_is_left_when_the_time_is_over(drip: bytes, secure: bool) -> None:
    """Headers, body or TLS handshake one byte at a time: no timeout of a single read would end that."""
    ended = threading.Event()

    def serve(server: socket.socket) -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(65536)
            with suppress(OSError):
                connection.sendall(drip)
                while not ended.wait(0.05):
                    connection.sendall(b"\x16" if secure else b"x")

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        thread = threading.Thread(target=serve, args=(server,))
        thread.start()
        with EgressProxy(Filter(frozenset({("127.0.0.1", port)}))) as proxy:
            began = time.monotonic()
            scheme = "https" if secure else "http"
            with pytest.raises(NetworkTrouble):
                Post(proxy.url, ssl.create_default_context(), 0.5)(f"{scheme}://127.0.0.1:{port}/", {}, b"{}")
            assert time.monotonic() - began < 3
        ended.set()
        thread.join()


def test_nobody_there_is_trouble_that_may_pass(plain: Receiver, proxy: EgressProxy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with EgressProxy(Filter(frozenset({("127.0.0.1", port)}))) as other, pytest.raises(NetworkTrouble):
        Post(other.url)(f"https://127.0.0.1:{port}/", {}, b"{}")
    with pytest.raises(NetworkTrouble, match="KADR_EGRESS_PROXY"):
        Post(None)(f"{plain.url}/", {}, b"{}")


def test_retry_after_is_seconds_or_a_date() -> None:
    assert retry_after_ms("120") == 120_000
    assert retry_after_ms("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert (retry_after_ms("Wed, 21 Oct 2099 07:28:00 GMT") or 0) > 10**9
    assert [retry_after_ms(t) for t in ("", "soon", "-1", "1.5", "²", "9" * 30)] == [None] * 6


def test_logs_name_the_host_alone() -> None:
    assert host_of("https://me:pw@hooks.example:8443/T0/secret?token=x#y") == "https://hooks.example:8443"


def test_a_target_that_fails_rests_and_one_that_hangs_takes_few_places() -> None:
    now = [0.0]
    resting = Resting(clock=lambda: now[0])
    assert [resting.enter("new") for _ in range(3)] == [0, 0, 2.0]
    assert resting.enter("other") == 0
    resting.leave("new", False, 0.1)
    assert [resting.enter("new") for _ in range(6)] == [0] * 5 + [2.0]
    resting.leave("new", False, 9.0)
    assert resting.enter("new") == 2.0
    for _ in range(3):
        assert resting.enter("failing") == 0
        resting.leave("failing", True, 0.1)
    assert resting.enter("failing") == pytest.approx(5)
    now[0] = 6
    assert resting.enter("failing") == 0
    resting.leave("failing", True, 0.1)
    assert resting.enter("failing") == pytest.approx(10)
    now[0] = 17
    assert resting.enter("failing") == 0
    resting.leave("failing", False, 0.1)
    assert resting.enter("failing") == 0


@pytest.mark.parametrize("by_proxy", [True, False])
def test_a_receiver_behind_tls_does_not_speak_for_the_filter(by_proxy: bool) -> None:
    """What the filter refuses is told to whoever runs the service: nobody else may say so in its name."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"HTTP/1.1 403 Denied by the egress filter: no\r\nContent-Length: 0\r\n\r\n")
        with HTTPResponse(ours) as answer:
            answer.begin()
            if by_proxy:
                with pytest.raises(EgressDenied):
                    _reply(answer, by_proxy)
            else:
                assert _reply(answer, by_proxy).status == 403
