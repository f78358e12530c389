"""Confining the process that opens untrusted video: bounded memory, CPU time and output, and no network.

Linux only. Resource limits by setrlimit(2); the system calls by a seccomp filter (seccomp(2), SECCOMP_SET_MODE_FILTER): it lets
everything pass but making internet sockets, which fails with EACCES. Both are inherited by children and cannot be undone.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import socket
import struct
import sys
from dataclasses import dataclass

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_OPEN_FILES = 256

_LOAD, _EQUAL, _AND_MASK, _RETURN = 0x20, 0x15, 0x54, 0x06
_AT_NUMBER, _AT_ARCHITECTURE, _AT_FIRST_ARGUMENT = 0, 4, 16
_X32_BIT = 0x40000000
_ALLOW = 0x7FFF0000
_REFUSE = 0x00050000 | errno.EACCES
_IO_URING_SETUP = 425
"""The same number on every architecture. A ring makes sockets without the system call that is filtered."""


@dataclass(frozen=True)
class _Architecture:
    audit: int
    socket: int


_ARCHITECTURES = {"x86_64": _Architecture(0xC000003E, 41), "aarch64": _Architecture(0xC00000B7, 198)}


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def confine(memory_mb: int, cpu_s: int, file_mb: int) -> list[str]:
    """Confine this process for good; threads made before keep what they had, so call it first.

    ``memory_mb``: address space beyond what is mapped already; ``cpu_s``: CPU seconds beyond those used; ``file_mb``:
    size of any file written. Returns what could not be had on this machine, in words, for the caller to say once.
    """
    missing = [
        _limited("memory", "RLIMIT_AS", _mapped_bytes() + memory_mb * 2**20),
        _limited("CPU time", "RLIMIT_CPU", int(sum(os.times()[:2])) + cpu_s),
        _limited("file size", "RLIMIT_FSIZE", file_mb * 2**20),
        _limited("core dumps", "RLIMIT_CORE", 0),
        _limited("open files", "RLIMIT_NOFILE", _OPEN_FILES),
        _no_sockets(),
    ]
    return [what for what in missing if what]


def _limited(what: str, name: str, value: int) -> str | None:
    number = getattr(resource, name, None)
    if number is None:
        return f"no limit on {what}: this system has no {name}"
    _, hard = resource.getrlimit(number)
    wanted = value if hard == resource.RLIM_INFINITY else min(value, hard)
    try:
        resource.setrlimit(number, (wanted, wanted))
    except (ValueError, OSError) as error:
        return f"no limit on {what}: {error}"
    return None


def _mapped_bytes() -> int:
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[0]) * resource.getpagesize()
    except OSError:
        return 0


def _no_sockets() -> str | None:
    architecture = _ARCHITECTURES.get(platform.machine())
    if sys.platform != "linux" or architecture is None or struct.calcsize("P") != 8:
        return f"sockets are not refused: no filter for {sys.platform} on {platform.machine()}"
    libc = ctypes.CDLL(None, use_errno=True)
    code = _filter(architecture)
    program = _Program(len(code) // 8, code)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return f"sockets are not refused: PR_SET_NO_NEW_PRIVS: {os.strerror(ctypes.get_errno())}"
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) != 0:
        return f"sockets are not refused: PR_SET_SECCOMP: {os.strerror(ctypes.get_errno())}"
    return None


def _filter(architecture: _Architecture) -> bytes:
    """Classic BPF over struct seccomp_data. Jumps count the instructions to skip when equal, else when not."""
    program = [
        (_LOAD, 0, 0, _AT_ARCHITECTURE),
        (_EQUAL, 0, 8, architecture.audit),
        (_LOAD, 0, 0, _AT_NUMBER),
        # x86-64's x32 calls carry this bit; on other machines no call does.
        (_AND_MASK, 0, 0, 0xFFFFFFFF ^ _X32_BIT),
        (_EQUAL, 5, 0, _IO_URING_SETUP),
        (_EQUAL, 0, 3, architecture.socket),
        (_LOAD, 0, 0, _AT_FIRST_ARGUMENT),
        (_EQUAL, 2, 0, int(socket.AF_INET)),
        (_EQUAL, 1, 0, int(socket.AF_INET6)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in program)
