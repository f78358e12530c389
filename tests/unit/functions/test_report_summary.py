"""The first sentences of a report name what is clear; its lists hold the rest as well."""

from __future__ import annotations

import pytest

from functions.report.build import build
from functions.report.sources import Sources
from kadr.contracts.artifact import Artifact
from tests.unit.functions.report_artifacts import f32, i32, i64, ocr, spans
from tests.unit.functions.report_fixture import MemoryRun, complete


def shown_words(score: float) -> MemoryRun:
    """Key phrases of which one is said, and two are only shown, by texts that were read with ``score``."""
    run = complete()
    run.artifacts["ocr"] = ocr(9_000, ["SUMER SALE", "HARBOUR"], score)
    keywords = [
        {"text": "sumer sale", "score": 0.9, "spans": [[500, 3500]]},
        {"text": "harbour", "score": 0.8, "spans": [[5000, 8000]]},
        {"text": "wisdom", "score": 0.7, "spans": [[10_000, 12_000]]},
    ]
    arrays = {**spans("", [(500, 3500), (5000, 8000), (10_000, 12_000)]), "kind": i32([1, 1, 0])}
    passages = {"texts": ["SUMER SALE", "HARBOUR", "It was the age of wisdom"], "languages": ["en"] * 3}
    payload = {**passages, "keywords": keywords, "kinds": ["speech", "text"]}
    rest = {"speaker": i32([-1] * 3), "sentiment": f32([0] * 3)}
    run.artifacts["passages"] = Artifact({**arrays, **rest}, payload)
    return run


def account(run: MemoryRun) -> str:
    return " ".join(sentence.text for sentence in build(Sources(run)).summary)


def test_words_that_were_hardly_read_are_not_named_first() -> None:
    assert "Key phrases are sumer sale, harbour and wisdom." in account(shown_words(0.97))
    doubtful = account(shown_words(0.9))
    assert "Key phrases are wisdom." in doubtful
    assert "2 texts on screen, none of them read clearly." in doubtful
    assert [k.text for k in build(Sources(shown_words(0.9))).keywords] == ["sumer sale", "harbour", "wisdom"]


@pytest.mark.parametrize(
    ("scores", "says"),
    [
        ({"person": 0.7, "airplane": 0.4}, "Surely seen longest: person (2 s); 1 more kind perhaps."),
        ({"person": 0.7, "airplane": 0.6}, "Surely seen longest: airplane (2 s), person (2 s)."),
        ({"airplane": 0.4}, "No object is recognised clearly, 1 kind perhaps."),
    ],
)
def test_things_that_were_hardly_recognised_are_not_named_first(scores: dict[str, float], says: str) -> None:
    run, n = complete(), len(scores)
    tracks = {
        **spans("track_", [(3000 * i, 3000 * i + 2000) for i in range(n)]),
        "track_label": i32(range(n)),
    }
    none = {"det_track": i32([]), "det_score": f32([]), "det_t_ms": i64([]), "det_box": f32([])}
    arrays = {**none, **tracks, "track_score": f32(scores.values())}
    run.artifacts["objects"] = Artifact(arrays, {"labels": list(scores)})
    assert says in account(run)
    assert len(build(Sources(run)).objects) == n
