"""Engines: each module opens a model's files (``load``) and runs a batch on what it opened (``run``).

A card's ``engine`` is the name of one of these modules.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping
from typing import Any, Protocol, cast

import numpy as np

from inference.cards import InvalidModelCard
from inference.weights import ModelFiles


class Engine(Protocol):
    """What a module in this folder offers."""

    def load(self, files: ModelFiles, threads: int, device: str) -> Any:
        """The engine's own object for these files. Raises ModelUnavailable when it cannot open them."""
        ...

    def run(self, native: Any, files: ModelFiles, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Run one batch. Raises ModelFailure when the engine fails, TypeError if it does not work on tensors."""
        ...


def engine(name: str) -> Engine:
    """The engine called ``name``. Raises InvalidModelCard for a name that no module here has."""
    module = f"{__name__}.{name}"
    if importlib.util.find_spec(module) is None:
        raise InvalidModelCard(f"engine {name!r} is not known: use the name of a module in inference/engines")
    return cast(Engine, importlib.import_module(module))
