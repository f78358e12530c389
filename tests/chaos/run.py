"""`make chaos`: kill whatever runs while runs are under way, and look whether anything was lost.

A service is started as people start it; videos come in, a few at a time; meanwhile random processes of it are killed with -9
(functions, their workers, control, API, Valkey, the object store, PostgreSQL), and now and then the queue is emptied. In the end
every run must have ended complete with the digests of an undisturbed one.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import click
import psutil
import redis
from rich.progress import Progress

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.integration.service.conftest import Up, digests
from tests.media_files import numbered, write_video

PAUSE_S = (0.5, 3.0)
END_S = 900
FLUSH = 0.05
"""How often the queue is emptied instead of a process killed."""
OTHER = "other"
KINDS = {
    "cli.control": "control",
    "cli.web": "API",
    "cli.function": "function",
    "cli.worker": "worker",
    "cli.egress": "egress",
    "valkey-server": "Valkey",
    "minio": "object store",
    "juicefs": "object store",
    "postgres": "PostgreSQL",
}


def kind_of(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        words = " ".join(process.cmdline())
        return next((kind for word, kind in KINDS.items() if word in words), OTHER)
    return OTHER


class Chaos:
    """One service under attack."""

    def __init__(self, up: Up, seed: int) -> None:
        self.up = up
        self.random = random.Random(seed)
        self.tally = Counter[str]()
        self.runs = dict[str, str]()
        self.clips = 0

    def submit(self) -> None:
        """A video that nobody has seen before, dropped into the inbox; again until the store takes it."""
        self.clips += 1
        path = self.up.home / f"clip-{self.clips}.mp4"
        write_video(path, numbered(20 + self.clips % 30), tone_s=1.0 + self.clips % 3)
        self._patiently(lambda: self.up.minio().fput_object("kadr", f"inbox/main/{path.name}", str(path)))
        self.runs[path.name] = ""

    def harm(self) -> None:
        if self.random.random() < FLUSH:
            with suppress(redis.RedisError, StopIteration):
                self._redis().flushall()
                self.tally["queue emptied"] += 1
            return
        assert self.up.process is not None
        family = psutil.Process(self.up.process.pid).children(recursive=True)
        victims = [p for p in family if kind_of(p) != OTHER]
        by_kind = sorted({kind_of(p) for p in victims})
        if not by_kind:
            return
        kind = self.random.choice(by_kind)
        victim = self.random.choice([p for p in victims if kind_of(p) == kind])
        with suppress(psutil.NoSuchProcess):
            victim.kill()
            self.tally[kind] += 1

    def _redis(self) -> redis.Redis:
        assert self.up.process is not None
        for process in psutil.Process(self.up.process.pid).children(recursive=True):
            for connection in process.net_connections("tcp") if kind_of(process) == "Valkey" else ():
                if connection.status == psutil.CONN_LISTEN:
                    return redis.Redis(port=connection.laddr.port, password=self._password())
        raise StopIteration

    def _password(self) -> str | None:
        found = list((self.up.home / "service/valkey").glob("*.conf"))
        for line in found[0].read_text().splitlines() if found else ():
            if line.startswith("requirepass"):
                return line.split()[1].strip('"')
        return None

    def _patiently(self, call: Any) -> Any:
        deadline = time.monotonic() + 120
        while True:
            try:
                return call()
            except Exception:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.5)

    def look(self) -> dict[str, dict[str, Any]]:
        """The runs that there are, by the name of their video."""

        def requests() -> dict[str, dict[str, Any]]:
            store, found = self.up.minio(), dict[str, dict[str, Any]]()
            for item in store.list_objects("kadr", "state/main/", recursive=True):
                name = str(item.object_name)
                if name.endswith("/request.json"):
                    run_id = name.split("/")[2]
                    status, run = self.up.ask("GET", f"/v1/runs/{run_id}")
                    if status == 200:
                        found[run["name"]] = run
            return found

        found: dict[str, dict[str, Any]] = self._patiently(requests)
        return found


@click.command()
@click.option("--kills", default=200, show_default=True)
@click.option("--videos", default=20, show_default=True)
@click.option("--seed", type=int, default=None)
def main(kills: int, videos: int, seed: int | None) -> None:
    """Kill KILLS times while VIDEOS come in; say what became of them."""
    seed = seed if seed is not None else int(time.time())
    with tempfile.TemporaryDirectory(prefix="kadr-chaos-") as folder:
        up = Up(Path(folder) / "home")
        up.start()
        try:
            sys.exit(_play(Chaos(up, seed), kills, videos, seed))
        finally:
            up.kill()


def _play(chaos: Chaos, kills: int, videos: int, seed: int) -> int:
    began = time.monotonic()
    with Progress() as bar:
        task = bar.add_task("kills", total=kills)
        done = 0
        while done < kills:
            if chaos.clips * kills <= done * videos and chaos.clips < videos:
                chaos.submit()
            time.sleep(chaos.random.uniform(*PAUSE_S))
            before = sum(chaos.tally.values())
            chaos.harm()
            done += sum(chaos.tally.values()) - before
            bar.update(task, completed=done)
    deadline = time.monotonic() + END_S
    while True:
        runs = chaos.look()
        open_runs = [r for r in runs.values() if not r["manifest"]]
        if (len(runs) == videos and not open_runs) or time.monotonic() > deadline:
            break
        time.sleep(2)
    statuses = Counter(run["status"] for run in runs.values())
    ended = time.monotonic() - began
    wrong = _otherwise(chaos, runs)
    print(f"seed {seed}: {sum(chaos.tally.values())} blows in {ended:.0f} s: {dict(chaos.tally)}")
    print(
        f"{videos} videos, {len(runs)} runs: {dict(statuses)}; {len(wrong)} with other digests than undisturbed"
    )
    for name in wrong:
        print(f"  {name}")
    return 0 if statuses == Counter({"complete": videos}) and not wrong else 1


def _otherwise(chaos: Chaos, runs: dict[str, dict[str, Any]]) -> list[str]:
    """Videos whose run has other digests than the same question asked again of an empty store on this machine."""
    from kadr.settings import Settings
    from tests.e2e.conftest import Kadr

    wrong = []
    for name, run in sorted(runs.items()):
        if not run["manifest"]:
            continue
        status, manifest = chaos.up.ask("GET", f"/v1/runs/{run['run_id']}/manifest")
        kadr = Kadr(chaos.up.home / "alone" / name, Settings().weights)
        done = kadr(
            "analyze",
            chaos.up.home / name,
            "--profile",
            chaos.up.home / "small.toml",
            "--out",
            kadr.home / "out",
        )
        if status != 200 or done.code or digests(manifest) != kadr.results():
            wrong.append(name)
    return wrong


if __name__ == "__main__":
    main()
