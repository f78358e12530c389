"""What may run together follows from declared needs and the machine: cores and memory, and never nothing."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from kadr.pipeline import catalogue
from kadr.pipeline.budget import Budget, free_bytes, of_machine

CATALOGUE = catalogue.load()
names = st.lists(st.sampled_from(sorted(CATALOGUE.components)), max_size=6)


@given(names, st.sampled_from(sorted(CATALOGUE.components)), st.integers(1, 8), st.integers(1, 4000))
def test_what_fits_stays_within_cores_and_memory(busy: list[str], name: str, cores: int, memory: int) -> None:
    fits = Budget(cores, memory, CATALOGUE).fits(name, busy)
    needs = [CATALOGUE.components[n].resources for n in (*busy, name)]
    within = sum(n.cpu for n in needs) <= cores and sum(n.memory_mb for n in needs) <= memory
    assert fits == (within or not busy)


def test_more_cores_and_memory_run_more_tasks_of_a_component() -> None:
    def together(cores: int, memory_mb: int) -> int:
        budget, busy = Budget(cores, memory_mb, CATALOGUE), list[str]()
        while budget.fits("objects", busy) and len(busy) < 99:
            busy.append("objects")
        return len(busy)

    need = CATALOGUE.components["objects"].resources
    assert together(1, 10_000) == 1
    assert together(4, 100_000) == int(4 / need.cpu)
    assert together(16, need.memory_mb * 3) == 3


def test_the_machine_has_something_to_give() -> None:
    budget = of_machine(CATALOGUE, 3)
    assert budget.cores == 3
    assert budget.memory_mb > 100


def test_a_containers_limit_counts_what_it_holds_already(tmp_path: Path) -> None:
    free = free_bytes(tmp_path)
    assert free > 2**27
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text(f"{300 * 2**20}\n")
    (tmp_path / "memory.stat").write_text(f"anon 1\ninactive_file {100 * 2**20}\n")
    assert free_bytes(tmp_path) > 2**27
    (tmp_path / "memory.max").write_text(f"{306 * 2**20}\n")
    assert free_bytes(tmp_path) == 106 * 2**20
    (tmp_path / "memory.max").write_text(f"{2**20}\n")
    assert free_bytes(tmp_path) == 0
