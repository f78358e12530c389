"""The environment as people write it: what is empty is unset, what is wrong is named."""

from __future__ import annotations

import pytest

from kadr.settings import InvalidSetting, Settings


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KADR_HOME", "KADR_WEIGHTS", "KADR_THREADS", "KADR_MODELS"):
        monkeypatch.delenv(name, raising=False)
    usual = Settings.read()
    for name in ("KADR_HOME", "KADR_WEIGHTS", "KADR_THREADS", "KADR_MODELS"):
        monkeypatch.setenv(name, "")
    assert Settings.read() == usual


def test_a_wrong_value_is_named_with_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KADR_THREADS", "many")
    with pytest.raises(InvalidSetting, match="KADR_THREADS='many'"):
        Settings.read()
