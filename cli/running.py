"""What `kadr up` says of the running service, for the other commands on the same machine: KADR_HOME/service/service.json.

It holds keys, so only its owner may read it; it is removed when the service stops, and one whose process is gone says nothing.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from pydantic import SecretStr

from cli.service import Service, ServiceUnset
from kadr.contracts.errors import KadrError
from kadr.settings import Settings

LOCAL = "http://127.0.0.1:8080"
SETTINGS = (
    "redis_url",
    "database_url",
    "s3_endpoint",
    "s3_bucket",
    "s3_region",
    "s3_access_key",
    "s3_secret_key",
    "api_key",
    "api_owner",
    "notify_token",
)
"""Of the settings, those by which a service is found and entered."""


def place(home: Path) -> Path:
    return home / "service/service.json"


def write(home: Path, url: str, control: str) -> None:
    """Say where the service of this process's settings is."""
    settings = Settings.read()
    plain = {name: _plain(getattr(settings, name)) for name in SETTINGS}
    own = psutil.Process()
    said = {"pid": own.pid, "since": own.create_time(), "url": url, "control": control, "settings": plain}
    path = place(home)
    path.unlink(missing_ok=True)  # the mode is that of whoever makes it
    with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "w") as file:
        json.dump(said, file, indent=1)


def _plain(value: Any) -> Any:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def remove(home: Path) -> None:
    place(home).unlink(missing_ok=True)


class RunsAlready(KadrError):
    """Another Kadr runs in the same folder."""

    status = 422


@contextmanager
def alone(home: Path) -> Iterator[None]:
    """While it lasts, no second service starts in ``home``. Raises RunsAlready saying where the first one is."""
    lock = os.open(place(home).with_name("lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            found = _told(home)
            where = (
                f" at {found['url']} (process {found['pid']})" if found else ", or is just starting or ending"
            )
            raise RunsAlready(
                f"Kadr runs already in KADR_HOME {home}{where}: stop that one, or name another folder by KADR_HOME"
            ) from error
        yield
    finally:
        os.close(lock)


def _told(home: Path) -> dict[str, Any] | None:
    """What the service of ``home`` says of itself, if it runs."""
    with suppress(OSError, ValueError, KeyError, psutil.Error):
        found: dict[str, Any] = json.loads(place(home).read_text())
        if psutil.Process(found["pid"]).create_time() == found["since"]:
            return found
    return None


def running(settings: Settings) -> Mapping[str, Any] | None:
    """``url``, ``control`` and ``settings`` of the service that runs here; None if none does, or another queue is named."""
    found = _told(settings.home)
    named = _plain(settings.redis_url)
    return found if found and named in (None, found["settings"]["redis_url"]) else None


def _settings(plain: Mapping[str, Any]) -> dict[str, Any]:
    """As the settings hold them."""
    secret = {name for name, f in Settings.model_fields.items() if "SecretStr" in str(f.annotation)}
    return {
        name: SecretStr(value) if name in secret and value is not None else value
        for name, value in plain.items()
        if name in SETTINGS
    }


def service_here(settings: Settings) -> Service | None:
    """The service that runs here, if one does and ``settings`` name no other queue."""
    found = running(settings)
    return Service(settings.model_copy(update=_settings(found["settings"]))) if found else None


def service() -> Service:
    """The service that the environment names, else the one that runs here. Raises ServiceUnset."""
    settings = Settings.read()
    if (here := service_here(settings)) is not None:
        return here
    if settings.redis_url is None:
        raise ServiceUnset(
            f"no service runs here (of KADR_HOME {settings.home}) and KADR_REDIS_URL is not set: start one by `kadr up`, "
            "or name its servers (docs/settings.md)"
        )
    return Service(settings)
