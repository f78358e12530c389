"""What is said comes out as words with times, in the language it was said in, and nothing comes of silence."""

from __future__ import annotations

from itertools import pairwise

import jiwer
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.speech.chunk import unwritten
from functions.speech.component import SPEECH, SpeechParams, merge_speech, speech
from functions.speech.languages import in_one_language
from functions.speech.listener import Heard, hear, most_said, told
from functions.speech.windows import WINDOW_MS, Window, windows
from functions.speech.words import Segment, Word, arrays_of, in_order, without_loops
from kadr.contracts.artifact import Artifact
from kadr.contracts.component import Part
from kadr.contracts.media import ChunkSpan
from tests.unit.functions.audio import MemoryAudio, clip, noise, silence
from tests.unit.functions.models import models

TWO_CITIES = "it was the best of times it was the worst of times it was the age of wisdom it was the age of foolishness"
PERSUASION = "la sorpresa y el disgusto que produjo"
READING = [(1116, 4740), (4924, 6404), (6588, 8356)]


def voiced(spans: list[tuple[int, int]]) -> Artifact:
    edges = np.array(spans, dtype=np.int64).reshape(-1, 2)
    return Artifact({"start_ms": edges[:, 0], "end_ms": edges[:, 1]})


def said(samples: np.ndarray, spans: list[tuple[int, int]], start_ms: int = 0, **params: object) -> Artifact:
    given_params = SpeechParams.model_validate(params)
    audio = MemoryAudio(samples, start_ms)
    chunk = ChunkSpan(start_ms, audio.end_ms)
    later = [(start + start_ms, end + start_ms) for start, end in spans]
    made = speech(audio, voiced(later), given_params, models(given_params.model), chunk)
    return SPEECH.checked(made)


def plain(text: str) -> str:
    return " ".join("".join(c if c.isalpha() else " " for c in text.casefold()).split())


def test_reads_a_reading_with_times_on_the_timeline() -> None:
    result = said(clip("two_cities.flac"), READING, start_ms=60_000)
    assert jiwer.wer(TWO_CITIES, plain("".join(result.payload["words"]))) <= 0.05
    assert result.payload["language"] == "en"
    start, end = result["word_start_ms"], result["word_end_ms"]
    assert np.all(start < end)
    assert np.all(end[:-1] <= start[1:])
    assert start[0] == pytest.approx(61_116, abs=300)
    worst = result.payload["words"].index(" worst")
    assert start[worst] == pytest.approx(63_376, abs=300)
    assert result["segment_first_word"].tolist()[-1] == len(start)


def test_each_language_is_kept_when_it_changes() -> None:
    samples = np.concatenate([clip("wizard.flac"), silence(1500), clip("persuasion.opus")])
    result = said(samples, [(200, 4800), (6500, 10_900), (11_200, 16_700)])
    assert set(result.payload["languages"]) == {"en", "es"}
    by_language = dict.fromkeys(("en", "es"), "")
    for language, text in zip(result.payload["languages"], result.payload["segments"], strict=True):
        by_language[language] += " " + text
    assert "complaint against the wizard" in plain(by_language["en"])
    assert PERSUASION in plain(by_language["es"])


def in_turn() -> tuple[np.ndarray, list[tuple[int, int]]]:
    """English and Spanish, a second of silence between, all in one window: sound and voice."""
    clips = [(clip("wizard.flac"), [(200, 4800)]), (clip("persuasion.opus")[: 16 * 4700], [(0, 4600)])] * 2
    pieces: list[np.ndarray] = []
    spans = []
    at = 0
    for samples, voice in clips:
        spans += [(at + a, at + b) for a, b in voice]
        pieces += [samples, silence(1000)]
        at += len(samples) // 16 + 1000
    return np.concatenate(pieces), spans


def test_a_window_ends_where_the_language_changes() -> None:
    samples, spans = in_turn()
    assert len(windows(spans, (0, len(samples) // 16))) == 1
    result = said(samples, spans)
    assert result.payload["languages"] == ["en", "es", "en", "es"]
    english = plain(" ".join(result.payload["segments"][::2]))
    assert english.count("complaint against the wizard") == 2
    assert plain(" ".join(result.payload["segments"][1::2])).count(PERSUASION) == 2


def test_one_language_is_heard_once() -> None:
    """What costs nothing where the language stays is worth having: the window is the same, and nothing was encoded again."""
    samples = np.concatenate([clip("wizard.flac"), silence(1000), clip("two_cities.flac")])
    [window] = windows([(200, 4800), (7300, 14_000)], (0, len(samples) // 16))
    native = models("whisper_base")["whisper_base"].native
    audio = MemoryAudio(samples)
    heard = hear(native, window.samples(audio), None)
    assert len(window.pieces) == 2
    [(same, as_heard)] = in_one_language(native, audio, window, heard, "en")
    assert same is window
    assert as_heard is heard


def test_vocabulary_and_language_are_heeded() -> None:
    told = said(clip("wizard.flac"), [(200, 4800)], language="en", vocabulary=("Who had vanished",))
    assert "vanished" in plain(" ".join(told.payload["segments"]))
    assert told.payload["language_score"] == 1.0


def test_nothing_is_said_where_no_voice_is() -> None:
    result = said(clip("two_cities.flac"), [])
    assert result.payload["segments"] == []
    assert result.payload["language"] is None
    assert result["segment_first_word"].tolist() == [0]


def test_noise_taken_for_voice_says_nothing() -> None:
    assert said(noise(8000), [(500, 7500)]).payload["words"] == []


def words(*texts: str, at: int = 0) -> tuple[Word, ...]:
    return tuple(Word(f" {t}", at + 100 * i, at + 100 * i + 90, 0.9) for i, t in enumerate(texts))


def part(start_ms: int, language: str, *texts: str) -> Part:
    found = [Segment(words(*texts, at=start_ms), 0.9, 0.1, language, 0.8)]
    lists = {
        "languages": [language],
        "language_scores": [0.8],
        "segments": [found[0].text],
        "words": [w.text for w in found[0].words],
    }
    return Part(ChunkSpan(start_ms, start_ms + 10_000), Artifact(arrays_of(found), lists))


def test_merge_joins_chunks_and_names_the_language_of_most() -> None:
    merged = SPEECH.checked(
        merge_speech([part(0, "en", "one"), part(10_000, "es", "dos", "tres"), part(20_000, "es", "y")])
    )
    assert merged.payload["segments"] == ["one", "dos tres", "y"]
    assert merged["segment_first_word"].tolist() == [0, 1, 3, 4]
    assert merged.payload["languages"] == ["en", "es", "es"]
    assert (merged.payload["language"], merged.payload["language_score"]) == ("es", 0.8)
    assert np.all(np.diff(merged["word_start_ms"]) > 0)


def test_loops_are_said_once_and_emphasis_stays() -> None:
    looped = words("thank", "you", *("so", "much") * 5, "bye")
    assert [w.text for w in without_loops(looped)] == [" thank", " you", " so", " much", " bye"]
    assert len(without_loops(words("no", "no", "never", "no", "no"))) == 5


def test_words_never_overlap_however_they_were_aligned() -> None:
    tangled = Segment((Word("a", 100, 400, 1), Word("b", 300, 310, 1), Word("c", 290, 300, 1)), 1, 0, "en", 1)
    [ordered] = in_order([tangled])
    assert [(w.start_ms, w.end_ms) for w in ordered.words] == [(100, 400), (400, 410), (410, 420)]


def test_voice_without_words_is_heard_again() -> None:
    found = [Segment(words("a", "b", at=1000), 1, 0, "en", 1)]
    assert unwritten([(1000, 1200), (5000, 5900), (7000, 9000)], found) == [(7000, 9000)]


def test_an_unsure_window_takes_the_language_of_the_others() -> None:
    sure = Heard(np.zeros(0), None, {"en": 0.9, "cy": 0.1})
    other = Heard(np.zeros(0), None, {"es": 0.8, "en": 0.02})
    unsure = Heard(np.zeros(0), None, {"cy": 0.3, "en": 0.25, "ja": 0.2})
    heard = [sure, other, unsure]
    most = most_said(heard, [20, 10, 1])
    assert [told(one, most)[0] for one in heard] == ["en", "es", "en"]


def test_a_likely_mistake_is_no_change_of_language() -> None:
    """Spanish that is taken for Italian among much Spanish is Spanish; a sentence that is surely English is not."""
    spanish, mistaken, quoted = (
        Heard(np.zeros(0), None, shares)
        for shares in ({"es": 0.95, "it": 0.01}, {"it": 0.8, "es": 0.15}, {"en": 0.97, "es": 0.01})
    )
    most = most_said([spanish, mistaken, quoted], [400, 10, 3])
    assert [told(one, most)[0] for one in (spanish, mistaken, quoted)] == ["es", "es", "en"]


spans = st.lists(st.tuples(st.integers(1, 40_000), st.integers(1, 20_000)), min_size=1, max_size=30)


@given(spans)
def test_windows_hold_all_speech_in_order_and_know_the_way_back(durations: list[tuple[int, int]]) -> None:
    speech_spans, at = [], 0
    for voice_ms, pause_ms in durations:
        speech_spans.append((at + pause_ms, at + pause_ms + voice_ms))
        at += pause_ms + voice_ms
    made = windows(speech_spans, (0, at))
    pieces = [piece for window in made for piece in window.pieces]
    assert all(a[1] <= b[0] for a, b in pairwise(pieces))
    assert all(any(p[0] <= s[0] and s[1] <= p[1] for p in pieces) for s in speech_spans)
    assert all(w.duration_ms <= WINDOW_MS or len(w.pieces) == 1 for w in made)


def test_times_of_a_window_lead_back_to_the_timeline() -> None:
    window = Window(((1000, 2000), (9000, 10_000)))
    assert window.span(0, 500) == (1000, 1500)
    assert window.span(1200, 1500) == (9200, 9500)
    assert window.span(900, 1600) == (9000, 9600)
    assert window.span(1990, 2500) == (9990, 10_000)
