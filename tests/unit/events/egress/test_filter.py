"""Which addresses the egress filter lets through, in whatever form they are written or hidden."""

from __future__ import annotations

import ipaddress
import re
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from events.egress.errors import EgressDenied, Unresolvable
from events.egress.filter import Filter, allow_list, checked_host, why_not

PUBLIC = "93.184.216.34"


def names(*answers: list[str]) -> Filter:
    """A filter whose resolver gives each of ``answers`` in turn, then fails."""
    left = list(answers)
    return Filter(resolve=lambda host, port: left.pop(0))


def test_a_public_name_is_pinned_to_an_address_of_its_own() -> None:
    assert names([PUBLIC]).pinned("example.com", 443) == PUBLIC
    assert names(["64:ff9b::5db8:d822"]).pinned("by-nat64.example", 443) == "64:ff9b::5db8:d822"
    assert names(["2606:4700::1", PUBLIC]).pinned("EXAMPLE.com.", 80) == PUBLIC


def test_the_name_is_asked_about_once() -> None:
    """A name that is public when it is judged and private afterwards has no afterwards."""
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return [PUBLIC] if len(asked) == 1 else ["127.0.0.1"]

    assert Filter(resolve=resolve).pinned("rebind.example", 443) == PUBLIC
    assert asked == ["rebind.example"]


def test_one_private_address_among_public_ones_denies_the_name() -> None:
    with pytest.raises(EgressDenied, match=r"mixed.example: 10.1.2.3 is private"):
        names([PUBLIC, "10.1.2.3"]).pinned("mixed.example", 443)


@pytest.mark.parametrize(
    "address",
    [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "127.0.0.1",
        "127.9.9.9",
        "169.254.169.254",
        "0.0.0.0",
        "100.64.0.1",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "192.0.0.192",
        "168.63.129.16",
        "198.18.0.1",
        "192.88.99.1",
        "::",
        "::1",
        "fe80::1",
        "fc00::1",
        "fd00:ec2::254",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "100::1",
        "4000::1",
    ],
)
def test_what_is_not_public_is_denied_as_it_is_and_inside_of_ipv6(address: str) -> None:
    forms: list[IPv4Address | IPv6Address] = [ipaddress.ip_address(address)]
    if isinstance(forms[0], IPv4Address):
        forms += _hidden(forms[0])
    for form in forms:
        assert why_not(form), form
        with pytest.raises(EgressDenied):
            names([str(form)]).pinned("name.example", 443)
        literal = f"[{form}]" if form.version == 6 else str(form)
        with pytest.raises(EgressDenied, match="KADR_EGRESS_ALLOW"):
            Filter().pinned(literal, 443)


def _hidden(address: IPv4Address) -> list[IPv4Address | IPv6Address]:
    number = int(address)
    return [
        IPv6Address(number),  # IPv4-compatible
        IPv6Address((0xFFFF << 32) | number),  # IPv4-mapped
        IPv6Address((0x64FF9B << 96) | number),  # NAT64
        IPv6Address((0x64FF9B0001 << 80) | number),  # NAT64 of an own prefix
        IPv6Address((0x2002 << 112) | (number << 80) | 1),  # 6to4
        IPv6Address((0x20010000 << 96) | (number << 64) | (number ^ 0xFFFFFFFF)),  # Teredo
        IPv6Address((0x26064700 << 96) | (0x5EFE << 32) | number),  # ISATAP
    ]


@given(st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)))
def test_whatever_python_calls_not_global_is_denied(address: IPv4Address | IPv6Address) -> None:
    if address.is_global and not address.is_multicast:
        return
    assert why_not(address)
    with pytest.raises(EgressDenied):
        names([str(address)]).pinned("name.example", 443)


@given(st.ip_addresses(v=4))
def test_hiding_an_address_in_another_never_helps(address: IPv4Address) -> None:
    if why_not(address):
        assert all(why_not(form) for form in _hidden(address))


@given(st.integers(0, 2**32 - 1), st.lists(st.sampled_from("doxX"), min_size=4, max_size=4))
def test_an_address_is_taken_in_its_usual_form_alone(number: int, bases: list[str]) -> None:
    octets = [(number >> shift) & 255 for shift in (24, 16, 8, 0)]
    forms = {"d": "{}", "o": "0{:o}", "x": "0x{:x}", "X": "0X{:X}"}
    written = ".".join(forms[base].format(octet) for base, octet in zip(bases, octets, strict=True))
    if written != str(IPv4Address(number)):
        with pytest.raises(EgressDenied):
            checked_host(written)


@pytest.mark.parametrize(
    "host",
    [
        "2130706433",
        "127.1",
        "0x7f.1",
        "0x7f000001",
        "017700000001",
        "127.0.0.01",
        "127.0.0.1..",
        "1.2.3.4.5",
        "example.0x7f",
        "１２７.0.0.1",
        "①②⑦.0.0.1",
        "127。0。0。1",
        "ex ample.com",
        "a/b",
        "a%00b",
        "",
        ".",
        "a..b",
        "user@example.com",
        "[::1%25lo]",
        "[fe80::1%eth0]",
        "[::ffff:127.0.0.1.]",
        "[]",
        "::1",
        "-a.b",
    ],
)
def test_odd_hosts_are_denied_without_being_resolved(host: str) -> None:
    with pytest.raises(EgressDenied):
        names().pinned(host, 443)


def test_ports_other_than_80_and_443_are_denied_unless_listed() -> None:
    with pytest.raises(EgressDenied, match=r"port 22 of example\.com"):
        names().pinned("example.com", 22)
    listed = Filter(allow_list("Hooks.Internal:8443, [::1]:9000"), lambda host, port: ["10.0.0.5"])
    assert listed.pinned("hooks.internal", 8443) == "10.0.0.5"
    assert listed.pinned("[::1]", 9000) == "::1"
    for host, port in [("hooks.internal", 443), ("10.0.0.5", 8443), ("[::1]", 443)]:
        with pytest.raises(EgressDenied):
            listed.pinned(host, port)


@pytest.mark.parametrize("text", ["host", "host:", ":80", "host:0", "host:70000", "127.1:80", "a b:80"])
def test_an_allow_list_that_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"host:port|no host|a number"):
        allow_list(text)
    assert allow_list(" ") == frozenset()


def test_a_name_without_an_address_may_have_one_later() -> None:
    def resolve(host: str, port: int) -> list[str]:
        raise OSError("no answer")

    with pytest.raises(Unresolvable, match=r"gone.example cannot be resolved: no answer"):
        Filter(resolve=resolve).pinned("gone.example", 443)
    assert Unresolvable.retryable


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://127.0.0.1:9000/hook", "KADR_EGRESS_ALLOW"),
        ("https://10.1.2.3/hook", "private.*KADR_EGRESS_ALLOW"),
        ("https://[::1]/hook", "loopback.*KADR_EGRESS_ALLOW"),
        ("https://localhost/", "loopback.*KADR_EGRESS_ALLOW"),
        ("https://public.example:8443/", "KADR_EGRESS_ALLOW"),
        ("https://public.example/", None),
        ("https://9.9.9.9/", None),
        ("https://listed.example:9000/", None),
        ("https://127.0.0.1:9443/", None),
    ],
)
def test_what_is_surely_denied_shows_without_a_resolver(url: str, why: str | None) -> None:
    rules = Filter(allow_list("127.0.0.1:9443, listed.example:9000"))
    said = rules.denied(url)
    assert said is None if why is None else re.search(why, str(said)), said
