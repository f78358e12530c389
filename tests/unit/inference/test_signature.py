"""What changes a model's signature, and what does not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from kadr.contracts.model import ModelCard, model_signature

digests = st.text("0123456789abcdef", min_size=64, max_size=64)
file_names = st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,12}", fullmatch=True)


def a_card(**changes: Any) -> dict[str, Any]:
    files = [
        {"name": "model.onnx", "sha256": "a" * 64, "size": 1},
        {"name": "t.json", "sha256": "b" * 64, "size": 2},
    ]
    return {
        "name": "m",
        "version": 1,
        "task": "t",
        "engine": "onnx",
        "precision": "float32",
        "licence": "MIT",
        "file": "model.onnx",
        "files": files,
        "preprocessing": {"text": "none"},
        **changes,
    }


def signature(**changes: Any) -> str:
    return model_signature(ModelCard.model_validate(a_card(**changes)))


def test_the_signature_is_pinned() -> None:
    assert signature() == "6ee13e51de85c277dc1cc7ea8d2b5478eed48f7357906557d9349f58dca88f70"


@given(st.lists(file_names, min_size=2, max_size=2, unique=True), st.text(), file_names, st.booleans())
def test_moving_weights_keeps_the_signature(names: list[str], text: str, package: str, swapped: bool) -> None:
    files = [{"name": n, "sha256": s * 64, "size": z} for n, s, z in zip(names, "ab", (1, 2), strict=True)]
    packages = [{"name": package, "version": "9", "archive": f"{package}.whl", "sha256": "c" * 64}]
    parts = [{"file": names[0], "package": package, "member": text, "sha256": "a" * 64, "size": 1}]
    source = {"packages": packages, "parts": parts, "text": text}
    moved = signature(file=names[0], files=files[:: -1 if swapped else 1], source=source)
    assert moved == signature()


@given(digests.filter(lambda d: d != "a" * 64), st.integers(0, 1))
def test_another_weight_gives_another_signature(digest: str, which: int) -> None:
    files = a_card()["files"]
    files[which] = {**files[which], "sha256": digest}
    assert signature(files=files) != signature()


CHANGES = {
    "version": st.integers(2, 99),
    "engine": st.sampled_from(["ctranslate2", "triton"]),
    "precision": st.text(min_size=1).filter(lambda p: p != "float32"),
    "batch": st.builds(dict, max=st.integers(2, 64)),
    "labels": st.lists(st.text(), min_size=1),
    "preprocessing": st.builds(dict, text=st.just("none"), mean=st.lists(st.floats(0, 255), min_size=1)),
}


@given(st.data())
def test_every_fact_of_the_card_is_signed(data: st.DataObject) -> None:
    field = data.draw(st.sampled_from(sorted(CHANGES)))
    assert signature(**{field: data.draw(CHANGES[field])}) != signature()


@given(st.permutations(sorted(a_card())))
def test_order_and_spelt_out_defaults_do_not_count(order: list[str]) -> None:
    card = a_card(batch={"max": 1, "padding_changes_values": False}, notes="")
    assert model_signature(ModelCard.model_validate({k: card[k] for k in order} | card)) == signature()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 0}, "greater than or equal to 1"),
        ({"file": "other.onnx"}, "'other.onnx' is not among files"),
        ({"labels": ["a"], "labels_file": "t.json"}, "keep one"),
        ({"files": [{"name": "../model.onnx", "sha256": "a" * 64, "size": 1}]}, "files.0.name"),
        ({"files": [{"name": "model.onnx", "sha256": "A" * 64, "size": 1}]}, "files.0.sha256"),
        ({"preprocessing": {"text": "", "mean": [float("nan")]}}, "finite"),
        ({"colour": "RGB"}, "Extra inputs"),
        (
            {
                "source": {
                    "packages": [{"name": "p", "version": "1"}],
                    "parts": [
                        {"file": "t.json", "package": "p", "member": "x", "sha256": "b" * 64, "size": 2}
                    ],
                }
            },
            "needs archive and sha256",
        ),
        (
            {
                "source": {
                    "parts": [
                        {"file": "t.json", "package": "p", "member": "x", "sha256": "b" * 64, "size": 2}
                    ]
                }
            },
            "a package of",
        ),
    ],
)
def test_a_card_that_makes_no_sense_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        ModelCard.model_validate(a_card(**changes))
