"""What a broken disk, a cut line or an enemy does to a file: blind damage, and damage that knows the container's structure."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random

from tests.fuzz.units import Unit, units

Mutation = Callable[[bytearray, Random], None]
_ODD = (
    0,
    1,
    2,
    7,
    8,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    2**63 - 1,
    2**64 - 1,
)
_MOST_BYTES = 6 << 20


@dataclass(frozen=True)
class Mutant:
    """A damaged file: which seed it was, what was done to it."""

    seed: str
    done: tuple[str, ...]
    data: bytes


def mutants(seeds: dict[str, bytes], count: int, number: int) -> Iterator[Mutant]:
    """``count`` mutants, the same for the same ``number``; each seed gets its turn."""
    for at in range(count):
        yield mutant(seeds, number, at)


def mutant(seeds: dict[str, bytes], number: int, at: int) -> Mutant:
    """The mutant ``at`` of the row that ``number`` begins."""
    random = Random(f"{number}:{at}")
    names = sorted(seeds)
    name = names[at % len(names)]
    data = bytearray(seeds[name])
    chosen = random.choices(
        list(MUTATIONS), weights=[w for _, w in MUTATIONS.values()], k=random.choice((1, 1, 2, 3))
    )
    for what in chosen:
        if what == "splice":
            _splice(data, seeds[random.choice(names)], random)
        elif data:
            MUTATIONS[what][0](data, random)
    return Mutant(name, tuple(chosen), bytes(data[:_MOST_BYTES]))


# -- blind ---------------------------------------------------------------------------------------------------------------


def _flip(data: bytearray, random: Random) -> None:
    for _ in range(random.choice((1, 4, 20, 100))):
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _flip_head(data: bytearray, random: Random) -> None:
    for _ in range(random.choice((1, 3, 8))):
        data[random.randrange(min(len(data), 1024))] ^= 1 << random.randrange(8)


def _noise(data: bytearray, random: Random) -> None:
    start, end = _span(data, random, 4096)
    data[start:end] = random.randbytes(end - start)


def _truncate(data: bytearray, random: Random) -> None:
    del data[random.randrange(len(data)) :]


def _behead(data: bytearray, random: Random) -> None:
    del data[: random.choice((1, 4, 12, random.randrange(len(data))))]


def _zero_head(data: bytearray, random: Random) -> None:
    end = min(len(data), random.choice((4, 8, 32, 512)))
    data[:end] = bytes(end)


def _zero(data: bytearray, random: Random) -> None:
    start, end = _span(data, random, 8192)
    data[start:end] = bytes(end - start)


def _append(data: bytearray, random: Random) -> None:
    data += random.choice((random.randbytes(5000), bytes(5000), bytes(data[:20_000]), b"\xff" * 5000))


def _repeat(data: bytearray, random: Random) -> None:
    start, end = _span(data, random, 20_000)
    at = random.randrange(len(data))
    data[at:at] = data[start:end] * random.choice((1, 1, 2, 30))


def _drop(data: bytearray, random: Random) -> None:
    start, end = _span(data, random, 20_000)
    del data[start:end]


def _odd_number(data: bytearray, random: Random) -> None:
    for _ in range(random.choice((1, 2, 6))):
        _put_odd(data, random.randrange(len(data)), random)


def _splice(data: bytearray, other: bytes, random: Random) -> None:
    """The beginning of one file, the rest of another."""
    cut, start = random.randrange(len(data) + 1), random.randrange(len(other))
    data[cut:] = other[start:]


# -- by structure --------------------------------------------------------------------------------------------------------


def _lie_about_size(data: bytearray, random: Random) -> None:
    unit = _sized(data, random)
    if unit is None:
        return _odd_number(data, random)
    true, most = unit.end - unit.start, 256**unit.size_bytes - 1
    lies = (0, 1, 7, true - 1, true + 1, true * 2, len(data), most, most >> 1, random.randrange(most))
    data[unit.size_at : unit.body] = _size_field(unit, random.choice(lies))


def _repeat_unit(data: bytearray, random: Random) -> None:
    unit = _any(data, random)
    data[unit.end : unit.end] = data[unit.start : unit.end] * random.choice((1, 1, 3, 40))


def _drop_unit(data: bytearray, random: Random) -> None:
    unit = _any(data, random)
    del data[unit.start : unit.end]


def _swap_units(data: bytearray, random: Random) -> None:
    first, second = sorted((_any(data, random), _any(data, random)), key=lambda u: u.start)
    if first.end <= second.start:
        middle = data[first.end : second.start]
        data[first.start : second.end] = (
            data[second.start : second.end] + middle + data[first.start : first.end]
        )


def _replace_unit(data: bytearray, random: Random) -> None:
    target, source = _any(data, random), _any(data, random)
    data[target.start : target.end] = data[source.start : source.end]


def _nest_unit(data: bytearray, random: Random) -> None:
    unit = _any(data, random)
    data[unit.body : unit.body] = data[unit.start : unit.end]


def _rename_unit(data: bytearray, random: Random) -> None:
    target, source = _any(data, random), _any(data, random)
    kind = data[source.kind_at : source.kind_at + source.kind_bytes]
    data[target.kind_at : target.kind_at + len(kind)] = kind


def _odd_field(data: bytearray, random: Random) -> None:
    """Strange numbers in the first fields of a unit: times, counts, dimensions, offsets."""
    unit = _any(data, random)
    for _ in range(random.choice((1, 2, 5))):
        _put_odd(data, min(unit.body + random.randrange(96), max(unit.body, unit.end - 1)), random)


def _shuffle_units(data: bytearray, random: Random) -> None:
    found = units(bytes(data))
    parent = random.choice(found).parent if found else None
    row = [u for u in found if u.parent == parent]
    if len(row) < 2:
        return
    pieces = [bytes(data[u.start : u.end]) for u in row]
    random.shuffle(pieces)
    data[row[0].start : row[-1].end] = b"".join(pieces)


MUTATIONS: dict[str, tuple[Mutation, int]] = {
    "flip": (_flip, 4),
    "flip head": (_flip_head, 4),
    "noise": (_noise, 2),
    "truncate": (_truncate, 2),
    "behead": (_behead, 1),
    "zero head": (_zero_head, 1),
    "zero": (_zero, 1),
    "append": (_append, 1),
    "repeat": (_repeat, 2),
    "drop": (_drop, 2),
    "odd number": (_odd_number, 4),
    "splice": (lambda data, random: None, 2),
    "size lie": (_lie_about_size, 5),
    "repeat unit": (_repeat_unit, 3),
    "drop unit": (_drop_unit, 3),
    "swap units": (_swap_units, 2),
    "replace unit": (_replace_unit, 2),
    "nest unit": (_nest_unit, 2),
    "rename unit": (_rename_unit, 2),
    "odd field": (_odd_field, 8),
    "shuffle units": (_shuffle_units, 2),
}
"""By name, with how often each is chosen among the others. Splicing needs a second file."""


def _span(data: bytearray, random: Random, most: int) -> tuple[int, int]:
    start = random.randrange(len(data))
    return start, min(len(data), start + random.randint(1, most))


def _put_odd(data: bytearray, at: int, random: Random) -> None:
    width, order = random.choice((1, 2, 4, 8)), random.choice("<>")
    value = random.choice((*_ODD, random.getrandbits(64))) & (256**width - 1)
    field = struct.pack(order + "Q", value)
    data[at : at + width] = field[:width] if order == "<" else field[-width:]


def _any(data: bytearray, random: Random) -> Unit:
    """A unit of the container, headers no less often than data; where it has none that we know, any piece of it."""
    found = units(bytes(data))
    if found:
        return random.choice(_one_of_each_kind(data, found, random))
    start, end = _span(data, random, 2000)
    return Unit(start, start, end, start, 1, start, 0, "big", None)


def _sized(data: bytearray, random: Random) -> Unit | None:
    sized = [u for u in units(bytes(data)) if u.size_bytes]
    return random.choice(_one_of_each_kind(data, sized, random)) if sized else None


def _one_of_each_kind(data: bytearray, found: Sequence[Unit], random: Random) -> list[Unit]:
    kinds: dict[bytes, list[Unit]] = {}
    for unit in found:
        kinds.setdefault(bytes(data[unit.kind_at : unit.kind_at + unit.kind_bytes]), []).append(unit)
    return [random.choice(same) for same in kinds.values()]


def _size_field(unit: Unit, value: int) -> bytes:
    most = 256**unit.size_bytes - 1
    if unit.order == "vint":  # EBML: the first one bit tells the length
        marker = 1 << (7 * unit.size_bytes)
        return (max(0, value) % marker | marker).to_bytes(unit.size_bytes, "big")
    plain: bytes = (max(0, value) & most).to_bytes(
        unit.size_bytes, "little" if unit.order == "little" else "big"
    )
    return plain + bytes(max(0, unit.body - unit.size_at - unit.size_bytes))
