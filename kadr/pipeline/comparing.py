"""Whether two artifacts of one kind say the same, within the tolerance that their ArtifactSpec states.

Shapes and integers must be equal; floats may be as far apart as the spec's ``tolerance`` (where it states none, its quantum);
payloads must be equal but for floats that differ by at most PAYLOAD_TOLERANCE.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from kadr.contracts.artifact import Artifact, ArtifactSpec

PAYLOAD_TOLERANCE = 1e-3
"""For floats of payloads, absolute below 1 and relative above."""


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
            yield from _payload_differs(f"{at}.{name}".lstrip("."), a.get(name), b.get(name))
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from _payload_differs(f"{at}[{i}]", x, y)
    elif isinstance(a, list) and isinstance(b, list):
        yield f"{at}: {len(a)} then, {len(b)} now"
    elif not _same(a, b):
        yield f"{at}: {_brief(a)} then, {_brief(b)} now"


def _same(a: Any, b: Any) -> bool:
    numbers = isinstance(a, float | int) and isinstance(b, float | int) and not isinstance(a, bool)
    if numbers and (isinstance(a, float) or isinstance(b, float)):
        return bool(abs(a - b) <= PAYLOAD_TOLERANCE * max(1.0, abs(a), abs(b)))
    return bool(a == b)


def _brief(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
