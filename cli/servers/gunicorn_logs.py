"""gunicorn's own words as lines of JSON, like those of the application that it serves."""

from __future__ import annotations

from typing import Any

from gunicorn.glogging import Logger  # type: ignore[import-untyped]

from kadr.settings import Settings
from kadr.telemetry.logs import JsonLines


class JsonLogger(Logger):  # type: ignore[misc]
    """Named with --logger-class."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        function = Settings().function
        for handler in self.error_log.handlers:
            handler.setFormatter(JsonLines("function" if function else "web", function))
