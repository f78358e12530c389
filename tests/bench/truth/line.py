"""One line of the accuracy table."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Line(BaseModel):
    """What was measured, on what, and what the model's authors say of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    measure: str
    value: float
    n: str
    """How much was measured: items, minutes, words."""
    data: str
    """What it was measured on, who made the truth, and its licence."""
    published: str
    """What the model's authors publish for it, or that it was not found."""
    seen: str
    """What of the data Kadr's parameters were chosen on, if any."""
    parts: dict[str, float] = {}
    """The value's parts, or other views of the same comparison."""
