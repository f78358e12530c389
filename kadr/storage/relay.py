"""A store for a process that may reach none: its calls go over a socket pair to its parent, which has one.

A process that opens hostile video has no network. What it says is JSON and plain bytes, never unpickled, and it may name only
objects of the work that it was given: a decoder that was taken over reads and writes nobody else's.
"""

from __future__ import annotations

import itertools
import json
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from kadr.contracts import errors
from kadr.contracts.errors import KadrError, StoreFailure
from kadr.storage.claims import Claim, Claims
from kadr.storage.ranged import Ranged
from kadr.storage.store import Listed, ObjectStore

MAX_BYTES = 1 << 30
"""No message is longer: what is larger than a few megabytes goes as a file."""
_HEAD = struct.Struct("<I")
_READS = {"get", "local", "exists", "list", "entries", "folders", "modified_ms", "size"}
_WRITES = {"put", "put_file", "touch", "delete"}


def _pack(head: dict[str, Any], body: bytes = b"") -> bytes:
    text = json.dumps(head).encode()
    return _HEAD.pack(len(text)) + text + body


def _unpack(message: bytes) -> tuple[dict[str, Any], bytes]:
    """Raises ValueError for what is not a message."""
    try:
        (length,) = _HEAD.unpack_from(message)
        head = json.loads(message[_HEAD.size : _HEAD.size + length])
    except struct.error as error:
        raise ValueError(f"a message of {len(message)} bytes has no head") from error
    if not isinstance(head, dict):
        raise ValueError("a message's head is no object")
    return head, message[_HEAD.size + length :]


class RelayStore:
    """The child's side: an ObjectStore, Claims and Ranged by calls to the parent. Safe for many threads."""

    def __init__(self, connection: Connection, scratch: Path) -> None:
        self._connection = connection
        self._scratch = scratch
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._waiting: dict[int, Future[tuple[Any, bytes]]] = {}
        self._gone = False
        threading.Thread(target=self._listen, name="relay", daemon=True).start()

    def _listen(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                head, body = _unpack(self._connection.recv_bytes(MAX_BYTES))
                with self._lock:
                    future = self._waiting.pop(head["id"])
                if "error" in head:
                    future.set_exception(_error(head["error"], head["message"]))
                else:
                    future.set_result((head.get("ok"), body))
        with self._lock:
            self._gone = True
            lost, self._waiting = list(self._waiting.values()), {}
        for future in lost:
            future.set_exception(StoreFailure("the process that has the store is gone"))

    def _call(self, call: str, *arguments: Any, body: bytes = b"") -> tuple[Any, bytes]:
        future: Future[tuple[Any, bytes]] = Future()
        number = next(self._numbers)
        message = _pack({"id": number, "call": call, "args": arguments}, body)
        with self._lock:
            if self._gone:
                raise StoreFailure("the process that has the store is gone")
            self._waiting[number] = future
            try:
                self._connection.send_bytes(message)
            except OSError as error:
                del self._waiting[number]
                raise StoreFailure("the process that has the store is gone") from error
        return future.result()

    def put(self, name: str, body: bytes) -> None:
        self._call("put", name, body=body)

    def put_file(self, name: str, path: Path) -> None:
        self._call("put_file", name, path.name)

    def get(self, name: str) -> bytes:
        return self._call("get", name)[1]

    @contextmanager
    def local(self, name: str) -> Iterator[Path]:
        (held, path), _ = self._call("local", name)
        try:
            yield Path(path)
        finally:
            self._call("release", held)

    def exists(self, name: str) -> bool:
        return bool(self._call("exists", name)[0])

    def list(self, prefix: str) -> Iterator[str]:
        return iter(self._call("list", prefix)[0])

    def entries(self, prefix: str) -> Iterator[Listed]:
        return itertools.starmap(Listed, self._call("entries", prefix)[0])

    def folders(self, prefix: str) -> Iterator[str]:
        return iter(self._call("folders", prefix)[0])

    def modified_ms(self, name: str) -> int:
        return int(self._call("modified_ms", name)[0])

    def touch(self, name: str) -> None:
        self._call("touch", name)

    def size(self, name: str) -> int:
        return int(self._call("size", name)[0])

    def delete(self, name: str) -> None:
        self._call("delete", name)

    def scratch(self) -> Path:
        return self._scratch

    def read_range(self, source: str, offset: int, length: int) -> bytes:
        return self._call("read_range", source, offset, length)[1]

    def take(self, key: str) -> Claim | None:
        held, _ = self._call("take", key)
        return None if held is None else _RelayClaim(self, held)

    def is_held(self, held: int) -> bool:
        return bool(self._call("is_held", held)[0])

    def release(self, held: int) -> None:
        self._call("release", held)


@dataclass(frozen=True)
class _RelayClaim:
    relay: RelayStore
    number: int

    def held(self) -> bool:
        return self.relay.is_held(self.number)

    def release(self) -> None:
        self.relay.release(self.number)


def _error(code: str, message: str) -> KadrError:
    kind = getattr(errors, code, None)
    if isinstance(kind, type) and issubclass(kind, KadrError):
        return kind(message)
    return StoreFailure(message)


class Relay:
    """The parent's side: answers one child's calls from a store, within what is permitted."""

    def __init__(
        self,
        store: ObjectStore,
        claims: Claims,
        ranged: Ranged,
        scratch: Path,
        threads: int = 8,
        on_fault: Callable[[str], None] = lambda _: None,
        on_put: Callable[[str, bytes], None] = lambda name, body: None,
    ) -> None:
        """``on_put`` is told of each small object before it is written."""
        self._store, self._claims, self._ranged, self._scratch = store, claims, ranged, scratch
        self._threads = threads
        self._on_fault = on_fault
        self._on_put = on_put
        self._lock = threading.Lock()
        self._permits: dict[int, tuple[tuple[str, ...], tuple[str, ...], frozenset[str]]] = {}
        self._numbers = itertools.count(1)

    @contextmanager
    def permit(
        self, reads: tuple[str, ...], writes: tuple[str, ...], sources: frozenset[str]
    ) -> Iterator[None]:
        """While this lasts the child may read and write below these prefixes, and read these sources."""
        number = next(self._numbers)
        with self._lock:
            self._permits[number] = (reads, writes, sources)
        try:
            yield
        finally:
            with self._lock:
                del self._permits[number]

    def serve(self, connection: Connection) -> None:
        """Answer until the child hangs up, in threads of its own; what it held is released then."""
        threading.Thread(target=self._serve, args=(connection,), name="relay", daemon=True).start()

    def _serve(self, connection: Connection) -> None:
        session = _Session(connection)
        with ThreadPoolExecutor(self._threads, "relay") as pool, suppress(EOFError, OSError):
            try:
                while True:
                    head, body = _unpack(connection.recv_bytes(MAX_BYTES))
                    pool.submit(self._answer, session, head, body)
            except ValueError as error:
                self._on_fault(f"a worker said what no worker says and is not heard any more: {error}")
        session.close()

    def _answer(self, session: _Session, head: dict[str, Any], body: bytes) -> None:
        number = head.get("id")
        try:
            ok, data = self._do(session, str(head["call"]), list(head["args"]), body)
            session.send(_pack({"id": number, "ok": ok}, data))
        except KadrError as error:
            session.send(_pack({"id": number, "error": error.code, "message": str(error)}))
        except Exception as error:
            said = f"{type(error).__name__}: {error}"
            session.send(_pack({"id": number, "error": "StoreFailure", "message": said}))

    def _do(self, session: _Session, call: str, args: list[Any], body: bytes) -> tuple[Any, bytes]:
        if call in _READS or call in _WRITES:
            self._check(call, str(args[0]))
        match call:
            case "put":
                self._on_put(args[0], body)
                self._store.put(args[0], body)
            case "put_file":
                self._store.put_file(args[0], self._scratched(args[1]))
            case "touch" | "delete":
                getattr(self._store, call)(args[0])
            case "release":
                session.release(int(args[0]))
            case "get":
                return None, self._store.get(args[0])
            case "local":
                held, path = session.hold(self._store.local(args[0]))
                return (held, str(path)), b""
            case "list" | "entries" | "folders":
                return list(getattr(self._store, call)(args[0])), b""
            case "exists" | "modified_ms" | "size":
                return getattr(self._store, call)(args[0]), b""
            case "read_range":
                self._check_source(str(args[0]))
                return None, self._ranged.read_range(str(args[0]), int(args[1]), int(args[2]))
            case "take":
                claim = self._claims.take(str(args[0]))
                return (None if claim is None else session.hold_claim(claim)), b""
            case "is_held":
                return session.is_held(int(args[0])), b""
            case _:
                raise StoreFailure(f"there is no call {call!r}")
        return None, b""

    def _check(self, call: str, name: str) -> None:
        with self._lock:
            permits = list(self._permits.values())
        allowed = [
            p for reads, writes, _ in permits for p in (writes if call in _WRITES else (*reads, *writes))
        ]
        if ".." in name.split("/") or not any(name.startswith(prefix) for prefix in allowed):
            self._on_fault(f"a worker asked to {call} {name!r}, which is none of its work")
            raise StoreFailure(f"{name}: not permitted here")

    def _check_source(self, source: str) -> None:
        with self._lock:
            known = any(source in sources for _, _, sources in self._permits.values())
        if not known:
            self._on_fault(f"a worker asked to read the source {source!r}, which is none of its work")
            raise StoreFailure("this source is not permitted here")

    def _scratched(self, name: str) -> Path:
        path = self._scratch / name
        if path.parent != self._scratch or path.is_symlink() or not path.is_file():
            raise StoreFailure(f"{name!r} is no file in the worker's scratch folder")
        return path


@contextmanager
def _releasing(claim: Claim) -> Iterator[Path]:
    try:
        yield Path()
    finally:
        claim.release()


class _Session:
    """One child's connection and what it holds open."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._held: dict[int, ExitStack] = {}
        self._claims: dict[int, Claim] = {}
        self._numbers = itertools.count(1)

    def send(self, message: bytes) -> None:
        with self._lock, suppress(OSError):
            self._connection.send_bytes(message)

    def hold(self, context: AbstractContextManager[Path]) -> tuple[int, Path]:
        with ExitStack() as stack:
            path = stack.enter_context(context)
            number = next(self._numbers)
            with self._lock:
                self._held[number] = stack.pop_all()
        return number, path

    def hold_claim(self, claim: Claim) -> int:
        number, _ = self.hold(_releasing(claim))
        with self._lock:
            self._claims[number] = claim
        return number

    def is_held(self, number: int) -> bool:
        with self._lock:
            claim = self._claims.get(number)
        return claim is not None and claim.held()

    def release(self, number: int) -> None:
        with self._lock:
            held = self._held.pop(number, None)
            self._claims.pop(number, None)
        if held is not None:
            held.close()

    def close(self) -> None:
        with self._lock:
            numbers = list(self._held)
        for number in numbers:
            with suppress(KadrError):
                self.release(number)
        self._connection.close()
