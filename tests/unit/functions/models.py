"""The real models, for component tests."""

from __future__ import annotations

from functools import cache

import pytest

from inference.registry import LoadedModels, Registry
from kadr.settings import Settings


@cache
def _registry() -> Registry:
    return Registry(weights_dirs=[Settings().weights])


def models(*names: str) -> LoadedModels:
    """The models called ``names``, on one thread; the test is skipped, and says why, when their weights are not here."""
    missing = _registry().missing(names)
    if missing:
        pytest.skip(f"the weights of {', '.join(missing)} are not here: run `kadr models pull`")
    return _registry().models(names, threads=1)
