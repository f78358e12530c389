"""Weights: what is listed is what is there; a damaged or missing file is named; pulling twice is pulling once."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cli.models import list_models
from inference.cards import BUILT_IN

if TYPE_CHECKING:
    from tests.unit.cli.conftest import Kadr

WEIGHTS = b"the weights of a small model"
CARD = """
name = "{name}"
version = 2
task = "a test"
engine = "onnx"
precision = "float32"
licence = "MIT"
file = "model.onnx"
preprocessing = {{ text = "none" }}

[[files]]
name = "model.onnx"
sha256 = "{sha256}"
size = {size}

[[source.packages]]
name = "small-model"
version = "1.0"
archive = "small_model-1.0-py3-none-any.whl"
sha256 = "{sha256}"

[[source.parts]]
file = "model.onnx"
package = "small-model"
member = "model.onnx"
sha256 = "{sha256}"
size = {size}
"""


@pytest.fixture
def own(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a card of the user's own, ``small``, whose weights are not there."""
    card = tmp_path / "own/small/model.toml"
    card.parent.mkdir(parents=True)
    sha256 = hashlib.sha256(WEIGHTS).hexdigest()
    card.write_text(CARD.format(name="small", sha256=sha256, size=len(WEIGHTS)))
    monkeypatch.setenv("KADR_MODELS", str(tmp_path / "own"))
    return tmp_path / "own"


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    """A folder with the model's file, as someone may hand it over."""
    (tmp_path / "stick").mkdir()
    (tmp_path / "stick/model.onnx").write_bytes(WEIGHTS)
    return tmp_path / "stick"


def listed(kadr: Kadr) -> dict[str, Any]:
    return {m["name"]: m for m in json.loads(kadr("models", "list", "--json").out)}


def test_the_list_has_every_card_with_its_users_and_place(kadr: Kadr, own: Path) -> None:
    found = listed(kadr)
    assert set(found) == {p.parent.name for p in BUILT_IN.glob("*/model.toml")} | {"small"}
    assert "voice" in found["silero_vad_16k"]["used_by"]
    assert found["silero_vad_16k"]["where"] == "in repository"
    assert found["silero_vad_16k"]["path"] == str(BUILT_IN / "silero_vad_16k/1")
    assert found["ppocr_v6_small_det"]["where"] == "installed package"
    assert found["whisper_base"]["where"] == "missing"
    assert found["small"]["size_bytes"] == len(WEIGHTS)


def test_the_table_says_the_same_and_how_to_get_what_is_missing(kadr: Kadr, own: Path) -> None:
    lines = kadr("models", "list").out.splitlines()
    voice = next(line for line in lines if line.startswith("silero_vad_16k"))
    assert "MIT" in voice
    assert "voice" in voice.partition("in repository")[2]
    assert lines[-1] == "To fetch what is missing: kadr models pull small whisper_base whisper_tiny_en"


def test_a_model_is_pulled_once(kadr: Kadr, own: Path, stick: Path, home: Path) -> None:
    first = kadr("models", "pull", "small", "--from", stick)
    assert first.err.splitlines() == ["small: fetching", f"small: 28 bytes in {home}/models/small/2"]
    assert (home / "models/small/2/model.onnx").read_bytes() == WEIGHTS
    assert listed(kadr)["small"]["where"] == "pulled"
    again = kadr("models", "pull", "small", "--from", "/nowhere")
    assert (again.code, again.err) == (0, "small: here\n")


def test_weights_that_come_with_kadr_need_no_pulling(kadr: Kadr, home: Path) -> None:
    assert (
        kadr("models", "pull", "nanodet", "ppocr_v6_small_det").err
        == "nanodet: here\nppocr_v6_small_det: here\n"
    )
    assert not home.exists() or not list(home.rglob("model.onnx"))


def test_a_damaged_file_is_named_and_pulled_again(kadr: Kadr, own: Path, stick: Path, home: Path) -> None:
    kadr("models", "pull", "small", "--from", stick)
    (home / "models/small/2/model.onnx").write_bytes(b"damaged")
    said = kadr("models", "check")
    assert said.code == 1
    assert f"{home}/models/small/2/model.onnx is not the file that the card of small names" in said.err
    assert "run `kadr models pull small`" in said.err
    wrong = [
        f["model"]
        for f in json.loads(kadr("models", "check", "--json").out)["files"]
        if f["state"] == "wrong"
    ]
    assert wrong == ["small"]
    assert kadr("models", "pull", "small", "--from", stick).code == 0
    assert kadr("models", "check", "small").code == 0


def test_a_missing_model_is_a_fault_only_when_asked_for(kadr: Kadr, own: Path) -> None:
    every = kadr("models", "check")
    assert every.code == 0
    assert "not here" in next(line for line in every.out.splitlines() if line.startswith("small"))
    asked = kadr("models", "check", "small")
    assert (asked.code, asked.err) == (1, "small: model.onnx is missing: run `kadr models pull small`\n")


def test_a_damaged_file_that_hides_the_pulled_one_is_an_error(kadr: Kadr, own: Path, stick: Path) -> None:
    (own / "small/2").mkdir()
    (own / "small/2/model.onnx").write_bytes(b"damaged")
    said = kadr("models", "pull", "small", "--from", stick)
    assert said.code == 1
    assert f"kadr: {own}/small/2/model.onnx is not the file" in said.err


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("pull", "smal"), 2, "no model is called 'smal' (did you mean 'small'?): there are cards for "),
        (("check", "zebra"), 2, "no model is called 'zebra': there are cards for "),
        (("pull", "small", "--from", "/nowhere"), 1, "small could not be fetched: /nowhere is not a folder"),
        (("pull", "--profile", "nice"), 2, "there is no profile 'nice': name one of fast, full, standard"),
        (("push",), 2, "No such command 'push'"),
    ],
)
def test_mistakes_are_explained(
    kadr: Kadr, own: Path, arguments: tuple[str, ...], code: int, text: str
) -> None:
    said = kadr("models", *arguments)
    assert (said.code, text in said.err) == (code, True), said.err


def test_a_folder_that_cannot_be_written_is_named(kadr: Kadr, own: Path, stick: Path, home: Path) -> None:
    home.write_text("a file where a folder should be")
    said = kadr("models", "pull", "small", "--from", stick)
    assert said.code == 1
    assert f"cannot write weights to {home}/models: Not a directory" in said.err
    assert "KADR_WEIGHTS" in said.err


def test_all_means_all_that_can_be_fetched(kadr: Kadr, own: Path, stick: Path) -> None:
    said = kadr("models", "pull", "--all", "--from", stick)
    assert said.code == 1
    assert said.err.splitlines()[1] == f"small: 28 bytes in {stick.parent}/home/models/small/2"
    assert "whisper_base could not be fetched" in said.err


def test_a_profile_asks_for_its_models(kadr: Kadr, tmp_path: Path, home: Path) -> None:
    profile = tmp_path / "mine.toml"
    profile.write_text('components = ["ocr", "voice"]')
    said = kadr("models", "pull", "--profile", profile)
    assert sorted(said.err.splitlines()) == [
        "ppocr_v6_small_det: here",
        "ppocr_v6_small_rec: here",
        "silero_vad_16k: here",
    ]


def test_certificates_that_are_not_there_are_named(
    kadr: Kadr, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KADR_CA_FILE", "/nosuch")
    said = kadr("models", "pull", "small")
    assert (said.code, "KADR_CA_FILE='/nosuch': there is no such file that can be read" in said.err) == (
        2,
        True,
    )
    assert "Traceback" not in said.err


def test_certificates_that_are_none_are_named(
    kadr: Kadr, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ca.pem").write_text("no certificates")
    monkeypatch.setenv("KADR_CA_FILE", str(tmp_path / "ca.pem"))
    said = kadr("models", "pull", "small", "--from", "https://127.0.0.1:1/")
    assert (said.code, "small could not be fetched: " in said.err) == (1, True)
    assert f"(certificates: {tmp_path / 'ca.pem'})" in said.err


def test_a_pip_that_does_not_answer_is_said_with_what_to_do(
    kadr: Kadr, own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inference.index.PIP_TIMEOUT_S", 0.001)
    said = kadr("models", "pull", "small")
    assert said.code == 1
    assert "pip did not say in 0.001 s which package index it uses" in said.err
    assert "--from" in said.err


@pytest.mark.parametrize("columns", [80, 60])
def test_a_narrow_terminal_gets_a_list_in_whole_words(
    columns: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    list_models.main([], standalone_mode=False)
    table, _, left_out = capsys.readouterr().out.partition("Left out, for the terminal is narrow: ")
    assert left_out.startswith("engine, version")
    lines = table.splitlines()[1:]  # the first is dim, by escapes
    assert max(map(len, lines)) <= columns
    words = set(table.split())
    assert {"whisper_base", "recognition,", "embedding", "repository"} <= words
    assert ("Apache-2.0" in words) == ("licence" not in left_out)
