"""Signatures of Standard Webhooks (version 1.0, github.com/standard-webhooks/standard-webhooks), symmetric ones: ``v1``.

``v1,`` and the base64 of HMAC-SHA256 over ``id.timestamp.body``. Stricter than the specification asks: a timestamp or signature that
is written otherwise than we would write it proves nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from kadr.contracts.errors import KadrError

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
TOLERANCE_S = 300
PREFIX = "whsec_"
KEY_BYTES = range(24, 65)
"""The specification's limits."""
MOST = 20
"""Signatures of one event that are looked at."""
_SECONDS = re.compile(r"[1-9][0-9]{0,11}")
_ID = re.compile(r"[\x21-\x7e]{1,256}")

Key = bytes


class InvalidSecret(KadrError):
    """A signing secret is whsec_ and the base64 of 24 to 64 bytes."""

    status = 422


class Unproven(KadrError):
    """The signature does not show that who sent this knows the secret."""

    status = 401


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def key_of(secret: str) -> Key:
    """Raises InvalidSecret, which never shows the secret."""
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except ValueError:
        raise InvalidSecret from None
    if not secret.startswith(PREFIX) or len(key) not in KEY_BYTES:
        raise InvalidSecret
    return key


def keys_of(told: str, name: str) -> tuple[Key, ...]:
    """Of a setting: one secret or several, or the path of a file that holds them. The newest first.

    Raises InvalidSecret naming the setting.
    """
    try:
        text = Path(told).read_text() if told.startswith("/") else told
        return tuple(key_of(secret) for secret in text.split())
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSecret(
            f"{name}: the file that it names cannot be read: {type(error).__name__}"
        ) from None
    except InvalidSecret as error:
        raise InvalidSecret(f"{name}: {error}") from None


def sign(key: Key, event_id: str, timestamp: int, body: bytes) -> str:
    signed = hmac.new(key, f"{event_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return "v1," + base64.b64encode(signed.digest()).decode()


def headers(keys: Sequence[Key], event_id: str, body: bytes, now_s: int | None = None) -> dict[str, str]:
    """What shows where ``body`` comes from: one signature for each key, so that a receiver may know any of them."""
    at = int(time.time()) if now_s is None else now_s
    said = {ID: event_id, TIMESTAMP: str(at)}
    if keys:
        said[SIGNATURE] = " ".join(sign(key, event_id, at, body) for key in keys)
    return said


def check(keys: Sequence[Key], given: Mapping[str, str], body: bytes, now_s: float | None = None) -> None:
    """Raises Unproven unless one of ``keys`` signed ``body`` within the tolerance. Names in ``given`` are of any case."""
    lower = {name.lower(): value for name, value in given.items()}
    event_id, at, told = (lower.get(name, "") for name in (ID, TIMESTAMP, SIGNATURE))
    if not _ID.fullmatch(event_id) or not _SECONDS.fullmatch(at):
        raise Unproven(f"{ID} or {TIMESTAMP} is missing or malformed")
    if abs((time.time() if now_s is None else now_s) - int(at)) > TOLERANCE_S:
        raise Unproven(f"{TIMESTAMP} is more than {TOLERANCE_S} s from now")
    signatures = told.encode("utf-8", "replace").split(b" ")[:MOST]
    right = [sign(key, event_id, int(at), body).encode() for key in keys]
    if not any(hmac.compare_digest(one, other) for one in signatures for other in right):
        raise Unproven
