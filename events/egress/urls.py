"""Addresses of videos: in the one form by which they are recognised, and as they may be shown."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit, urlunsplit

USUAL = {"https": 443, "http": 80}
OURS = frozenset({"kadr", "s3"})
"""Schemes of addresses whose query pins a version and lets nobody in."""
HIDDEN = "?…"
_WEB = re.compile(r"(?i)\bhttps?://[^\s'\"<>]+")
_QUERY = re.compile(r"\?[^\s'\"<>?]*=[^\s'\"<>]*")


def canonical(url: str) -> str:
    """``url`` with host and scheme in small letters, without its usual port and its fragment. Raises ValueError."""
    parts = urlsplit(url.strip())
    scheme, host = parts.scheme.lower(), parts.hostname
    if scheme not in USUAL or not host:
        raise ValueError(f"{shown(url)[:200]!r} names no host that is asked by https")
    if "@" in parts.netloc:
        raise ValueError(f"the address of {host} holds a user's name or password")
    name = f"[{host}]" if ":" in host else host
    port = "" if parts.port in (None, USUAL[scheme]) else f":{parts.port}"
    return urlunsplit(SplitResult(scheme, name + port, parts.path or "/", parts.query, ""))


def shown(url: str) -> str:
    """``url`` as logs, errors and events may hold it: a query or a password may be all that it takes to fetch it."""
    before, query, _ = url.partition("#")[0].partition("?")
    scheme, slashes, rest = before.partition("://")
    if scheme.lower() in OURS:
        return url
    host, slash, path = rest.partition("/")
    host = host.rpartition("@")[2]
    return (f"{scheme}{slashes}{host}{slash}{path}" if slashes else before) + (HIDDEN if query else "")


def without_secrets(text: str) -> str:
    """What others said of a fetch, with no more of URLs than is shown."""
    return _QUERY.sub(HIDDEN, _WEB.sub(lambda found: shown(found[0]), text))
