"""Confining the process that opens untrusted video: bounded memory, CPU time and file sizes, and no sockets.

Linux only. Resource limits by setrlimit(2); the system calls by a filter (seccomp(2), SECCOMP_SET_MODE_FILTER) on every thread
of the process: making sockets of any family and reaching into other processes fails with EACCES, all else passes. Both are
inherited by children and cannot be undone. Files are not confined: what the user may read, write or run, this process may too,
other processes' memory below /proc included where the system lets a user's processes read each other's.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import struct
import sys
from dataclasses import dataclass

import psutil

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2
_OPEN_FILES = 256

_SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_TSYNC = 1, 1

_LOAD, _EQUAL, _AND_MASK, _RETURN = 0x20, 0x15, 0x54, 0x06
_AT_NUMBER, _AT_ARCHITECTURE = 0, 4
_X32_BIT = 0x40000000
_ALLOW = 0x7FFF0000
_REFUSE = 0x00050000 | errno.EACCES


@dataclass(frozen=True)
class _Architecture:
    """``audit`` names it to the filter; ``seccomp`` is the number of that system call, ``refused`` those of the refused ones."""

    audit: int
    seccomp: int
    refused: tuple[int, ...]


# A pair of datagram sockets can be pointed at any local socket, and a ring makes sockets without a system call for each.
_REFUSED_EVERYWHERE = {"io_uring_setup": 425, "pidfd_getfd": 438}
_REFUSED_X86_64 = {
    "socket": 41,
    "socketpair": 53,
    "ptrace": 101,
    "process_vm_readv": 310,
    "process_vm_writev": 311,
}
_REFUSED_AARCH64 = {
    "socket": 198,
    "socketpair": 199,
    "ptrace": 117,
    "process_vm_readv": 270,
    "process_vm_writev": 271,
}
_ARCHITECTURES = {
    "x86_64": _Architecture(0xC000003E, 317, (*_REFUSED_X86_64.values(), *_REFUSED_EVERYWHERE.values())),
    "aarch64": _Architecture(0xC00000B7, 277, (*_REFUSED_AARCH64.values(), *_REFUSED_EVERYWHERE.values())),
}


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def confine(memory_mb: int, cpu_s: int, file_mb: int) -> list[str]:
    """Confine this process for good, with the threads that it has already.

    ``memory_mb``: address space beyond what is mapped already; ``cpu_s``: CPU seconds beyond those used; ``file_mb``:
    size of any file written. Returns what could not be had on this machine, in words, for the caller to say once.
    """
    missing = [
        _limited("memory", "RLIMIT_AS", psutil.Process().memory_info().vms + memory_mb * 2**20),
        _limited("CPU time", "RLIMIT_CPU", int(sum(os.times()[:2])) + cpu_s),
        _limited("file size", "RLIMIT_FSIZE", file_mb * 2**20),
        _limited("core dumps", "RLIMIT_CORE", 0),
        _limited("open files", "RLIMIT_NOFILE", _OPEN_FILES),
        _filtered(),
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


def _filtered() -> str | None:
    architecture = _ARCHITECTURES.get(platform.machine())
    if sys.platform != "linux" or architecture is None or struct.calcsize("P") != 8:
        return f"sockets are not refused: no filter for {sys.platform} on {platform.machine()}"
    libc = ctypes.CDLL(None, use_errno=True)
    code = _filter(architecture)
    program = _Program(len(code) // 8, code)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return f"sockets are not refused: PR_SET_NO_NEW_PRIVS: {os.strerror(ctypes.get_errno())}"
    where = (_SECCOMP_SET_MODE_FILTER, _SECCOMP_FILTER_FLAG_TSYNC, ctypes.byref(program))
    # The result is the number of a thread that cannot take the filter, or -1.
    outcome = libc.syscall(ctypes.c_long(architecture.seccomp), *where)
    if outcome == 0:
        return None
    why = os.strerror(ctypes.get_errno()) if outcome < 0 else f"thread {outcome} has another filter"
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) != 0:
        return f"sockets are not refused: {why}; PR_SET_SECCOMP: {os.strerror(ctypes.get_errno())}"
    return f"sockets are not refused to threads that had begun before: {why}"


def _filter(architecture: _Architecture) -> bytes:
    """Classic BPF over struct seccomp_data. Jumps count the instructions to skip when equal, else when not."""
    refused = architecture.refused
    program = [
        (_LOAD, 0, 0, _AT_ARCHITECTURE),
        (_EQUAL, 0, len(refused) + 3, architecture.audit),
        (_LOAD, 0, 0, _AT_NUMBER),
        # x86-64's x32 calls carry this bit; on other machines no call does.
        (_AND_MASK, 0, 0, 0xFFFFFFFF ^ _X32_BIT),
        *((_EQUAL, len(refused) - at, 0, number) for at, number in enumerate(refused)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    return b"".join(struct.pack("=HBBI", *step) for step in program)
