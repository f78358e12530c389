"""The command line in this process, with a home of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli import main as cli_main


@dataclass(frozen=True)
class Said:
    """What a command said and how it ended."""

    code: int
    out: str
    err: str


Kadr = Callable[..., Said]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("KADR_MODELS", "KADR_WEIGHTS", "KADR_PACKAGE_INDEX", "KADR_CA_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KADR_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def kadr(home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Kadr:
    """``kadr(*arguments)``: the whole way that the installed program takes, from arguments to exit code."""

    def run(*arguments: object) -> Said:
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["kadr", *map(str, arguments)])
        code: object = 0
        try:
            cli_main.main()
        except SystemExit as stop:
            code = stop.code
        said = capfd.readouterr()
        return Said(code if isinstance(code, int) else 1 if code else 0, said.out, said.err)

    return run
