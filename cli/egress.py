"""The process by which all goes out of the service: ``python -m cli.egress PORT``."""

from __future__ import annotations

import os
import signal
import sys
import threading

from events.egress.filter import Filter, allow_list
from events.egress.proxy import EgressProxy
from kadr.contracts.errors import KadrError
from kadr.settings import InvalidSetting, Settings
from kadr.telemetry import logs


def rules(settings: Settings) -> Filter:
    """Raises InvalidSetting."""
    try:
        return Filter(allow_list(settings.egress_allow))
    except ValueError as error:
        raise InvalidSetting(f"KADR_EGRESS_ALLOW={settings.egress_allow!r} will not do: {error}") from error


def main() -> None:
    """Listen on loopback until SIGTERM or SIGINT."""
    parent, ended = os.getppid(), threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    try:
        settings = Settings.read()
        logs.setup("egress", level=settings.log_level)
        proxy = EgressProxy(rules(settings), int(sys.argv[1]))
    except KadrError as error:
        sys.exit(f"kadr: {error}")
    with proxy:
        while not ended.wait(1.0):
            if os.getppid() != parent:  # who started us is gone
                break


if __name__ == "__main__":
    main()
