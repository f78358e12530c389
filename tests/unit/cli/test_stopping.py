"""Signals: told to stop, everything that looks at the coordinator stops, wherever the work is just then."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from cli.compose import Machine
from cli.stopping import Stoppable
from kadr.contracts.errors import Interrupted
from kadr.settings import Settings


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_before_the_work_begins_it_is_stopped_too(tmp_path: Path, number: signal.Signals) -> None:
    coordinator = Machine(Settings(home=tmp_path)).coordinator(lambda event: None, print)
    before = signal.getsignal(number)
    with pytest.raises(Interrupted) as raised, Stoppable(coordinator):
        signal.raise_signal(number)
    assert coordinator.stopping  # who reads files ahead looks here
    assert raised.value.exit_code == 128 + number
    assert signal.getsignal(number) is before
