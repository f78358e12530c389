"""The same video through every shell: in one process tree, over queues without HTTP, and through the whole service over HTTP.

    python tests/bench/shells.py [VIDEO] [--profile standard] [--only local,queue,http]

Prints how long each took and, for each pair, how many of the results have the same digest. The exit code is 1 unless all have.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from cli.compose import Machine, cores  # noqa: E402 - the script runs from anywhere
from cli.servers.valkey import Valkey  # noqa: E402
from events.control import MachineGate  # noqa: E402
from events.function import Function  # noqa: E402
from events.hints import Hints  # noqa: E402
from events.posting import Answer, Delivery, event_of  # noqa: E402
from events.pump import Pump, Told  # noqa: E402
from events.queue.closers import RedisClosers  # noqa: E402
from events.queue.consumer import Consumer  # noqa: E402
from events.queue.dispatch import Dispatcher  # noqa: E402
from events.queue.messages import Entry  # noqa: E402
from events.queue.news import News  # noqa: E402
from events.queue.queue import Queue  # noqa: E402
from events.queue.server import Server  # noqa: E402
from events.router import Router  # noqa: E402
from events.worker import Worker  # noqa: E402
from kadr.contracts.keys import jcs  # noqa: E402
from kadr.pipeline import catalogue  # noqa: E402
from kadr.pipeline.admission import load_objects, request_for  # noqa: E402
from kadr.pipeline.budget import of_machine  # noqa: E402
from kadr.pipeline.profiles import load_profile  # noqa: E402
from kadr.pipeline.recording import record_acquired  # noqa: E402
from kadr.pipeline.spec import ObjectRef  # noqa: E402
from kadr.pipeline.state import evaluate  # noqa: E402
from kadr.pipeline.workers import Host  # noqa: E402
from kadr.settings import Settings  # noqa: E402
from kadr.storage import layout  # noqa: E402
from kadr.storage.claims import FileClaims  # noqa: E402
from kadr.storage.files import FileStore  # noqa: E402
from kadr.storage.relay import Relay  # noqa: E402
from tests.e2e.conftest import Kadr  # noqa: E402
from tests.integration.chain.conftest import Files  # noqa: E402
from tests.integration.service.conftest import Up, digests  # noqa: E402

OWNER = "main"
PATIENCE_S = 1800
Digests = Mapping[str, str]


def local(video: Path, profile: str, folder: Path) -> Digests:
    kadr = Kadr(folder / "home", Settings().weights)
    done = kadr("analyze", video, "--profile", profile, "--out", folder / "out")
    assert done.code == 0, done.err
    return kadr.results()


def http(video: Path, profile: str, folder: Path) -> Digests:
    up = Up(folder / "home")
    up.start()
    try:
        asked = [
            sys.executable,
            "-m",
            "cli.main",
            "submit",
            str(video),
            "--server",
            up.url,
            "--profile",
            profile,
        ]
        done = subprocess.run(
            [*asked, "--wait", "--json"],
            env={**up.environment, "KADR_API_KEY": up.kept["api_key"]},
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
            cwd=ROOT,
        )
        assert done.returncode == 0, done.stderr + up.logs()
        return digests(up.manifest(json.loads(done.stdout)["run_id"]))
    finally:
        up.kill()


class Near:
    """The function beside its pump: what stands in the queue is answered without HTTP between them."""

    def __init__(self, function: Function) -> None:
        self._function = function

    def deliver(self, delivery: Delivery) -> Iterator[tuple[Entry, Answer]]:
        for entry in delivery.entries:
            said = self._function.take(event_of(entry.message))
            yield entry, Answer.of(said.status_code, dict(said.headers), said.get_data())

    def addresses(self) -> list[str]:
        return ["near"]


def queue(video: Path, profile: str, folder: Path) -> Digests:
    with ExitStack() as stack:
        valkey = stack.enter_context(Valkey(folder / "valkey"))
        server = Server(valkey.url)
        stack.callback(server.close)
        return _queued(stack, server, video, profile, folder)


def _queued(stack: ExitStack, server: Server, video: Path, profile: str, folder: Path) -> Digests:
    entries, store = catalogue.load(), FileStore(folder / "store")
    hints, line, dispatcher = Hints(server), Queue(server), Dispatcher(server)
    body = video.read_bytes()
    source = ObjectRef(layout.video_source(OWNER, hashlib.sha256(body).hexdigest()), len(body), "etag")
    store.put(source.name, body)
    router = Router(store, RedisClosers(server), entries, line, lambda asked, video_id: source, News(server))
    gate = MachineGate(of_machine(entries, cores()))
    told = Told(lambda name: hints.tell([name]), lambda task: hints.tell(lost=task))
    for name, function in _functions(stack, store, folder).items():
        near = Near(function)
        pump = Pump(Consumer(server, name), line, store, near, told, concurrency=2, most=2, gate=gate)
        pump._post = near  # type: ignore[assignment]
        pump.start()
        stack.callback(pump.stop, 10.0)
    asked = request_for(
        Machine().question(load_profile(profile)),
        video.name,
        f"kadr:///inbox/{OWNER}/{video.name}",
        None,
        OWNER,
    )
    video_id = source.name.split("/")[2]
    store.put(layout.run_marker(OWNER, video_id, asked.run_id), b"{}")
    store.put(layout.request(OWNER, asked.run_id), jcs(asked.model_dump(mode="json")))
    record_acquired(store, asked.model_copy(update={"video_id": video_id}), 1)
    hints.tell([layout.request(OWNER, asked.run_id)])
    deadline = time.monotonic() + PATIENCE_S
    while (state := evaluate(asked, load_objects(store, asked))).closed is None:
        assert time.monotonic() < deadline, [(t.name, t.state) for t in state.tasks.values()]
        taken = hints.take(200, 200)
        router.told([name for hint in taken for name in hint.names])
        hints.done(taken)
        for name in entries.components:
            dispatcher.dispatch(name, 2)
    return digests(json.loads(store.get(layout.manifest(OWNER, asked.run_id, state.closed.manifest))))


def _functions(stack: ExitStack, store: FileStore, folder: Path) -> dict[str, Function]:
    scratch = folder / "scratch"
    scratch.mkdir()
    relay = Relay(store, FileClaims(folder / "claims"), Files(store), scratch)
    threads, workers = Machine().threads, dict[str, Worker]()
    for role in ("media", "models"):
        command = [sys.executable, "-m", "cli.worker", role, str(scratch), str(threads), "2"]
        workers[role] = Worker(Host(role, command, relay=relay.serve))
        stack.callback(workers[role].stop)
    return {
        name: Function(
            frozenset([name]),
            store,
            relay,
            workers["media" if any(read.kind == "source" for read in entry.reads) else "models"],
        )
        for name, entry in catalogue.load().components.items()
    }


SHELLS: dict[str, Callable[[Path, str, Path], Digests]] = {"local": local, "queue": queue, "http": http}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("video", nargs="?", type=Path, default=ROOT / "samples/reel.mp4")
    parser.add_argument("--profile", default="standard")
    parser.add_argument("--only", default=",".join(SHELLS))
    asked = parser.parse_args()
    found: dict[str, Digests] = {}
    others = 0
    for name in asked.only.split(","):
        with tempfile.TemporaryDirectory(prefix=f"kadr-{name}-") as folder:
            began = time.monotonic()
            made = SHELLS[name](asked.video.absolute(), asked.profile, Path(folder))
        print(f"{name}: {len(made)} results in {time.monotonic() - began:.0f} s", flush=True)
        others += sum(compared(before, found[before], name, made) for before in found)
        found[name] = made
    sys.exit(1 if others else 0)


def compared(one: str, mine: Digests, other: str, theirs: Digests) -> int:
    """How many results are not the same, or one of the two lacks."""
    names = sorted({*mine, *theirs})
    unlike = [name for name in names if mine.get(name) != theirs.get(name)]
    print(f"{one} and {other}: {len(names) - len(unlike)}/{len(names)} the same", flush=True)
    for name in unlike:
        print(f"  {name}: {mine.get(name)} and {theirs.get(name)}")
    return len(unlike)


if __name__ == "__main__":
    main()
