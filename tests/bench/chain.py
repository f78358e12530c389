"""What a run of 64 chunks costs at the servers: enqueues and requests to the store for each record, counted, not timed.

    python tests/bench/chain.py [--chunks 64] [--idle SECONDS] [--names]

Starts Valkey and the JuiceFS gateway, a relay that counts before the gateway, and `kadr up` on them; drops a made-up video into the
inbox, waits for its report, then asks the same again (every result is found), then leaves the service alone and counts what it asks.

Control is what steers: every LIST (a lookup), and every request about an object of `state/` (requests, records, marks), a
manifest, a marker or an alias. Payload is what was computed or looked at: the two halves of a result (JSON, NPZ), the video, the
report; it is shown apart. Enqueues are the tasks that were put in line (the field `enqueued` of each function's meter).
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis
from minio import Minio
from minio.datatypes import Object

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from cli.servers.juicefs import JuiceFS  # noqa: E402 - the script runs from anywhere
from cli.servers.process import free_port  # noqa: E402
from cli.servers.s3 import Webhook  # noqa: E402
from cli.servers.valkey import Valkey  # noqa: E402
from events.queue.depth import depth  # noqa: E402
from events.queue.server import Server  # noqa: E402
from kadr.pipeline.catalogue import load  # noqa: E402
from kadr.settings import Settings  # noqa: E402
from tests.bench.counting import Asked, Relay, is_control  # noqa: E402

PROFILE = """name = "bench"
components = ["shots", "quality", "loudness", "voice", "sounds"]

[set.probe]
chunk_ms = 2000
"""
OWNER, TOKEN = "main", "notices"
CHUNK_S = 2
PATIENCE_S = 540
RECORD = (".ok.json", ".failed.json")


@dataclass(frozen=True)
class Spent:
    """What one run cost."""

    title: str
    seconds: float
    records: int
    enqueued: int
    asked: Counter[Asked]
    commands: Counter[str]
    """At the queue, those by which idle loops look apart: they go by the second, not by the record."""

    @property
    def control(self) -> Counter[Asked]:
        return Counter({a: n for a, n in self.asked.items() if is_control(a)})

    @property
    def payload(self) -> Counter[Asked]:
        return self.asked - self.control


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--chunks", type=int, default=64)
    parser.add_argument("--idle", type=int, default=60, help="Seconds for which the idle service is watched.")
    parser.add_argument("--names", action="store_true", help="Also what was asked for most often.")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, Bench(Path(name)).running() as bench:
        video = made(Path(name) / "long.mp4", asked.chunks)
        for title in ("cold", "all found"):
            print(table(bench.run(title, video, asked.names)), flush=True)
        print(idle(bench, asked.idle))


class Bench:
    """The servers, and the service on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.runs = 0

    @contextmanager
    def running(self) -> Iterator[Bench]:
        notices = Webhook(f"http://127.0.0.1:{self.port}/notifications", TOKEN)
        with (
            Valkey(self.folder / "valkey") as self.valkey,
            JuiceFS(self.folder / "objects", notices) as self.gateway,
            Relay(self.gateway.port) as self.relay,
        ):
            self.minio = Minio(
                self.gateway.endpoint,
                self.gateway.access_key,
                self.gateway.secret_key,
                secure=False,
                region="us-east-1",
            )
            self.queue = Server(self.valkey.url)
            with self._service():
                yield self
            self.queue.close()

    @contextmanager
    def _service(self) -> Iterator[None]:
        home = self.folder / "home"
        home.mkdir()
        (self.folder / "bench.toml").write_text(PROFILE)
        own = {
            "KADR_HOME": str(home),
            "KADR_WEIGHTS": str(Settings.read().weights),
            "KADR_DEFAULT_PROFILE": str(self.folder / "bench.toml"),
            "KADR_REDIS_URL": self.valkey.url,
            "KADR_S3_ENDPOINT": f"http://127.0.0.1:{self.relay.port}",
            "KADR_S3_ACCESS_KEY": self.gateway.access_key,
            "KADR_S3_SECRET_KEY": self.gateway.secret_key,
            "KADR_NOTIFY_TOKEN": TOKEN,
            "KADR_API_KEY": secrets.token_hex(8),
        }
        log = self.folder / "up.log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "cli.main", "up", "--port", str(self.port)],
                cwd=ROOT, env={**os.environ, **own}, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip
        try:
            deadline = time.monotonic() + PATIENCE_S
            while b"Kadr is up" not in log.read_bytes():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise SystemExit(f"the service did not start: {log.read_text()[-2000:]}")
                time.sleep(0.2)
            time.sleep(2)  # what it looks through at its start is no part of a run
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(90)

    def run(self, title: str, video: Path, names: bool) -> Spent:
        """Drop ``video`` into the inbox under a name of its own, and count until its report is there."""
        self.runs += 1
        before, commands = self._enqueued(), self._commands()
        self.relay.taken()
        known = self._runs()
        began = time.monotonic()
        self.minio.fput_object("kadr", f"inbox/{OWNER}/{self.runs}.mp4", str(video))
        run_id = self._ended(known)
        seconds = time.monotonic() - began
        time.sleep(2)  # what follows of it
        found = [o.object_name or "" for o in self._list(f"state/{OWNER}/{run_id}/")]
        records = sum(name.endswith(RECORD) for name in found)
        if names:
            print("\n".join(f"{n:6} {kind} {name}" for (kind, name), n in self.relay.names.most_common(25)))
        spent = self._commands() - commands
        return Spent(title, seconds, records, self._enqueued() - before, self.relay.taken(), spent)

    def _ended(self, known: set[str]) -> str:
        """Looked for at the gateway itself: this is not counted."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            for run_id in self._runs() - known:
                if any(
                    (o.object_name or "").endswith("report.html")
                    for o in self._list(f"runs/{OWNER}/{run_id}/")
                ):
                    return run_id
            time.sleep(1)
        raise SystemExit(f"no report after {PATIENCE_S} s: see {self.folder}")

    def _runs(self) -> set[str]:
        found = (o.object_name or "" for o in self._list(f"state/{OWNER}/"))
        return {name.split("/")[2] for name in found if name.endswith("request.json")}

    def _list(self, prefix: str) -> Iterator[Object]:
        yield from self.minio.list_objects("kadr", prefix=prefix, recursive=True)

    def _enqueued(self) -> int:
        return sum(depth(self.queue, name).enqueued for name in ("acquire", *load().components))

    def _commands(self) -> Counter[str]:
        with redis.Redis.from_url(self.valkey.url) as client:
            stats = client.info("commandstats")
        return Counter({name.removeprefix("cmdstat_"): int(s["calls"]) for name, s in stats.items()})


def made(path: Path, chunks: int) -> Path:
    """A small video with a tone and a key frame each second, cut into ``chunks``."""
    seconds = str(chunks * CHUNK_S)
    pictures = ["-f", "lavfi", "-i", f"testsrc=size=320x180:rate=10:duration={seconds}"]
    sound = ["-f", "lavfi", "-i", f"sine=frequency=440:sample_rate=16000:duration={seconds}"]
    codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-c:a", "aac", "-shortest"]
    subprocess.run(["ffmpeg", "-v", "error", "-y", *pictures, *sound, *codecs, str(path)], check=True)
    return path


def table(spent: Spent) -> str:
    """In Markdown: what each record cost, and of what kind."""

    def a_record(counts: Counter[Asked]) -> str:
        return f"{sum(counts.values())} | {sum(counts.values()) / spent.records:.2f}"

    lines = [
        f"\n{spent.title}: {spent.records} records in {spent.seconds:.0f} s, {sum(spent.commands.values())} commands at the queue\n",
        "| what | count | a record |",
        "|---|---:|---:|",
        f"| enqueues | {spent.enqueued} | {spent.enqueued / spent.records:.2f} |",
        f"| control requests | {a_record(spent.control)} |",
        f"| payload requests | {a_record(spent.payload)} |",
    ]
    for title, counts in (("control", spent.control), ("payload", spent.payload)):
        for (kind, what), n in sorted(counts.items(), key=lambda c: -c[1]):
            lines.append(f"| {title}: {kind} {what} | {n} | {n / spent.records:.2f} |")
    most = ", ".join(f"{name} {n / spent.records:.1f}" for name, n in spent.commands.most_common(14))
    return "\n".join([*lines, f"\nCommands at the queue a record: {most}"])


def idle(bench: Bench, seconds: int) -> str:
    """What the service asks while nothing is to be done."""
    time.sleep(5)
    bench.relay.taken()
    commands = bench._commands()
    time.sleep(seconds)
    asked, said = bench.relay.taken(), bench._commands() - commands
    a_minute = {" ".join(a): round(n * 60 / seconds, 1) for a, n in asked.most_common()}
    most = {name: round(n * 60 / seconds) for name, n in said.most_common(8)}
    return (
        f"\nIdle, {bench.runs} closed runs, a minute: {sum(asked.values()) * 60 / seconds:.0f} requests to the store "
        f"{json.dumps(a_minute)}; {sum(said.values()) * 60 / seconds:.0f} commands at the queue {json.dumps(most)}"
    )


if __name__ == "__main__":
    main()
