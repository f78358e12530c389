"""Addresses of videos in the one form by which they are recognised."""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit, urlunsplit

USUAL = {"https": 443, "http": 80}


def canonical(url: str) -> str:
    """``url`` with host and scheme in small letters, without its usual port and its fragment. Raises ValueError."""
    parts = urlsplit(url.strip())
    scheme, host = parts.scheme.lower(), parts.hostname
    if scheme not in USUAL or not host:
        raise ValueError(f"{url[:200]!r} names no host that is asked by https")
    if "@" in parts.netloc:
        raise ValueError(f"the address of {host} holds a user's name or password")
    name = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, USUAL[scheme]) else f":{parts.port}"
    return urlunsplit(SplitResult(scheme, name + port, parts.path or "/", parts.query, ""))
