"""The sandbox, tried in a child process, as it cannot be undone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is made for Linux only")

SCRIPT = """
import json, socket, sys
import numpy as np
from kadr.media.sandbox import confine

said = {"missing": confine(300, 60, 1)}
def outcome(action):
    try:
        action()
        return "done"
    except (OSError, MemoryError) as error:
        return type(error).__name__
def write(path):
    with open(path, "wb") as file:
        file.write(bytes(3 << 20))
said["inet"] = outcome(lambda: socket.socket(socket.AF_INET))
said["inet6"] = outcome(lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
said["unix"] = outcome(lambda: socket.socket(socket.AF_UNIX).close())
said["read"] = outcome(lambda: open(sys.argv[1], "rb").read())
said["big"] = outcome(lambda: np.ones(1 << 28))
said["small"] = outcome(lambda: np.ones(1 << 22))
said["write"] = outcome(lambda: write(sys.argv[1] + ".big"))
print(json.dumps(said))
"""


def test_no_network_no_large_memory_no_large_files(tmp_path: Path) -> None:
    path = tmp_path / "some.bin"
    path.write_bytes(b"x")
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(path)], check=False, capture_output=True, text=True, timeout=60
    )
    assert run.returncode == 0, run.stderr
    said = json.loads(run.stdout)
    assert said["read"] == said["unix"] == said["small"] == "done"
    assert said["big"] == "MemoryError"
    assert said["write"] == "OSError"
    if not said["missing"]:
        assert said["inet"] == said["inet6"] == "PermissionError"
