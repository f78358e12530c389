"""Putting the parts together: what processes of models are told of memory."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from cli.compose import Machine

LOADER = Path("/lib64/ld-linux-x86-64.so.2")


@pytest.mark.skipif(not LOADER.exists(), reason="only glibc's loader on x86-64 lists its tunables here")
def test_a_persons_own_tunables_count_and_kadrs_others_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GLIBC_TUNABLES", "glibc.malloc.arena_max=4")
    told = {**os.environ, **Machine().malloc()}
    listed = subprocess.run(
        [LOADER, "--list-tunables"], env=told, capture_output=True, text=True, check=True
    ).stdout
    assert "glibc.malloc.arena_max: 0x4 " in listed
    assert "glibc.malloc.mmap_threshold: 0x800000 " in listed
