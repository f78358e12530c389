"""What is wrong with a value that people wrote, one plain sentence a fault: the place, the value, and what would do."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from pydantic import ValidationError as PydanticError

Schema = Mapping[str, Any]

_SHOWN = 80
_MANY = 20
"""Allowed values beyond this are counted where the one that was meant can be named."""


def meant(name: str, known: Collection[str]) -> str:
    """`` (did you mean 'ocr'?)`` if one of ``known`` looks like ``name``, else nothing."""
    alike = {k.lower(): k for k in known}
    found = get_close_matches(name.lower(), list(alike), n=1)
    return f" (did you mean {alike[found[0]]!r}?)" if found else ""


def first_fault(error: PydanticError) -> str:
    """The first thing that is wrong with a stored object, in few words: its place and what it should be."""
    fault = error.errors(include_url=False, include_input=False)[0]
    return f"{'.'.join(map(str, fault['loc'])) or 'it'}: {fault['msg']}"


def quoted(value: Any) -> str:
    """``value`` as people would write it, cut if it is long."""
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def faults(schema: Schema, value: Any, place: str = "") -> list[str]:
    """Sentences on what of ``value``, which stands at ``place``, JSON Schema ``schema`` does not allow; none if it does.

    Keys that are unknown or missing are not told: who knows what they are should.
    """
    from jsonschema import Draft202012Validator  # slow to import, and needed only for what people set

    found = sorted(Draft202012Validator(schema).iter_errors(value), key=lambda e: [str(p) for p in e.path])
    told = [_sentence(e, place) for e in found if e.validator not in ("additionalProperties", "required")]
    return list(dict.fromkeys(told))


def _sentence(error: ValidationError, place: str) -> str:
    where = place + "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in error.path)
    schema: Any = error.schema
    close = _meant_value(error.instance, schema) if isinstance(error.instance, str) else ""
    most = _MANY if close else None
    why = f": {schema['because']}" if "because" in schema else ""
    return f"{where.removeprefix('.')}: {quoted(error.instance)} is not {accepted(schema, most)}{close}{why}"


def _meant_value(value: str, schema: Schema) -> str:
    """What was meant among the values that ``schema`` lists; its ``meant`` has what people write instead of them."""
    for one in schema.get("anyOf", [schema]):
        if known := [v for v in one.get("enum", ()) if isinstance(v, str)]:
            instead = one.get("meant", {}).get(value.lower())
            return f" (did you mean {instead!r}?)" if instead else meant(value, known)
    return ""


def accepted(schema: Schema, most: int | None = None) -> str:
    """What ``schema`` allows, in words: ``a whole number from 1 to 50, or null``. More than ``most`` values are counted."""
    if "enum" in schema:
        values = [v if isinstance(v, str) else json.dumps(v) for v in schema["enum"]]
        listed = most is None or len(values) <= most
        return f"one of {', '.join(values)}" if listed else f"one of the {len(values)} that are known"
    if "anyOf" in schema:
        return ", or ".join(accepted(s, most) for s in schema["anyOf"])
    match schema.get("type"):
        case "integer":
            return f"a whole number{_range(schema)}"
        case "number":
            return f"a number{_range(schema)}"
        case "boolean":
            return "true or false"
        case "null":
            return "null"
        case "array":
            return f'a list of {"one or more " if schema.get("minItems") else ""}texts, such as ["a", "b"]'
        case "string":
            return _text(schema)
        case _:
            return "a table of names and values"


def _text(schema: Schema) -> str:
    if pattern := schema.get("pattern"):
        return f"text of the form {pattern}"
    longest = schema.get("maxLength")
    return f"text of at most {longest} characters" if longest else "text"


def _range(schema: Schema) -> str:
    low, above = schema.get("minimum"), schema.get("exclusiveMinimum")
    high, below = schema.get("maximum"), schema.get("exclusiveMaximum")
    if low is not None and high is not None:
        return f" from {low} to {high}"
    ends = {" of at least": low, " above": above, " of at most": high, " below": below}
    return " and".join(f"{word} {end}" for word, end in ends.items() if end is not None)


def inexact(value: Any, place: str) -> Iterator[str]:
    """Why ``value`` cannot be hashed: canonical JSON has neither NaN nor integers beyond 2^53 nor bytes that are no text."""
    if isinstance(value, float) and not math.isfinite(value):
        yield f"{place}: {quoted(value)} is not a number that can be used"
    elif isinstance(value, int) and abs(value) >= 1 << 53:
        yield f"{place}: {quoted(value)} cannot be used: whole numbers are exact below 2^53 only"
    elif isinstance(value, str) and not value.isascii() and value != value.encode("utf-8", "ignore").decode():
        yield f"{place}: {value!r} cannot be used: it is not Unicode text"
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from inexact(inner, f"{place}[{index}]")
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from inexact(inner, f"{place}.{name}")
