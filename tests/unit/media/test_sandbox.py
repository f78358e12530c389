"""The sandbox, tried in a child process, as it cannot be undone."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import subprocess
import sys
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from functions.pcm.component import PcmParams, pcm
from kadr.contracts.component import Frames
from kadr.media.pack import FramePack
from kadr.media.source import FileSource
from tests.media_files import packs_of, probed, scenery, write_video

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is made for Linux only")

SCRIPT = """
import ctypes, json, os, queue, socket, sys, threading
from multiprocessing.connection import Connection
import numpy as np
from kadr.media.sandbox import confine

def outcome(action):
    try:
        action()
        return "done"
    except (OSError, MemoryError) as error:
        return type(error).__name__
def write(path):
    with open(path, "wb") as file:
        file.write(bytes(3 << 20))
def peek():
    libc = ctypes.CDLL(None, use_errno=True)
    place = ctypes.create_string_buffer(8)
    piece = (ctypes.c_void_p * 2)(ctypes.addressof(place), 8)
    if libc.process_vm_readv(os.getpid(), ctypes.byref(piece), 1, ctypes.byref(piece), 1, 0) < 0:
        raise OSError(ctypes.get_errno(), "process_vm_readv")
def trace():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(0, 0, None, None) < 0:
        raise OSError(ctypes.get_errno(), "ptrace")

confined, said = threading.Event(), {}
def earlier():
    confined.wait()
    said["thread"] = outcome(lambda: socket.socket(socket.AF_INET))
older = threading.Thread(target=earlier)
older.start()
said["missing"] = confine(300, 60, 1)
confined.set()
older.join()
said["inet"] = outcome(lambda: socket.socket(socket.AF_INET))
said["inet6"] = outcome(lambda: socket.socket(socket.AF_INET6, socket.SOCK_DGRAM))
said["unix"] = outcome(lambda: socket.socket(socket.AF_UNIX))
said["netlink"] = outcome(lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW))
said["pair"] = outcome(lambda: socket.socketpair())
said["peek"], said["trace"] = outcome(peek), outcome(trace)
said["read"] = outcome(lambda: open(sys.argv[1], "rb").read())
said["big"] = outcome(lambda: np.ones(1 << 28))
said["small"] = outcome(lambda: np.ones(1 << 22))
said["write"] = outcome(lambda: write(sys.argv[1] + ".big"))
with Connection(int(sys.argv[2])) as connection:
    said["heard"] = connection.recv()
    connection.send(said)
"""
SOCKETS = ("inet", "inet6", "unix", "netlink", "pair")

DECODE = """
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from kadr.media.sandbox import confine

missing = confine(2000, 60, 64)
from tests.unit.media.test_sandbox import pictures_and_sound
with Connection(int(sys.argv[2])) as connection:
    connection.recv()
    connection.send({"made": pictures_and_sound(Path(sys.argv[1]))})
"""


def pictures_and_sound(path: Path) -> tuple[str, str]:
    """Hashes of the packs of the video at ``path`` and of its sound."""
    source = FileSource(path)
    pictures = hashlib.sha256()
    for _, (pack,) in packs_of(source, Frames(fps=8, long_side=320)):
        for _, picture in FramePack(pack).encoded():
            pictures.update(picture)
    sound = pcm(source, probed(source)[0], PcmParams(), {"pcm"})["pcm"]["samples"]
    assert len(sound) > 16_000
    return pictures.hexdigest(), hashlib.sha256(sound.tobytes()).hexdigest()


def confined(script: str, *arguments: str) -> dict[str, object]:
    """What ``script`` sends back over a socket pair made for it beforehand, as the coordinator makes one for its workers."""
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-c", script, *arguments, str(theirs.fileno())]
    said: object = None
    with subprocess.Popen(
        command, pass_fds=[theirs.fileno()], cwd=ROOT, stderr=subprocess.PIPE, text=True
    ) as process:
        theirs.close()
        with Connection(ours.detach()) as connection:
            connection.send("go")
            if not connection.poll(60):
                process.kill()
            with contextlib.suppress(EOFError):
                said = connection.recv()
        _, words = process.communicate(timeout=60)
    assert process.returncode == 0, words
    assert isinstance(said, dict)
    return said


def test_no_sockets_no_large_memory_no_large_files(tmp_path: Path) -> None:
    path = tmp_path / "some.bin"
    path.write_bytes(b"x")
    said = confined(SCRIPT, str(path))
    assert said["heard"] == "go"
    assert said["read"] == said["small"] == "done"
    assert said["big"] == "MemoryError"
    assert said["write"] == "OSError"
    if not said["missing"]:
        assert {what: said[what] for what in SOCKETS} == dict.fromkeys(SOCKETS, "PermissionError")
        assert said["thread"] == "PermissionError", "a thread that had begun before may still make sockets"
        assert said["trace"] == said["peek"] == "PermissionError"


def test_decoding_works_confined(tmp_path: Path) -> None:
    path = tmp_path / "v.mp4"
    write_video(path, [scenery(i // 5) for i in range(30)], tone_s=1.2)
    assert confined(DECODE, str(path))["made"] == pictures_and_sound(path)
