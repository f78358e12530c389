"""The language of the speech: a code that Whisper knows, or a refusal at the door that says which was meant."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from faster_whisper.tokenizer import _LANGUAGE_CODES
from pydantic import ValidationError
from tokenizers import Tokenizer

from cli.compose import Machine
from functions.speech.component import SpeechParams
from kadr.contracts.errors import InvalidProfile
from kadr.craft.languages import NAMES, OTHERWISE
from kadr.pipeline.profiles import load_profile, with_settings
from kadr.settings import Settings

TOO_NEW = {"yue"}
"""Cantonese came with Whisper large-v3: the models that Kadr has know no word for it."""


def test_the_languages_are_those_that_whisper_knows() -> None:
    assert set(NAMES) == set(_LANGUAGE_CODES) - TOO_NEW
    assert set(OTHERWISE.values()) <= set(NAMES)
    assert not set(OTHERWISE) & set(NAMES)


def test_the_model_has_a_word_for_each_of_them() -> None:
    path = Settings().weights / "whisper_base/1/tokenizer.json"
    if not os.path.isfile(path):
        pytest.skip("whisper_base is not on this machine")
    known = Tokenizer.from_file(str(path))
    assert {c for c in _LANGUAGE_CODES if known.token_to_id(f"<|{c}|>") is None} == TOO_NEW


def refusal(**params: str) -> str:
    profile = with_settings(load_profile("standard"), {"speech": params})
    with pytest.raises(InvalidProfile) as refused:
        Machine(Settings()).question(profile)
    return str(refused.value)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("rus", "ru"), ("ger", "de"), ("deu", "de"), ("spa", "es"), ("Russian", "ru"), ("jv", "jw"), ("EN", "en")],
)  # fmt: skip
def test_another_code_is_refused_before_anything_runs(written: str, meant: str) -> None:
    assert refusal(language=written) == (
        f"speech.language: {written!r} is not one of the 99 that are known, or null (did you mean {meant!r}?)"
    )


def test_an_unknown_code_is_refused_with_those_that_would_do() -> None:
    said = refusal(language="xx")
    assert said.startswith("speech.language: 'xx' is not one of af, am, ar,")
    assert said.endswith("yo, zh, or null")


def test_a_profile_file_is_refused_alike(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('components = ["speech"]\n[set.speech]\nlanguage = "rus"\n')
    with pytest.raises(InvalidProfile, match=r"mine.toml: speech.language: 'rus' is not .*did you mean 'ru'"):
        load_profile(str(path))


def test_the_english_model_is_asked_for_english_only() -> None:
    said = refusal(model="whisper_tiny_en", language="ru")
    assert said == "speech.language: 'ru' is not one of en, null: whisper_tiny_en knows English only"
    with pytest.raises(ValidationError, match="knows English only"):
        SpeechParams.model_validate({"model": "whisper_tiny_en", "language": "ru"})
    assert SpeechParams.model_validate({"model": "whisper_tiny_en", "language": "en"}).language == "en"
