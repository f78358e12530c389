"""insights.json as the report wrote it, with its JSON Schema: docs/insights.md."""

from __future__ import annotations

from exports.source import Exported, Options, Source


def export(source: Source, _: Options) -> Exported:
    """Byte for byte; into a folder the schema goes along."""
    files = {f".{name}": source.file(name) for name in ("insights.json", "insights.schema.json")}
    return Exported(files, (), ".insights.json")
