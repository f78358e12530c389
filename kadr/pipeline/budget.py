"""How much runs together: follows from what components declare they need and from what the machine has."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from kadr.pipeline.catalogue import Catalogue

_SHARE = 0.7
"""Part of the memory that is free at the start which tasks may fill; the rest is the processes' own."""
_CGROUP = Path("/sys/fs/cgroup")
"""Inside a container, its own limits (cgroup v2)."""


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


def of_machine(catalogue: Catalogue, cores: int) -> Budget:
    """The budget of this machine: ``cores`` and the memory that is free now, a container's limit respected."""
    return Budget(float(cores), free_bytes(_CGROUP) / 2**20 * _SHARE, catalogue)


def free_bytes(cgroup: Path) -> int:
    """Memory that can be had without swapping, within the limit of ``cgroup`` if there is one."""
    free = psutil.virtual_memory().available
    try:
        limit = int((cgroup / "memory.max").read_text())
        used = int((cgroup / "memory.current").read_text())
        stat = dict(line.split() for line in (cgroup / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no cgroup v2, or "max": no limit
        return free
    # What only caches files is given back when it is needed.
    return min(free, max(0, limit - used + int(stat.get("inactive_file", 0))))
