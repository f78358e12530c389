"""What every part of insights.json is made of: frozen values, evidence, and items with a time."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

Span = tuple[int, int]


class Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Evidence(Value):
    """The result that an item came from, and the item's place in it."""

    component: str
    key: str = Field(description="Key of the result: what it was computed from.")
    digest: str = Field(description="Digest of the result: what it says.")
    index: int | None = Field(
        default=None, description="Position among the component's items; null: the whole result."
    )


class Item(Value):
    start_ms: int
    end_ms: int
    evidence: Evidence
