"""What ``kadr verify`` found of a run."""

from __future__ import annotations

from dataclasses import dataclass, field

from cli.compose import Machine
from kadr.contracts.manifest import Manifest
from kadr.pipeline.verifying import Finding, Verdict, dropped

EXIT_DIFFERENT, EXIT_INCOMPLETE = 1, 3
BAD = (Verdict.DAMAGED, Verdict.MISSING)


@dataclass(frozen=True)
class Verification:
    """What was found of a run. ``left_out``: components that could not be made again here, and why.

    ``only_stored``: nothing was made again, on purpose. ``own``: of what the run wrote of itself, its records and its manifest;
    ``healed``: how many records were put back.
    """

    manifest: Manifest
    stored: list[Finding]
    again: list[Finding] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    dropped: list[Finding] = field(default_factory=list)
    only_stored: bool = False
    own: list[Finding] = field(default_factory=list)
    healed: int = 0

    def drop(self, machine: Machine) -> None:
        """Remove what still is damaged; what of the store was damaged or missing is told as it is now."""
        found = list(dropped(machine.store, machine.claims, self.manifest, self.stored, machine.catalogue))
        now = {(f.task, f.output): f for f, _ in found}
        self.stored[:] = [now.get((f.task, f.output), f) for f in self.stored]
        self.dropped.extend(f for f, removed in found if removed)

    @property
    def lost(self) -> list[Finding]:
        """What of the store is missing or damaged and still there."""
        return [f for f in self.stored if f.verdict in BAD and f not in self.dropped]

    @property
    def results(self) -> list[Finding]:
        """What became of each result, once: what the store has lost is lost, however it came out when made again."""
        if self.only_stored:
            return self.stored
        lost = [f for f in self.stored if f.verdict in BAD]
        told = {(f.task, f.output) for f in lost}
        return lost + [f for f in self.again if (f.task, f.output) not in told]

    @property
    def faults(self) -> list[Finding]:
        """What is not as it should be. That an intermediate's payload has expired is no fault of the store."""
        fine = (Verdict.EXPIRED,) if self.only_stored else ()
        return [*self.own, *(f for f in self.results if not f.verdict.good and f.verdict not in fine)]

    @property
    def exit_code(self) -> int:
        if any(f.verdict is not Verdict.EXPIRED for f in self.faults):
            return EXIT_DIFFERENT
        return EXIT_INCOMPLETE if self.left_out or self.faults else 0
