from __future__ import annotations

import re

import numpy as np
import pytest

from functions.passages.component import CAPTION, PASSAGES, SPEECH, TEXT, PassageParams, passages
from functions.passages.embedding import Embedder
from functions.passages.language import Languages
from inference.registry import Registry
from kadr.contracts.artifact import Artifact
from kadr.contracts.keys import array_digest
from kadr.contracts.model import Models


@pytest.fixture(scope="module")
def models() -> Models:
    return Registry().models(["minilm_l6_v2"], threads=2)


@pytest.fixture(scope="module")
def languages() -> Languages:
    return Languages(min_letters=20)


def run(
    models: Models,
    speech: Artifact | None = None,
    ocr: Artifact | None = None,
    speakers: Artifact | None = None,
    captions: Artifact | None = None,
    params: PassageParams | None = None,
) -> Artifact:
    return PASSAGES.checked(passages(speech, ocr, speakers, captions, params or PassageParams(), models))


def said(text: str, language: str = "en", pauses: dict[int, int] | None = None) -> Artifact:
    """Speech of 250 ms words, 50 ms apart; ``pauses``: {word: ms of silence before it}."""
    words = text.split()
    gaps = np.array([50 + (pauses or {}).get(i, 0) for i in range(len(words))])
    start = np.cumsum(gaps + 250) - 250
    arrays: dict[str, np.ndarray] = {
        "segment_start_ms": start[:1],
        "segment_end_ms": start[-1:] + 250,
        "segment_first_word": np.array([0, len(words)]),
        "word_start_ms": start,
        "word_end_ms": start + 250,
    }
    return Artifact(
        arrays, {"language": language, "languages": [language], "segments": [text], "words": words}
    )


def shown(*tracks: tuple[int, int, str, int, int, int]) -> Artifact:
    """Text tracks: (start, end, text, x, y, height)."""
    corners = [(0, 0), (1, 0), (1, 1), (0, 1)]
    boxes = [[[x + 200 * right, y + h * down] for right, down in corners] for _, _, _, x, y, h in tracks]
    arrays: dict[str, np.ndarray] = {
        "track_start_ms": np.array([t[0] for t in tracks], dtype=np.int64),
        "track_end_ms": np.array([t[1] for t in tracks], dtype=np.int64),
        "track_box": np.array(boxes, dtype=np.float32).reshape(-1, 4, 2),
    }
    return Artifact(arrays, {"tracks": [t[2] for t in tracks]})


def test_nothing_to_read_is_an_empty_result(models: Models) -> None:
    silent: dict[str, np.ndarray] = {
        "segment_start_ms": np.zeros(0, np.int64),
        "segment_end_ms": np.zeros(0, np.int64),
        "segment_first_word": np.zeros(1, np.int32),
        "word_start_ms": np.zeros(0, np.int64),
        "word_end_ms": np.zeros(0, np.int64),
    }
    caption_times: dict[str, np.ndarray] = {
        "start_ms": np.zeros(0, np.int64),
        "end_ms": np.zeros(0, np.int64),
    }
    for found in (
        run(models),
        run(models, Artifact(silent, {"absent": "no_audio"}), shown(), None, Artifact(caption_times, {})),
    ):
        assert found["start_ms"].size == 0
        assert found["embedding"].shape == (0, 384)
        assert found.payload["texts"] == found.payload["keywords"] == []
        assert found.payload["language"] is None


def test_sentences_end_at_full_stops_but_not_after_titles_and_initials(models: Models) -> None:
    text = 'Good morning, Dr. Smith. I met J. Doe, i.e. the other one. "Really?" Yes!'
    found = run(models, said(text))
    assert found.payload["texts"] == [
        "Good morning, Dr. Smith.",
        "I met J. Doe, i.e. the other one.",
        '"Really?"',
        "Yes!",
    ]
    assert (found["start_ms"][0], found["end_ms"][0]) == (50, 1200)
    assert found["kind"].tolist() == [SPEECH] * 4


def test_sentences_end_at_pauses_and_at_the_longest_length(models: Models) -> None:
    found = run(
        models, said("one two three four five six", pauses={2: 1500}), params=PassageParams(max_words=3)
    )
    assert found.payload["texts"] == ["one two", "three four five", "six"]


def test_speakers_are_kept_apart_and_a_gap_is_the_last_speakers(models: Models) -> None:
    speech = said("are you there yes I am")
    speakers = Artifact({"word_speaker": np.array([0, 0, -1, 1, 1, 1])}, {"speakers": ["S1", "S2"]})
    found = run(models, speech, speakers=speakers)
    assert found.payload["texts"] == ["are you there", "yes I am"]
    assert found["speaker"].tolist() == [0, 1]
    assert run(models, speech, speakers=Artifact({"word_speaker": np.zeros(0, np.int32)})).payload[
        "texts"
    ] == ["are you there yes I am"]


def test_speech_without_words_keeps_its_segments(models: Models) -> None:
    speech = said("A whole segment. In two sentences.")
    empty: dict[str, np.ndarray] = {name: np.zeros(0, np.int64) for name in ("word_start_ms", "word_end_ms")}
    segments = Artifact({**speech.arrays, **empty}, {**speech.payload, "words": []})
    assert run(models, segments).payload["texts"] == ["A whole segment. In two sentences."]


def test_words_with_their_own_spaces_and_languages_without_any(models: Models) -> None:
    spaced = said("Don 't stop")
    spaced = Artifact(spaced.arrays, {**spaced.payload, "words": [" Don", "'t", " stop"]})
    assert run(models, spaced).payload["texts"] == ["Don't stop"]
    chinese = run(models, said("今天 天气 很好。 我们 走 吧。", language="zh"))
    assert chinese.payload["texts"] == ["今天天气很好。", "我们走吧。"]
    assert chinese.payload["keywords"] == []


def test_lines_that_come_and_go_together_are_one_block(models: Models) -> None:
    ocr = shown(
        (0, 5000, "and a second line", 100, 150, 30),
        (0, 5000, "A heading of two words,", 100, 110, 30),
        (0, 5000, "far below", 100, 600, 30),
        (2000, 9000, "A later line", 100, 190, 30),
    )
    found = run(models, ocr=ocr)
    assert sorted(found.payload["texts"]) == [
        "A heading of two words, and a second line",
        "A later line",
        "far below",
    ]
    assert found["kind"].tolist() == [TEXT] * 3
    assert found["start_ms"].tolist() == [0, 0, 2000]


def test_everything_is_in_order_of_time(models: Models) -> None:
    captions = Artifact(
        {"start_ms": np.array([0, 3000]), "end_ms": np.array([1000, 4000])},
        {"text": ["First\ncue", "Last cue"]},
    )
    found = run(models, said("Second."), shown((2000, 2500, "Third", 0, 0, 20)), captions=captions)
    assert found.payload["texts"] == ["First cue", "Second.", "Third", "Last cue"]
    assert found["kind"].tolist() == [CAPTION, SPEECH, TEXT, CAPTION]


def test_languages_and_sentiment_are_told_or_honestly_not(models: Models) -> None:
    ocr = shown(
        (0, 1000, "What a wonderful and happy day this has been", 0, 0, 20),
        (2000, 3000, "This is a terrible, horrible disaster for everybody", 0, 0, 20),
        (4000, 5000, "Das Wetter in den Bergen bleibt heute unbeständig", 0, 0, 20),
        (6000, 7000, "Überraschung", 0, 0, 20),
    )
    found = run(models, said("Das ist ein Satz.", "de"), ocr)
    text = found["kind"] == TEXT
    assert [found.payload["languages"][i] for i in np.flatnonzero(text)] == ["en", "en", "de", "de"]
    assert [found.payload["sentiment_known"][i] for i in np.flatnonzero(text)] == [True, True, False, False]
    glad, sad, *unknown = found["sentiment"][text].tolist()
    assert glad > 0.5 > -0.5 > sad
    assert unknown == [0, 0]
    assert found.payload["language"] == "de"


def test_an_unsure_language_is_the_one_given(languages: Languages) -> None:
    assert languages.of("OK", "ru") == "ru"
    assert languages.of("12:30 – 45 %", None) is None
    assert languages.of("Filmed by Wolfgang Langer", None) is None


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "Hubble deep field, 23 days of light"),
        ("es", "Tercera parte: una novela de Jane Austen"),
        ("fr", "Merci de votre attention"),
        ("ru", "Привет всем друзьям сегодня"),
        ("zh", "感谢您观看这个视频节目"),
        ("sv", "Tack för att du tittade på filmen"),
    ],
)
def test_short_texts_have_a_language(languages: Languages, language: str, text: str) -> None:
    assert languages.of(text, "de") == language


def test_embeddings_are_near_for_near_meanings(models: Models) -> None:
    found = run(
        models, said("The cat sleeps on the sofa. A kitten naps on the couch. Stock prices fell sharply.")
    )
    vectors = found["embedding"].astype(np.float32)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=2e-3)
    assert vectors[0] @ vectors[1] > 0.5 > 0.2 > vectors[0] @ vectors[2]


def test_a_sentence_has_one_embedding_whatever_stands_beside_it(models: Models) -> None:
    embedder = Embedder(models)
    texts = [
        "A short one.",
        "A sentence that is a good deal longer than the first.",
        "Another one.",
        "A short one.",
    ]
    together = embedder.embed(texts)
    alone = np.concatenate([embedder.embed([text]) for text in texts])
    assert np.abs(together - alone).max() < 1e-5
    assert np.array_equal(together[0], together[3])
    assert embedder.embed(["word " * 1000]).shape == (1, 384)


def test_keywords_name_the_subject_and_where_it_is_said(models: Models) -> None:
    text = (
        "Solar panels turn sunlight into electricity. A solar panel lasts for decades. "
        "We should talk about the weather. Solar panels need little care. The battery stores electricity overnight."
    )
    found = run(models, said(text), params=PassageParams(keywords=5))
    keywords = found.payload["keywords"]
    assert len(keywords) == 5
    assert [k["score"] for k in keywords] == sorted((k["score"] for k in keywords), reverse=True)
    assert any("solar panel" in k["text"] for k in keywords[:2])
    assert not {"the", "we", "about"} & {word for k in keywords for word in k["text"].split()}
    spans = {k["text"]: k["spans"] for k in keywords}
    times = list(zip(found["start_ms"].tolist(), found["end_ms"].tolist(), strict=True))
    for phrase, where in spans.items():
        holds = [phrase in re.sub(r"\W+", " ", sentence.casefold()) for sentence in found.payload["texts"]]
        assert [list(t) for t, held in zip(times, holds, strict=True) if held] == where
    assert run(models, said(text), params=PassageParams(keywords=0)).payload["keywords"] == []


def test_the_same_input_gives_the_same_bytes(models: Models) -> None:
    one, two = (run(models, said("Twice the same. Exactly the same.")) for _ in range(2))
    assert one.payload == two.payload
    assert all(array_digest(one[name]) == array_digest(two[name]) for name in PASSAGES.arrays)
