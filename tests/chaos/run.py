"""`make chaos`: whatever can go wrong around a service does, while videos come in; then look whether anything was lost.

A service is started as people start it, with a store beside it. By the seed its processes are killed with -9, the queue is emptied
or stands still, the database stops, notices are dropped, doubled and reordered, the store is slow, away, breaks connections or is
full, files of workers cannot grow, and every process has a clock of its own. In the end every video must have a run that ended
complete, with the digests of an undisturbed one, and every result must be on a record.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import click
from rich.progress import Progress

sys.path.insert(0, str(Path(__file__).parents[2]))

from kadr.contracts.run import ACQUIRE
from tests.chaos import ledger
from tests.chaos.attacked import House
from tests.chaos.blows import KILL, Blows, plan
from tests.chaos.ledger import Ledger, Run
from tests.chaos.visitors import Visitors

PAUSE_S = (0.2, 1.6)
END_S = 180
"""How long all may take to end when nothing is hurt any more."""
REPORT = "report"


@click.command()
@click.option("--kills", default=200, show_default=True)
@click.option("--videos", default=20, show_default=True)
@click.option("--seed", type=int, default=None)
@click.option("--minutes", type=float, default=None, help="Deal no more blows after so many minutes.")
@click.option("--keep", is_flag=True, help="Leave the service's folder, with its logs, where it is.")
def main(kills: int, videos: int, seed: int | None, minutes: float | None, keep: bool) -> None:
    """Kill KILLS times, and hurt the service otherwise, while VIDEOS come in; say what became of them."""
    seed = seed if seed is not None else int(time.time())
    folder = Path(tempfile.mkdtemp(prefix="kadr-chaos-"))
    print(f"seed {seed}" + (f", in {folder}" if keep else ""), flush=True)
    house = House(folder, seed)
    try:
        house.start()
        code = _play(house, kills, videos, seed, (minutes or 1e9) * 60)
    finally:
        house.stop()
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    sys.exit(code)


def _play(house: House, kills: int, videos: int, seed: int, most_s: float) -> int:
    began = time.monotonic()
    by_seed = random.Random(seed)
    blows = Blows(house, random.Random(by_seed.random()))
    visitors = Visitors(house, random.Random(by_seed.random()), house.up.home / "clips")
    try:
        _storm(plan(kills, by_seed), blows, visitors, videos, began + most_s)
    finally:
        blows.end()
    stormed = time.monotonic() - began
    books = Ledger(house.objects)
    runs = _settled(books, visitors)
    ended = time.monotonic() - began
    differs = ledger.index_differs(house)
    said = _said(house)
    house.up.kill()
    print(
        f"seed {seed}: {sum(blows.kills.values())} kills in {stormed:.0f} s, all had ended after {ended:.0f} s"
    )
    _tell(house, blows, visitors, books, runs, said)
    faults = _faults(books, visitors, runs, house, differs)
    print(f"faults: {len(faults)}")
    for fault in faults[:40]:
        print(f"  {fault}")
    return 1 if faults else 0


def _storm(blows_planned: list[str], blows: Blows, visitors: Visitors, videos: int, until: float) -> None:
    came = 0
    with Progress() as bar:
        task = bar.add_task("blows", total=len(blows_planned))
        for number, kind in enumerate(blows_planned):
            if time.monotonic() > until:
                break
            if came * len(blows_planned) <= number * videos and came < videos:
                visitors.come()
                came += 1
            visitors.change_their_minds()
            time.sleep(blows.random.uniform(*PAUSE_S))
            while not blows.deal(kind) and time.monotonic() < until:
                time.sleep(0.5)
            bar.update(task, completed=number + 1)


def _settled(books: Ledger, visitors: Visitors) -> list[Run]:
    """The runs, when all that was promised has ended or time is up."""
    deadline = time.monotonic() + END_S
    while True:
        visitors.change_their_minds()
        try:
            runs = books.runs()
            open_runs = [run for run in runs if not books.ended(run)]
            if not open_runs and not ledger.lost(visitors.visits, runs):
                return runs
        except Exception as error:  # the store is just being started again
            print(f"the bucket cannot be read: {error!r}", file=sys.stderr)
        if time.monotonic() > deadline:
            return books.runs()
        time.sleep(2)


def _faults(
    books: Ledger, visitors: Visitors, runs: list[Run], house: House, differs: list[str]
) -> list[str]:
    found = [f"lost: no run for {visit}" for visit in ledger.lost(visitors.visits, runs)]
    for run in runs:
        asked, state = run
        if not books.ended(run) or state.status != "complete":
            failures = [f"{t.name}: {t.failure.message}" for t in state.tasks.values() if t.failure]
            waits = [t.name for t in state.tasks.values() if not t.state.terminal]
            named = f"{asked.owner} {asked.run_id} ({asked.source_name})"
            found.append(f"{named} is {state.status.value}: {failures or waits or 'no report'}")
        found += books.holes(run)
    _, orphans, _ = books.work(runs)
    found += [f"on no record: {name}" for name in orphans]
    alone = ledger.undisturbed(house.up.home / "alone", visitors.clips, house.up.home / "small.toml")
    found += ledger.otherwise(books.store, runs, alone)
    return found + [f"index: {one}" for one in differs]


def _said(house: House) -> Counter[str]:
    """What the functions' own logs say of their tasks."""
    found = Counter[str]()
    for line in house.logged():
        if line.get("logger") == "kadr.function":
            kind = "task" if line.get("function") not in (ACQUIRE, REPORT) else "other"
            found[f"{kind} {line.get('outcome')}"] += 1
        found["disk full"] += "no space left" in str(line.get("message", "")).lower()
    return found


def _tell(
    house: House, blows: Blows, visitors: Visitors, books: Ledger, runs: list[Run], said: Counter[str]
) -> None:
    computed, orphans, needed = books.work(runs)
    twice = sum(times > 1 for times in computed.values())
    skews = len(list(house.skews.iterdir()))
    statuses = Counter(state.status.value for _, state in runs)
    done = sum(len(state.tasks) for _, state in runs)
    read = sum(len(t.record.results) for _, state in runs for t in state.tasks.values() if t.record)
    lines = {
        "killed": dict(sorted(blows.kills.items())),
        "other blows": dict(sorted((k, n) for k, n in blows.tally.items() if k != KILL)),
        "notices": dict(sorted(house.notices.tally.items())),
        "store": dict(sorted(house.relay.tally.items())),
        "clocks": f"{skews} processes, each up to 10 minutes off",
        "disk full": f"{said['disk full']} times told in the logs",
        "visitors": dict(sorted(visitors.tally.items())),
        "runs": f"{len(visitors.visits)} promised, {len(runs)} there: {dict(statuses)}",
        "manifests": f"{done} tasks and {read} results of theirs looked at one by one",
        "work": f"{len(needed)} keys needed, {said['task done']} computations answered for, "
        f"{said['task cached']} found there; {twice} keys computed on more than one record; "
        f"{len(orphans)} results on no record",
    }
    for what, text in lines.items():
        print(f"  {what}: {text}")


if __name__ == "__main__":
    main()
