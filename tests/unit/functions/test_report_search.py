"""The search of the report page: what it finds, what it marks, and how one walks through it."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.unit.functions.report_artifacts import captions, objects, speech
from tests.unit.functions.report_browser import IN_A_BROWSER, found, now, show
from tests.unit.functions.report_fixture import MemoryRun, complete

pytestmark = IN_A_BROWSER


def test_search_finds_speech_text_objects_and_phrases(browser: Browser, tmp_path: Path) -> None:
    page = show(browser, tmp_path, complete()).page
    page.keyboard.press("/")
    page.keyboard.type("HARBOUR lights")
    kinds = page.locator("#results h3").all_inner_texts()
    assert [k.split("\n")[0].rstrip("0123456789 ") for k in kinds] == [
        "Speech",
        "Key phrases",
        "On-screen text",
    ]
    assert page.locator("#results mark").first.inner_text() == "harbour lights"
    page.keyboard.press("Enter")
    assert now(page) == "0:27"
    page.locator("#query").fill("пристань")
    assert page.locator("#results .hit").count() == 5
    page.locator("#query").fill("zebra")
    assert "Nothing found for “zebra”" in page.locator("#results").inner_text()
    page.locator("#query").press("Escape")
    assert page.locator("#transcript").is_visible()
    page.close()


def spoken(sentences: list[str], duration_ms: int = 20_000) -> MemoryRun:
    """A run in which only these sentences are said, each once."""
    run = complete()
    said = speech(duration_ms, sentences)
    run.artifacts = {"probe": run.artifacts["probe"], "speech": said}
    return run


@pytest.mark.parametrize(
    ("said", "query", "marked"),
    [
        ("A café here", "CAFE", "A [café] here"),
        ("A cafe here", "café", "A [cafe] here"),
        ("A cafe\u0301 here", "cafe", "A [cafe\u0301] here"),
        ("Ещё ёлка", "елка", "Ещё [ёлка]"),
        ("Die Straße dort", "STRASSE", "Die [Straße] dort"),
        ("An o\ufb03ce there", "office", "An [o\ufb03ce] there"),
        ("So \U0001d41a\U0001d41b it", "ab", "So [\U0001d41a\U0001d41b] it"),
        ("He said: “don’t!” to", "don't", "He said: “[don’t]!” to"),
        ("Full\uff37idth text", "width", "Full[\uff37idth] text"),
        ("हिंदी की बात", "की", "हिंदी [की] बात"),
    ],
)
def test_search_folds_case_accents_and_forms(
    browser: Browser, tmp_path: Path, said: str, query: str, marked: str
) -> None:
    page = show(browser, tmp_path, spoken([said], 9_000)).page
    assert found(page, query)[0] == marked
    page.close()


def test_search_finds_phrases_over_the_ends_of_sentences(browser: Browser, tmp_path: Path) -> None:
    run = spoken(["We sailed at dawn.", "Nobody spoke,", "for hours. Dawn came"], 15_000)
    lines = [(0, 900, "The first cue ends"), (900, 1800, "in the second")]
    run.artifacts["captions"] = captions(lines)
    page = show(browser, tmp_path, run).page
    assert found(page, "dawn nobody") == ["We sailed at [dawn]. [Nobody] spoke,"]
    page.locator("#query").press("Enter")
    assert now(page) == "0:02"
    assert found(page, "at dawn nobody spoke for") == [
        "We sailed [at dawn]. [Nobody spoke], [for] hours. Dawn came"
    ]
    assert found(page, "ends in the") == ["The first cue [ends] [in the] second"]
    assert found(page, "sailed dawn") == ["We [sailed] at [dawn]."]
    assert found(page, '"sailed dawn"') == []
    assert found(page, '"at dawn"') == ["We sailed [at dawn]."]
    page.close()


def test_words_that_join_are_found_over_the_ends_of_sentences(browser: Browser, tmp_path: Path) -> None:
    page = show(browser, tmp_path, spoken(["今日は", "いい天気"], 12_000)).page
    assert found(page, "はいい") == ["今日[はいい]天気"]
    page.close()


def test_names_of_things_do_not_run_on(browser: Browser, tmp_path: Path) -> None:
    run = spoken(["Nothing of that"], 9_000)
    run.artifacts["objects"] = objects(30_000, ["boat", "dog"])
    page = show(browser, tmp_path, run).page
    assert found(page, "boat dog") == []
    assert set(found(page, "boat")) == {"[boat]"}
    page.close()


EVERYTHING = [
    ("music", "Sounds", "[music]", "0:27"),
    ("happy", "Faces", "face, [happy]", "0:02"),
    ("faces", "Faces", "face, happy", "0:02"),
    ("S2", "Speakers", "Speaker [S2]", "0:11"),
    ("schooner", "Tags", "[schooner]", "0:30"),
    ("sexy", "Moderation", "[Sexy]", "0:50"),
    ("blur", "Picture quality", "[blur]", "0:30"),
    ("silence", "Loudness", "[silence]", "0:09"),
    ("the quay", "Chapters", "[The quay]", "0:00"),
    ("scene 2", "Scenes", "[Scene 2]", "0:14"),
    ("shot 2", "Shots", "[Shot 2]", "0:03"),
    ("from the file", "Captions", "[From the file]", "0:40"),
]


def test_every_kind_of_thing_is_found_and_sought(browser: Browser, tmp_path: Path) -> None:
    run = complete()
    run.artifacts["captions"] = captions([(40_000, 41_000, "From the file")])
    page = show(browser, tmp_path, run).page
    for query, kind, first, at in EVERYTHING:
        assert first in found(page, query), query
        hits = page.locator("#results > div", has=page.locator("h3", has_text=kind)).locator(".hit")
        hits.first.click()
        assert now(page) == at, query
    page.close()


def test_results_can_be_walked_by_keys(browser: Browser, tmp_path: Path) -> None:
    page = show(browser, tmp_path, complete()).page
    page.keyboard.press("/")
    page.keyboard.type("wisdom")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement === document.querySelector('#results .hit')")
    page.keyboard.press("Enter")
    assert now(page) != "0:00"
    page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.id") == "query"
    page.keyboard.press("Escape")
    assert page.locator("#transcript").is_visible()
    page.close()
