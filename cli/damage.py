"""What of a file was found to be damaged, as every command says it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from kadr.contracts.manifest import ComponentSummary

DAMAGED = "damaged"
"""What the line is called."""


def warnings(components: Mapping[str, ComponentSummary]) -> list[str]:
    """What ``components`` found damaged in what they read, each once, in their order."""
    return list(dict.fromkeys(w for c in components.values() for w in c.warnings))


def in_words(found: Sequence[str]) -> str:
    return "; ".join(found)


def in_short(kinds: Collection[str]) -> str:
    """Damage of these ``kinds`` (those of ``video.damage``), as the report's page adds it to the status."""
    if "cut_off" in kinds:
        return "file cut off"
    return "not all recordings of the file" if "joined" in kinds else "file damaged"
