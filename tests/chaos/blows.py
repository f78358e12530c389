"""What is done to the service: one plan by the seed, of kills and of spells in which something is away, slow or full."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import psutil
import redis

from tests.chaos.attacked import OTHER, House, kind_of
from tests.chaos.store_relay import SPELLS

KILL, WHOLE, FLUSH, DATABASE, QUEUE, DISK, CACHE = (
    "kill",
    "whole service killed",
    "queue emptied",
    "database stopped",
    "queue stopped",
    "store's disk full",
    "workers' disk full",
)
SHARES = {WHOLE: 100, FLUSH: 25, DATABASE: 25, QUEUE: 50, DISK: 100, CACHE: 20} | dict.fromkeys(SPELLS, 60)
"""One of these on so many kills."""
SPELL_S = {DATABASE: (4, 15), QUEUE: (2, 6), DISK: (20, 25), CACHE: (4, 8)} | dict.fromkeys(SPELLS, (6, 12))
STARTS = 10
FULL_BYTES = 4096
"""What a process may write to one file while its disk is full."""


def plan(kills: int, random: random.Random) -> list[str]:
    """Every kind at least once, in the seed's order."""
    blows = [KILL] * kills
    for kind, share in SHARES.items():
        blows += [kind] * max(1, round(kills / share))
    random.shuffle(blows)
    return blows


class Blows:
    """Deals them. A spell ends by itself; one of a kind is under way at a time."""

    def __init__(self, house: House, random: random.Random) -> None:
        self.house = house
        self.random = random
        self.tally = Counter[str]()
        self.kills = Counter[str]()
        self._spells: dict[str, threading.Thread] = {}

    def deal(self, kind: str) -> bool:
        """Whether it was dealt: nothing is killed that is not there."""
        if kind == KILL:
            return self._kill()
        if kind == WHOLE:
            return self._kill_whole()
        if kind == FLUSH:
            return self._flush()
        if kind in SPELLS:
            self.house.relay.spell(kind, self.random.uniform(*SPELL_S[kind]))
            self.tally[f"store {kind}"] += 1
            return True
        spells = {DATABASE: self._frozen("PostgreSQL"), QUEUE: self._frozen("Valkey"), DISK: self._store_full}
        return self._begin(kind, spells.get(kind, self._workers_full))

    def end(self) -> None:
        """Let every spell end."""
        for thread in self._spells.values():
            thread.join()
        self.house.relay.calm()

    def _begin(self, kind: str, spell: Callable[[float], None]) -> bool:
        if kind in self._spells and self._spells[kind].is_alive():
            self._spells[kind].join()
        seconds = self.random.uniform(*SPELL_S[kind])
        self._spells[kind] = threading.Thread(target=spell, args=(seconds,))
        self._spells[kind].start()
        self.tally[kind] += 1
        return True

    def _kill(self) -> bool:
        kinds = sorted({kind_of(process) for process in self.house.family()} - {OTHER})
        if not kinds:
            return False
        kind = self.random.choice(kinds)
        victims = self.house.of(kind)
        with suppress(psutil.NoSuchProcess, IndexError):
            self.random.choice(victims).kill()
            self.kills[kind] += 1
            return True
        return False

    def _kill_whole(self) -> bool:
        """`kadr up` itself, and started again as its owner would, until it starts: its store may be away just then."""
        process = self.house.up.process
        assert process is not None
        process.kill()
        process.wait()
        self.tally[WHOLE] += 1
        for _ in range(STARTS):
            with suppress(AssertionError):
                self.house.up.start()
                return True
            self.tally["starts that failed"] += 1
        raise SystemExit(f"kadr up did not start again: {self.house.up.logs()}")

    def _flush(self) -> bool:
        with suppress(redis.RedisError, LookupError):
            self.house.queue().flushall()
            self.tally[FLUSH] += 1
            return True
        return False

    def _frozen(self, kind: str) -> Callable[[float], None]:
        """Its processes stand still: connections are taken and nobody answers."""

        def spell(seconds: float) -> None:
            stopped = self.house.of(kind)
            for process in stopped:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGSTOP)
            time.sleep(seconds)
            for process in stopped:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGCONT)

        return spell

    def _store_full(self, seconds: float) -> None:
        self.house.fill(True)
        time.sleep(seconds)
        self.house.fill(False)

    def _workers_full(self, seconds: float) -> None:
        """No file may grow: what functions and their workers write ends at once, as on a full disk."""
        for process in [*self.house.of("function"), *self.house.of("worker")]:
            _limit(process, FULL_BYTES)
        time.sleep(seconds)
        for process in [*self.house.of("function"), *self.house.of("worker")]:
            _limit(process, None)


def _limit(process: psutil.Process, most: int | None) -> None:
    """``None``: as far as it may go."""
    with suppress(psutil.Error, OSError, ValueError):
        _, hard = process.rlimit(psutil.RLIMIT_FSIZE)
        process.rlimit(psutil.RLIMIT_FSIZE, (hard if most is None else most, hard))
