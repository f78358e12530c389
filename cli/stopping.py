"""What a signal does to work under way: it ends orderly, and the same command resumes it."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

from kadr.contracts.errors import Interrupted
from kadr.pipeline.local import Coordinator


class Stoppable:
    """SIGINT and SIGTERM end the work between two looks at the hosts; what was recorded stays."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator
        self._before: dict[int, Any] = {}
        self._signal = 0

    def __enter__(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._stop)

    def _stop(self, number: int, _: FrameType | None) -> None:
        again, self._signal = self._signal, number
        self._coordinator.stopping = True
        if again or not self._coordinator.running:
            raise Interrupted

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if isinstance(error, Interrupted):
            error.exit_code = 128 + self._signal
