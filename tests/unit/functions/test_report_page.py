"""The report page in a real browser: it is quiet, still, safe, and does what people do with it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import av
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from functions.report.component import ReportParams, report
from tests.unit.functions.report_artifacts import painted
from tests.unit.functions.report_fixture import (
    HOSTILE,
    MemoryRun,
    complete,
    empty,
    hostile,
    long,
    partial,
    sightless,
    silent,
)

CHROMIUM = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)
pytestmark = [
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium on this machine: the report page was not opened"
    ),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
WIDTHS = (390, 1440)
RUNS = {f.__name__: f for f in (complete, partial, silent, sightless, empty, hostile)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    flags = ["--disable-gpu", *(["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else [])]
    with sync_playwright() as play:
        opened = play.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield opened
        opened.close()


@dataclass
class Opened:
    """A page with what it complained about and asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


def small_film(path: Path, seconds: int = 12) -> None:
    """A VP8 film, which every browser plays."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libvpx", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for i in range(seconds * 10):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(painted(i * 100), format="bgr24")))
        out.mux(stream.encode())


def show(browser: Browser, folder: Path, run: MemoryRun, width: int = 1440, film: bool = False) -> Opened:
    run.video_href = "film.webm" if film else ""
    if film:
        small_film(folder / "film.webm")
    (folder / "report.html").write_bytes(report(run, ReportParams())["report.html"])
    opened = Opened(browser.new_page(viewport={"width": width, "height": 860}))
    opened.page.set_default_timeout(8000)
    opened.page.on(
        "console", lambda m: opened.complaints.append(m.text) if m.type in ("error", "warning") else None
    )
    opened.page.on("pageerror", lambda e: opened.complaints.append(str(e)))
    opened.page.on("request", lambda r: opened.requests.append(r.url))
    opened.page.goto((folder / "report.html").as_uri())
    return opened


def now(page: Page) -> str:
    return page.locator("#now").inner_text()


def until(page: Page, condition: str) -> None:
    """Wait for a JavaScript condition. Playwright's own wait needs eval, which the page's policy forbids."""
    for _ in range(400):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(20)
    raise AssertionError(f"never came true: {condition}")


@pytest.mark.parametrize("name", RUNS)
def test_opens_quietly_and_fits(browser: Browser, tmp_path: Path, name: str) -> None:
    opened = show(browser, tmp_path, RUNS[name](), WIDTHS[0])
    assert opened.page.locator("#making tbody tr").count() > 10
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
    assert page.locator("#results mark").first.inner_text() == "harbour"
    page.keyboard.press("Enter")
    assert now(page) == "0:27"
    page.locator("#query").fill("пристань")
    assert page.locator("#results .hit").count() == 5
    page.locator("#query").fill("zebra")
    assert "Nothing found for “zebra”" in page.locator("#results").inner_text()
    page.locator("#query").press("Escape")
    assert page.locator("#transcript").is_visible()
    page.close()


def test_keys_play_seek_and_zoom(browser: Browser, tmp_path: Path) -> None:
    page = show(browser, tmp_path, complete()).page
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert now(page) == "0:10"
    page.keyboard.press("Shift+ArrowRight")
    assert now(page) == "0:11"
    page.keyboard.press("ArrowLeft")
    assert now(page) == "0:06"
    page.keyboard.press("Space")
    assert page.locator("#play").get_attribute("aria-label") == "Pause"
    page.keyboard.press("Space")
    page.keyboard.press("+")
    until(page, "document.getElementById('range').textContent !== ''")
    page.locator("#lanes").focus()
    page.keyboard.press("End")
    assert now(page) == "1:32"
    page.close()


def test_the_timeline_seeks_and_zooms_by_pointer(browser: Browser, tmp_path: Path) -> None:
    page = show(browser, tmp_path, complete()).page
    canvas = page.locator("[data-lane=Objects] canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 8)
    assert now(page) == "0:46"
    assert page.locator("#tip").is_visible()
    page.keyboard.down("Control")
    page.mouse.wheel(0, -400)
    page.keyboard.up("Control")
    until(page, "document.getElementById('range').textContent !== ''")
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
