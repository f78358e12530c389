"""The report page in a real browser: it is quiet, still, safe, and does what people do with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser

from kadr.contracts.artifact import Artifact
from tests.unit.functions.report_artifacts import captions, probe, speech
from tests.unit.functions.report_browser import IN_A_BROWSER, found, now, press, show, small_film, until
from tests.unit.functions.report_fixture import (
    HOSTILE,
    STAGES,
    added,
    complete,
    cut_off,
    empty,
    hostile,
    joined,
    long,
    part,
    partial,
    sightless,
    silent,
    unreadable,
)

pytestmark = IN_A_BROWSER
WIDTHS = (390, 1440)
WHOLE = (complete, partial, silent, sightless, empty, hostile)
RUNS = {f.__name__: f for f in (*WHOLE, part, added)} | {"unreadable": lambda: unreadable(HOSTILE)}


@pytest.mark.parametrize("name", RUNS)
def test_opens_quietly_and_fits(browser: Browser, tmp_path: Path, name: str) -> None:
    opened = show(browser, tmp_path, RUNS[name](), WIDTHS[0])
    assert opened.page.locator("#making tbody tr").count() >= 8
    for width in WIDTHS:
        opened.page.set_viewport_size({"width": width, "height": 860})
        assert opened.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), width
    assert opened.complaints == []
    outside = [u for u in opened.requests if not u.startswith(("data:", "blob:"))]
    assert outside == [(tmp_path / "report.html").as_uri()]
    opened.page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_have_enough_contrast(browser: Browser, tmp_path: Path, scheme: str) -> None:
    """WCAG 2.2, 1.4.3: 4.5 : 1, on paper, raised and sunk ground."""
    page = show(browser, tmp_path, partial()).page
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    assert page.evaluate(LOW_CONTRAST) == []
    page.close()


LOW_CONTRAST = """() => {
  const spot = document.body.appendChild(document.createElement('i'));
  const light = (name) => {
    spot.style.color = `var(${name})`;
    const [r, g, b] = getComputedStyle(spot).color.match(/[\\d.]+/g).map((v) => v / 255)
      .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const voices = [...'12345678'].map((n) => `--voice-${n}`);
  const texts = ['--ink', '--soft', '--faint', '--accent', '--warn', '--bad', '--good', ...voices];
  const poor = [];
  for (const text of texts) for (const ground of ['--paper', '--raised', '--sunk']) {
    const [a, b] = [light(text), light(ground)].sort((x, y) => y - x);
    if ((a + 0.05) / (b + 0.05) < 4.5) poor.push(`${text} on ${ground}: ${((a + 0.05) / (b + 0.05)).toFixed(2)}`);
  }
  return poor;
}"""


def test_a_click_on_a_word_seeks_and_marks_it(browser: Browser, tmp_path: Path) -> None:
    page = show(browser, tmp_path, complete()).page
    word = page.locator(".w", has_text="lighthouse").first
    word.click()
    assert now(page) == "0:15"
    assert "on" in (word.get_attribute("class") or "").split()
    page.close()


def test_the_video_itself_is_sought_and_played(browser: Browser, tmp_path: Path) -> None:
    opened = show(browser, tmp_path, complete(12_000), film=True)
    page = opened.page
    until(page, "document.getElementById('video').readyState >= 2")
    page.locator(".card").nth(1).click()
    until(page, "Math.abs(document.getElementById('video').currentTime - 3.7) < 0.2")
    until(page, "document.getElementById('still').hidden")
    page.keyboard.press("c")
    assert page.evaluate("document.getElementById('video').textTracks[0].mode") == "showing"
    assert page.evaluate("document.getElementById('video').textTracks[0].cues.length") > 0
    page.locator("#stage").click()
    until(page, "document.getElementById('video').currentTime > 4")
    assert opened.complaints == []
    page.close()


def test_without_its_video_the_page_shows_stored_pictures(browser: Browser, tmp_path: Path) -> None:
    page = show(browser, tmp_path, complete()).page
    assert "does not know where the video is" in page.locator("#fallback").inner_text()
    before = page.locator("#still").get_attribute("src")
    page.locator("#scrub").fill("60000")
    assert now(page) == "1:00"
    assert page.locator("#still").get_attribute("src") != before
    page.locator("#play").click()
    until(page, "document.getElementById('now').textContent !== '1:00'")
    small_film(tmp_path / "chosen.webm", seconds=2)
    page.locator("#file").set_input_files(tmp_path / "chosen.webm")
    until(page, "document.getElementById('fallback').hidden")
    page.close()


def test_a_failed_run_begins_with_a_plain_sentence(browser: Browser, tmp_path: Path) -> None:
    message = "This is text, not a video: check that the right file was given"
    page = show(browser, tmp_path, unreadable(message)).page
    first = page.locator("main").inner_text().split("\n")[0]
    assert (
        first
        == "This is text, not a video, so nothing could be analysed. Check that the right file was given."
    )
    assert not any(f" {name} " in f" {first} " for name in STAGES)
    assert page.locator("#status").inner_text() == "Failed"
    assert not page.locator("#timeline").is_visible()
    assert not page.locator("#video").is_visible()
    lost, made = page.locator("#lost").inner_text(), page.locator("#making tbody").inner_text()
    assert "needs probe, which failed" in lost
    assert "Blocked" in lost
    assert "blocked" in made
    assert "Waiting" not in lost
    assert "--profile full" not in lost
    page.close()


def test_a_partial_run_begins_with_what_it_lacks(browser: Browser, tmp_path: Path) -> None:
    page = show(browser, tmp_path, partial()).page
    first = page.locator(".first.problem")
    assert first.bounding_box()["y"] < page.locator("#summary").bounding_box()["y"]  # type: ignore[index]
    assert "lacks speakers, on-screen text, key phrases and objects at 0:23–0:46" in first.inner_text()
    assert "kadr models pull" in first.locator("code").all_inner_texts()
    assert page.locator("#lost b").all_inner_texts()[0] == "Speakers"
    page.close()


def test_a_part_is_shown_as_a_part(browser: Browser, tmp_path: Path) -> None:
    page = show(browser, tmp_path, part(), film=True).page
    assert "covers only 0:20–0:50 of 1:32" in page.locator(".first.part").inner_text()
    facts = page.locator("#facts").inner_text().split("\n")
    assert facts[facts.index("Length") + 1] == "30 s: 0:20–0:50 of 1:32"
    assert (now(page), page.locator("#length").inner_text()) == ("0:20", "0:50")
    page.keyboard.press("ArrowLeft")
    assert now(page) == "0:20"
    page.locator("#lanes").focus()
    page.keyboard.press("End")
    assert now(page) == "0:50"
    page.keyboard.press("Home")
    press(page, "Shots", 0.5)
    assert now(page) == "0:35"
    missing = page.locator("#lost").inner_text()
    assert "Speakers, sounds, loudness" in missing
    assert "narrowed with --only" in missing
    page.close()


@pytest.mark.parametrize(("size", "width"), [((1080, 1920), 390), ((1440, 1080), 1440), ((1920, 800), 1440)])
def test_nothing_moves_when_the_video_is_loaded(
    browser: Browser, tmp_path: Path, size: tuple[int, int], width: int
) -> None:
    run = complete(12_000)
    facts = run.artifacts["probe"].payload
    picture = {**facts["video"], "width": size[0], "height": size[1]}
    run.artifacts["probe"] = Artifact({}, {**facts, "video": picture})
    without = show(browser, tmp_path, run, width).page
    before = without.locator("#stage").bounding_box()
    without.close()
    page = show(browser, tmp_path, run, width, film=True).page
    until(page, "document.getElementById('video').readyState >= 2")
    assert page.locator("#stage").bounding_box() == before
    page.close()


def test_captions_have_a_lane_of_their_own(browser: Browser, tmp_path: Path) -> None:
    run = complete()
    run.artifacts["captions"] = captions([(46_000, 47_000, "From the file"), (60_000, 61_000, "Once more")])
    page = show(browser, tmp_path, run).page
    canvas = page.locator("[data-lane=Captions] canvas")
    assert canvas.get_attribute("aria-label") == "Captions: 2 items"
    press(page, "Captions", 46.5 / 92)
    assert now(page) == "0:46"
    assert "from the video itself" in page.locator("#tip").inner_text()
    assert "in the video, stream 2" in page.locator("#facts").inner_text()
    page.close()
    page = show(browser, tmp_path, complete()).page
    assert page.locator("[data-lane=Captions]").count() == 0
    page.close()


@pytest.mark.parametrize(
    ("highest", "says"),
    [
        (0.004, "Nothing above the threshold; the highest single frame has 0.00. Scores,"),
        (0.9, "No label stays above the threshold; the highest single frame has 0.90 (Sexy, at 0:03)."),
    ],
)
def test_moderation_names_no_class_below_its_threshold(
    browser: Browser, tmp_path: Path, highest: float, says: str
) -> None:
    run = complete(12_000)
    made = run.artifacts["moderation"]
    scores = np.zeros_like(made["score"])
    scores[3, 4] = highest
    none = {name: made[name][:0] for name in ("span_start_ms", "span_end_ms", "span_label", "span_score")}
    run.artifacts["moderation"] = Artifact({**made.arrays, **none, "score": scores}, made.payload)
    run.manifest["profile"]["components"] = {"moderation": {"params": {"threshold": 0.7}}}
    page = show(browser, tmp_path, run).page
    assert says in page.locator("#marks").inner_text()
    page.close()


def test_bars_of_the_lists_end_with_the_video(browser: Browser, tmp_path: Path) -> None:
    run = complete(12_000)
    said = run.artifacts["passages"].payload
    late = [{"text": "late words", "score": 0.9, "spans": [[9_000, 20_000]]}]
    run.artifacts["passages"] = Artifact(run.artifacts["passages"].arrays, {**said, "keywords": late})
    page = show(browser, tmp_path, run).page
    bar = page.locator("#keywords .strip rect")
    assert [float(bar.get_attribute(name) or "") for name in ("x", "width")] == [750, 250]
    page.close()


def test_the_file_that_captions_came_from_is_named_and_what_of_it_was_left_out(
    browser: Browser, tmp_path: Path
) -> None:
    run = complete()
    run.manifest = {**run.manifest, "captions_file": {"name": "talk.srt"}}
    run.artifacts["captions"] = captions([(46_000, 47_000, "From the file")], source="sidecar", late=3)
    page = show(browser, tmp_path, run).page
    says = "from talk.srt; left out: 3 captions that begin after the video's end"
    assert says in page.locator("#facts").inner_text()
    page.close()
    unread = complete()
    unread.manifest = {**run.manifest, "captions_file": {"name": "a.srt", "unread": "a.srt is empty"}}
    unread.artifacts["captions"] = captions(source=None)
    page = show(browser, tmp_path, unread).page
    assert "left out: a.srt is empty" in page.locator("#facts").inner_text()
    page.close()


def test_a_file_that_is_cut_off_shows_it_at_once(browser: Browser, tmp_path: Path) -> None:
    page = show(browser, tmp_path, cut_off()).page
    assert page.locator("#status").inner_text() == "Complete · file cut off"
    assert "it should last 1 min 32 s but holds only 30 s" in page.locator(".first.problem").inner_text()
    assert page.locator("#lost b").first.inner_text().startswith("The file")
    page.close()


def test_a_long_status_leaves_the_name_of_the_file_its_room(browser: Browser, tmp_path: Path) -> None:
    page = show(browser, tmp_path, joined(), width=390).page
    assert page.locator("#status").inner_text() == "Complete · not all recordings of the file"
    name, status = page.locator("#title").bounding_box(), page.locator("#status").bounding_box()
    assert name is not None
    assert status is not None
    assert name["width"] > 150
    assert status["y"] >= name["y"] + name["height"]
    row = page.locator("#lost > div").first.inner_text()
    assert "Read in part" in row
    assert "Cut the file at byte 11560000" in row
    page.close()


@pytest.mark.parametrize(
    ("ms", "says"), [(7_640, "7.6 s"), (65_700, "1 min 5 s"), (3_600_000, "1 h"), (7_290_000, "2 h 1 min")]
)
def test_lengths_are_as_the_first_sentence_says_them(
    browser: Browser, tmp_path: Path, ms: int, says: str
) -> None:
    run = empty()
    run.artifacts["probe"] = probe(ms)
    page = show(browser, tmp_path, run).page
    facts = page.locator("#facts").inner_text().split("\n")
    assert facts[facts.index("Length") + 1] == says
    assert page.locator("#summary").inner_text().startswith(f"{says} of video")
    page.close()


def test_beside_the_low_player_of_a_sound_the_transcript_is_as_high_as_it_needs(
    browser: Browser, tmp_path: Path
) -> None:
    short = sightless()
    short.artifacts["speech"] = speech(12_000, ["Once upon a time."])
    for run, most, scrolls in ((short, 200, False), (sightless(), 420, True)):
        page = show(browser, tmp_path, run).page
        read, timeline = page.locator("#read").bounding_box(), page.locator("#timeline").bounding_box()
        last = page.locator(".turn").last.bounding_box()
        assert read is not None
        assert timeline is not None
        assert last is not None
        end = read["y"] + read["height"]
        assert read["height"] <= most
        assert timeline["y"] - end < 60
        assert (last["y"] > end) == scrolls
        page.close()


def test_borders_of_a_part_are_shown_as_they_were_named(browser: Browser, tmp_path: Path) -> None:
    page = show(browser, tmp_path, part(2_000, 8_500)).page
    facts = page.locator("#facts").inner_text().split("\n")
    assert facts[facts.index("Length") + 1] == "6.5 s: 0:02–0:08.5 of 1:32"
    page.close()


def test_playing_a_part_ends_with_it(browser: Browser, tmp_path: Path) -> None:
    page = show(browser, tmp_path, part(2_000, 4_000), film=True).page
    until(page, "document.getElementById('video').readyState > 1")
    page.locator("#play").click()
    until(page, "document.getElementById('now').textContent === '0:04'")
    until(page, "document.getElementById('video').paused")
    page.wait_for_timeout(300)
    assert now(page) == "0:04"
    page.close()


def test_what_added_components_found_is_shown(browser: Browser, tmp_path: Path) -> None:
    opened = show(browser, tmp_path, added())
    page = opened.page
    label = page.locator("[data-lane=Flashes] canvas").get_attribute("aria-label")
    assert label == "Flashes: 4 items"
    assert "curve" in (page.locator("[data-lane=Brightness] canvas").get_attribute("aria-label") or "")
    shown = page.locator("#added-flashes").inner_text()
    assert all(text in shown for text in ("strobe", "Middle part", "threshold", "0.25", "red, white"))
    assert "0 to 60, mean 29.67" in page.locator("#added-brightness").inner_text()
    page.locator("#added-flashes button", has_text="Middle part").click()
    assert now(page) == "0:30"
    assert found(page, "CAFE light") == ["[café light]"] * 2
    canvas = page.locator("[data-lane=Flashes] canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 11 / 92, box["y"] + 8)
    assert "strength 0.25" in page.locator("#tip").inner_text()
    assert opened.complaints == []
    page.close()


def test_an_added_component_that_failed_leaves_a_hatched_lane(browser: Browser, tmp_path: Path) -> None:
    page = show(browser, tmp_path, added(lost=True)).page
    label = page.locator("[data-lane=Flashes] canvas").get_attribute("aria-label")
    assert label == "Flashes: missing. division by zero"
    page.close()


def test_paper_is_light_whatever_the_screen(browser: Browser, tmp_path: Path) -> None:
    page = show(browser, tmp_path, complete()).page
    page.emulate_media(color_scheme="dark")
    page.locator("#theme").click()
    page.locator("#theme").click()
    ink = """() => {
      const canvas = document.querySelector('[data-lane=Sounds] canvas');
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      return data.filter((v, i) => i % 4 === 0 && v > 200 && data[i + 3] > 250).length;
    }"""
    bright = page.evaluate(ink)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate(ink) < bright / 4
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.close()


def test_a_sentence_leads_to_its_evidence(browser: Browser, tmp_path: Path) -> None:
    page = show(browser, tmp_path, complete()).page
    link = page.locator("#summary a", has_text="harbour lights").first
    assert "passages · item 0 · result" in (link.get_attribute("title") or "")
    page.locator("#summary a", has_text="“Sexy” at 0:50").click()
    assert now(page) == "0:50"
    page.close()


def test_what_is_missing_is_said_and_hatched(browser: Browser, tmp_path: Path) -> None:
    page = show(browser, tmp_path, partial()).page
    assert page.locator("#status").inner_text() == "Partial · 4 missing"
    text = page.locator("#lost").inner_text()
    assert "resemblyzer.onnx is not on this machine." in text
    assert "kadr models pull" in text
    page.locator("#lost button", has_text="0:23–0:46").click()
    assert now(page) == "0:23"
    assert "missing" in (page.locator("[data-lane=Text] canvas").get_attribute("aria-label") or "")
    page.close()


def test_hostile_texts_stay_text(browser: Browser, tmp_path: Path) -> None:
    opened = show(browser, tmp_path, hostile())
    page = opened.page
    page.keyboard.press("/")
    page.keyboard.type("onerror")
    assert page.locator("#results .hit").count() > 5
    page.locator("[data-lane=Objects] canvas").hover()
    assert page.evaluate("window.hacked") is None
    assert page.locator("img[src=x]").count() == 0
    assert page.locator("#title").text_content() == f"{HOSTILE}.mp4"
    assert opened.complaints == []
    page.close()


def test_the_theme_can_be_chosen(browser: Browser, tmp_path: Path) -> None:
    page = show(browser, tmp_path, silent()).page
    ground = "getComputedStyle(document.body).backgroundColor"
    page.locator("#theme").click()
    light = page.evaluate(ground)
    page.locator("#theme").click()
    assert page.evaluate(ground) != light
    page.reload()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.close()


def test_three_hours_open_and_answer(browser: Browser, tmp_path: Path) -> None:
    run = long()
    halfway = int(run.artifacts["speech"]["word_start_ms"][12_000])
    opened = show(browser, tmp_path, run, width=390)
    page = opened.page
    page.locator("#scrub").fill(str(halfway + 100))
    word = page.locator(".w.on")
    page.wait_for_timeout(500)
    panel, place = page.locator("#transcript").bounding_box(), word.bounding_box()
    assert panel is not None
    assert place is not None
    assert panel["y"] < place["y"] < panel["y"] + panel["height"]
    page.locator("#query").fill("lighthouse keeper")
    assert page.locator("#results .hit").count() >= 40
    page.locator(".more", has_text="more shots").click()
    assert page.locator(".card").count() > 1700
    assert opened.complaints == []
    page.close()
