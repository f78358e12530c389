"""Whether two artifacts of one kind say the same, within the tolerance that their ArtifactSpec states.

Shapes and integers must be equal; floats may be as far apart as the spec's ``tolerance`` (where it states none, its quantum);
payloads must have the same keys and values, but for floats, which may be as far apart as ``_allowed`` says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from kadr.contracts.artifact import Artifact, ArtifactSpec

SCORE_TOLERANCE = 1e-3
"""For floats of payloads from -1 to 1: scores, which are rounded to 1e-4."""
FACT_TOLERANCE = 1e-2
"""For greater ones: levels in dB and frame rates, rounded to 0.01 and 0.001. The last place may fall to either side.

None grows with the number: a time in seconds would be accepted 3.6 s away after an hour. What needs more says so as an array.
"""
ROUNDING = 1 + 1e-6
"""18.39 - 18.38 is a little more than 0.01 in binary."""


def differing(spec: ArtifactSpec | None, one: Artifact, two: Artifact) -> Iterator[str]:
    """In words, what of ``two`` is farther from ``one`` than ``spec`` allows; without a spec nothing is."""
    for name in sorted({*one.arrays, *two.arrays}):
        a, b = one.arrays.get(name), two.arrays.get(name)
        if a is None or b is None:
            yield f"{name}: only one has it"
        elif a.shape != b.shape:
            yield f"{name}: {_shape(a)} then, {_shape(b)} now"
        elif said := _apart(spec, name, a, b):
            yield said
    yield from _payload_differs("", one.payload, two.payload)


def _shape(array: np.ndarray) -> str:
    return "×".join(map(str, array.shape))


def _apart(spec: ArtifactSpec | None, name: str, a: np.ndarray, b: np.ndarray) -> str:
    unequal = a != b
    if not unequal.any():
        return ""
    if not np.issubdtype(a.dtype, np.floating):
        return f"{name}: {int(unequal.sum())} of {a.size} differ"
    declared = spec.arrays.get(name) if spec else None
    allowed = (declared.tolerance or declared.quantum or 0.0) if declared else 0.0
    distance = np.abs(a.astype(np.float64) - b.astype(np.float64))
    worst = float(distance.max())
    # Half a part in a million is what storing the bound itself in float32 may cost.
    if worst <= allowed * (1 + 5e-7):
        return ""
    return f"{name}: up to {worst:g} apart, {allowed:g} allowed"


def _payload_differs(at: str, a: Any, b: Any) -> Iterator[str]:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        for name in sorted({*a, *b}):
            place = f"{at}.{name}".lstrip(".")
            if name in a and name in b:
                yield from _payload_differs(place, a[name], b[name])
            else:
                yield f"{place}: only one has it"
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from _payload_differs(f"{at}[{i}]", x, y)
    elif isinstance(a, list) and isinstance(b, list):
        yield f"{at}: {len(a)} then, {len(b)} now"
    elif not _same(a, b):
        yield f"{at}: {_brief(a)} then, {_brief(b)} now"


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, float | int) and isinstance(b, float | int) and (type(a), type(b)) != (int, int):
        return bool(
            abs(a - b) <= _allowed(a, b) * ROUNDING
        )  # JSON writes 30.0 as 30: one may be read as an integer
    return bool(a == b)


def _allowed(a: float, b: float) -> float:
    return SCORE_TOLERANCE if max(abs(a), abs(b)) <= 1 else FACT_TOLERANCE


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
