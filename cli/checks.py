"""What settings say that only shows when they are used: asked of all of them before a service is started."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from urllib.parse import urlsplit

from cli.egress import rules
from cli.service import Service
from events.answers.signing import keys_of
from events.egress.errors import EgressDenied, Unresolvable
from events.egress.fetching import trusting
from events.egress.urls import USUAL
from kadr.contracts.errors import InvalidProfile
from kadr.pipeline.profiles import load_profile
from kadr.settings import InvalidSetting, Settings

SIGNING = ("callback_secret", "sink_secret", "events_secret")


def check(settings: Settings) -> None:
    """Raises InvalidSetting or InvalidSecret, naming the variable, and its value where that is no secret."""
    for one in (_profile, _certificates, _secrets, rules, _rates, _queue, _urls, _store):
        asked: Callable[[Settings], object] = one
        asked(settings)


def doubts(settings: Settings) -> list[str]:
    """What will not work although the settings are good. Asks a resolver for the sink's host."""
    sink = settings.sink_url
    if sink is None or settings.egress_proxy is not None:  # a proxy of others has its own rules
        return []
    url = urlsplit(sink)
    host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname or ""
    port = url.port or USUAL[url.scheme]
    try:
        rules(settings).pinned(host, port)
    except EgressDenied as error:
        return [f"KADR_SINK_URL: nothing will be told there: {error}. Add KADR_EGRESS_ALLOW={host}:{port}"]
    except Unresolvable:
        pass  # it may come
    return []


def _profile(settings: Settings) -> None:
    try:
        load_profile(settings.default_profile)
    except InvalidProfile as error:
        raise InvalidSetting(
            f"KADR_DEFAULT_PROFILE={settings.default_profile!r} will not do: {error}"
        ) from error


def _certificates(settings: Settings) -> None:
    try:
        trusting(settings.ca_file)
    except OSError as error:
        why = "it holds no certificates" if isinstance(error, ssl.SSLError) else error.strerror
        raise InvalidSetting(
            f"KADR_CA_FILE={str(settings.ca_file)!r} will not do: {why}; name a file of certificates in PEM"
        ) from error


def _secrets(settings: Settings) -> None:
    for name in SIGNING:
        if (told := getattr(settings, name)) is not None:
            keys_of(told.get_secret_value(), f"KADR_{name.upper()}")


def _rates(settings: Settings) -> None:
    _ = Service(settings).rates


def _queue(settings: Settings) -> None:
    if settings.redis_url is None:
        return
    try:
        _ = Service(settings).server
    except ValueError as error:
        raise InvalidSetting(
            "KADR_REDIS_URL will not do: it is written redis://:PASSWORD@HOST:PORT/0, or rediss:// for TLS"
        ) from error


def _store(settings: Settings) -> None:
    if settings.s3_endpoint is not None:
        _ = Service(settings).address  # it is named with its keys


def _urls(settings: Settings) -> None:
    for variable, value in (
        ("KADR_S3_ENDPOINT", settings.s3_endpoint),
        ("S3_PUBLIC_ENDPOINT", settings.s3_public_endpoint),
        ("KADR_EGRESS_PROXY", settings.egress_proxy),
    ):
        if value is not None and not _is_url(value):
            raise InvalidSetting(
                f"{variable}={value!r} will not do: it should be http://HOST:PORT or https://HOST:PORT"
            )


def _is_url(value: str) -> bool:
    try:
        url = urlsplit(value)
        return url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
    except ValueError:
        return False
