"""Who may be reached from inside: a host is resolved once, all its addresses are judged, and the connection goes to one of those."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from urllib.parse import urlsplit

from events.egress.errors import EgressDenied, Unresolvable
from events.egress.urls import USUAL

METHODS = frozenset({"GET", "HEAD", "POST", "CONNECT"})
PORTS = frozenset({80, 443})
SPECIAL: dict[str, IPv4Network | IPv6Network] = {
    "of a carrier's own network": IPv4Network("100.64.0.0/10"),
    "special (192.0.0.0/24)": IPv4Network("192.0.0.0/24"),
    "a 6to4 relay": IPv4Network("192.88.99.0/24"),
    "of Azure's own host": IPv4Network("168.63.129.16/32"),
    "for documents": IPv6Network("3fff::/20"),
}
"""Of IANA's registries, what not every Python knows; clouds answer for metadata at 192.0.0.192 and 168.63.129.16 too."""
UNICAST = IPv6Network("2000::/3")
"""All of IPv6 that is given out; what lies elsewhere is nobody's, or a way to IPv4."""
NAT64 = IPv6Network("64:ff9b::/96")
ISATAP = (0x0000_5EFE, 0x0200_5EFE)
"""The upper half of an interface identifier behind which an IPv4 address stands (RFC 5214)."""
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Sequence[str]]
"""(host, port) to addresses as text. Raises OSError."""


def system(host: str, port: int) -> list[str]:
    """What the system's resolver says."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def why_not(address: Address) -> str | None:
    """Why nothing may go to ``address``; None if it may. IPv4 inside of IPv6 is judged as well."""
    if address in NAT64:  # how machines without IPv4 reach it
        flaw = why_not(IPv4Address(int(address) & 0xFFFF_FFFF))
        return flaw and f"{address} leads to {flaw}"
    flaws = {
        "unspecified": address.is_unspecified,
        "loopback": address.is_loopback,
        "link-local": address.is_link_local,
        "multicast": address.is_multicast,
        "reserved": address.is_reserved,
        "private": address.is_private or getattr(address, "is_site_local", False),
        **{
            name: address.version == network.version and address in network
            for name, network in SPECIAL.items()
        },
        "not public": not address.is_global or not _given_out(address),
    }
    if flaw := next((name for name, is_so in flaws.items() if is_so), None):
        return f"{address} is {flaw}"
    if isinstance(address, IPv6Address):
        for inner in _inside(address):
            if flaw := why_not(inner):
                return f"{address} leads to {flaw}"
    return None


def _given_out(address: Address) -> bool:
    return address.version == 4 or address in UNICAST


def _inside(address: IPv6Address) -> list[IPv4Address]:
    """IPv4 addresses that a gateway, a tunnel or the system may take ``address`` for."""
    number = int(address)
    found = [address.ipv4_mapped, address.sixtofour]
    isatap = (number >> 32) & 0xFFFF_FFFF in ISATAP
    if isatap:
        found.append(IPv4Address(number & 0xFFFF_FFFF))
    return [inner for inner in found if inner is not None]


@dataclass(frozen=True)
class Filter:
    """``allowed``: (host, port) as they are asked for, which are not judged; empty by default."""

    allowed: frozenset[tuple[str, int]] = frozenset()
    resolve: Resolve = system
    judge: Callable[[Address], str | None] = why_not
    ports: frozenset[int] = PORTS

    def pinned(self, host: str, port: int) -> str:
        """The address to connect to; nobody resolves again. Raises EgressDenied, Unresolvable."""
        name = checked_host(host)
        listed = (name, port) in self.allowed
        if port not in self.ports and not listed:
            raise EgressDenied(f"port {port} of {name}: only 80 and 443, and what KADR_EGRESS_ALLOW lists")
        addresses = [literal] if (literal := _literal(name)) else self._resolved(name, port)
        if not listed:
            for address in addresses:
                if why := self.judge(address):
                    said = why if name == str(address) else f"{name}: {why}"
                    raise EgressDenied(f"{said}, and {name}:{port} is not in KADR_EGRESS_ALLOW")
        # Many machines have no IPv6.
        return str(next((a for a in addresses if a.version == 4), addresses[0]))

    def denied(self, url: str) -> str | None:
        """Why nothing will go to ``url`` as far as that shows without asking a resolver; None if it may. Raises ValueError."""
        parts = urlsplit(url)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
        try:
            replace(self, resolve=_unasked).pinned(host, parts.port or USUAL[parts.scheme])
        except EgressDenied as error:
            return str(error)
        except Unresolvable:
            return None
        return None

    def _resolved(self, name: str, port: int) -> list[Address]:
        try:
            found = self.resolve(name, port)
        except (OSError, UnicodeError) as error:
            raise Unresolvable(f"{name} cannot be resolved: {error}") from error
        if not found:
            raise Unresolvable(f"{name} has no address")
        try:
            return [_unscoped(text) for text in found]
        except ValueError as error:
            raise EgressDenied(f"{name}: {error}") from error


def _unasked(host: str, port: int) -> list[str]:
    """This machine's own name, which all resolvers know, and no other."""
    if host.rpartition(".")[2] == "localhost":
        return ["127.0.0.1"]
    raise OSError("it was not asked for")


def checked_host(host: str) -> str:
    """``host`` in small letters, as a name or an address in its one usual form. Raises EgressDenied."""
    name = host.lower().removesuffix(".")
    if name.startswith("[") and name.endswith("]"):
        return _bracketed(name[1:-1])
    labels = name.split(".")
    if not all(_LABEL.fullmatch(label) for label in labels) or len(name) > 253:
        raise EgressDenied(f"{host[:260]!r} is no host name")
    if _NUMBER.fullmatch(labels[-1]):
        # Resolvers take 127.1, 0x7f.1, 2130706433 and 0177.0.0.1 for addresses, each in its own way.
        try:
            return str(IPv4Address(name))
        except ValueError:
            raise EgressDenied(f"{host[:260]!r} is a number, but no IPv4 address as it is written") from None
    return name


def _bracketed(text: str) -> str:
    try:
        return str(_unscoped(text))
    except ValueError as error:
        raise EgressDenied(f"[{text[:60]}]: {error}") from None


def _literal(name: str) -> Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _unscoped(text: str) -> Address:
    """Raises ValueError."""
    if "%" in text:
        raise ValueError(f"{text!r} is of this machine's own links")
    return ipaddress.ip_address(text)


def allow_list(text: str) -> frozenset[tuple[str, int]]:
    """``host:port, host:port``, IPv6 in brackets. Raises ValueError."""
    return frozenset(_entry(entry.strip()) for entry in text.split(",") if entry.strip())


def _entry(entry: str) -> tuple[str, int]:
    host, _, port = entry.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{entry!r} is not host:port")
    try:
        return checked_host(host), int(port)
    except EgressDenied as error:
        raise ValueError(str(error)) from None
