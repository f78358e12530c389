"""How much runs together: follows from what components declare they need and from what the machine has."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from kadr.pipeline.catalogue import Catalogue

_SHARE = 0.7
"""Part of the memory that is free at the start which tasks may fill; the rest is the processes' own."""


@dataclass(frozen=True)
class Budget:
    """Cores and memory to fill; one task is always allowed, however large."""

    cores: float
    memory_mb: float
    catalogue: Catalogue

    def fits(self, component: str, busy: Iterable[str]) -> bool:
        """Whether a task of ``component`` may start beside tasks of the components in ``busy``."""
        needs = [self.catalogue.components[name].resources for name in (*busy, component) if name]
        if len(needs) == 1:
            return True
        cpu = sum(n.cpu for n in needs)
        return cpu <= self.cores and sum(n.memory_mb for n in needs) <= self.memory_mb


def of_machine(catalogue: Catalogue, jobs: int | None = None) -> Budget:
    """The budget of this machine: its cores (or ``jobs``) and the memory that is free now, cgroup limits respected."""
    cores = jobs or len(os.sched_getaffinity(0))
    return Budget(float(cores), _available_mb() * _SHARE, catalogue)


def _available_mb() -> float:
    fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    free = int(fields["MemAvailable"].split()[0]) / 1024
    limit = Path("/sys/fs/cgroup/memory.max")
    if limit.is_file() and (text := limit.read_text().strip()).isdigit():
        free = min(free, int(text) / (1 << 20))
    return free
