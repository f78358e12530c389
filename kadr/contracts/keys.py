"""What is hashed: digests and keys, exactly as docs/objects.md states. Golden values pin every function here.

All digests are lowercase hex SHA-256; JSON is canonicalised by RFC 8785 (JCS) first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import rfc8785

from kadr.contracts.stretches import stretches

SHORT = 16
"""Digits of a key or digest that stand in the names of ``state/`` objects."""


def jcs(value: Any) -> bytes:
    """``value`` as canonical JSON (RFC 8785). Raises ``rfc8785.CanonicalizationError`` for NaN and non-JSON values."""
    return rfc8785.dumps(value)


def sha256_json(value: Any) -> str:
    return hashlib.sha256(jcs(value)).hexdigest()


def array_digest(array: np.ndarray) -> str:
    """SHA-256 of the array's bytes in C order, little-endian."""
    digest = hashlib.sha256()
    for stretch in stretches(array.astype(array.dtype.newbyteorder("<"), copy=False)):
        digest.update(stretch)
    return digest.hexdigest()


def dtype_name(array: np.ndarray) -> str:
    """The byte-order-free name of a dtype, e.g. ``float16``, ``int64``, ``uint8``."""
    return array.dtype.newbyteorder("=").name


def result_digest(schema_major: int, arrays: Mapping[str, np.ndarray], payload: Any) -> str:
    described = {name: [dtype_name(a), list(a.shape), array_digest(a)] for name, a in arrays.items()}
    return sha256_json({"schema_major": schema_major, "arrays": described, "json": sha256_json(payload)})


def record_digest(results: Iterable[tuple[str, str, str]]) -> str:
    """Digest of a record's (name, key, result digest) triples; their order does not matter."""
    return sha256_json(sorted([name, key, digest] for name, key, digest in results))


def key_ingredients(
    component: str,
    version: int,
    params: Mapping[str, Any],
    models: Mapping[str, str],
    inputs: Mapping[str, str | None],
    chunk: tuple[int, int, int] | None,
    schema_major: int,
) -> dict[str, Any]:
    """What the key of a component's result is the hash of: ``key = sha256_json(key_ingredients(...))``.

    ``models`` maps model names to signatures, ``inputs`` input names to result digests (None: an absent optional input),
    ``chunk`` is (start_ms, end_ms, overlap_ms).
    """
    span = None if chunk is None else dict(zip(("start_ms", "end_ms", "overlap_ms"), chunk, strict=True))
    return {
        "component": component,
        "version": version,
        "params": dict(params),
        "models": dict(models),
        "inputs": dict(inputs),
        "chunk": span,
        "schema_major": schema_major,
    }
