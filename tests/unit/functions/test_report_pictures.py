"""Pictures on the report page in a real browser: whole, in the video's shape, and not black on opening."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from playwright.sync_api import Browser

from kadr.contracts.artifact import Artifact
from tests.unit.functions.report_artifacts import painted, speech
from tests.unit.functions.report_browser import IN_A_BROWSER, show, until
from tests.unit.functions.report_fixture import MemoryRun, complete

pytestmark = IN_A_BROWSER


def upright(ms: int) -> np.ndarray:
    """A picture higher than wide, red at its top and at its bottom."""
    picture = np.zeros((160, 90, 3), np.uint8)
    picture[:20] = picture[-20:] = (0, 0, 255)
    return picture


def vertical() -> MemoryRun:
    run = complete(12_000, picture=upright)
    facts = run.artifacts["probe"].payload
    shape = {**facts["video"], "width": 1080, "height": 1920}
    run.artifacts["probe"] = Artifact({}, {**facts, "video": shape})
    return run


def dark_at_first(ms: int) -> np.ndarray:
    return painted(ms) if ms >= 3000 else np.zeros_like(painted(ms))


def test_pictures_of_a_vertical_video_are_shown_whole(browser: Browser, tmp_path: Path) -> None:
    page = show(browser, tmp_path, vertical()).page
    tile = page.locator(".card img").first
    box = tile.bounding_box()
    assert box is not None
    assert abs(box["width"] / box["height"] - 9 / 16) < 0.02
    assert tile.evaluate("(i) => getComputedStyle(i).objectFit") == "contain"
    script = """() => {
      const canvas = document.querySelector('[data-lane=Frames] canvas');
      const pen = canvas.getContext('2d');
      return [2, canvas.height - 3].map((y) => [...pen.getImageData(10, y, 1, 1).data]);
    }"""
    until(page, f"({script})().every(([r, g]) => r > 150 && g < 100)")
    page.close()


def test_a_short_transcript_is_as_high_as_it_needs(browser: Browser, tmp_path: Path) -> None:
    run = complete(12_000)
    run.artifacts["speech"] = speech(12_000, ["Once upon a time."])
    del run.artifacts["speakers"]
    page = show(browser, tmp_path, run, width=390).page
    last, timeline = page.locator(".turn").last.bounding_box(), page.locator("#timeline").bounding_box()
    assert last is not None
    assert timeline is not None
    assert timeline["y"] - last["y"] - last["height"] < 60
    page.close()
    page = show(browser, tmp_path, complete(600_000), width=390).page
    read = page.locator("#read").bounding_box()
    assert read is not None
    assert read["height"] == 440
    page.close()


def test_a_video_that_begins_in_the_dark_opens_with_a_picture(browser: Browser, tmp_path: Path) -> None:
    opened = show(browser, tmp_path, complete(12_000, picture=dark_at_first), film=True)
    page = opened.page
    until(page, "document.getElementById('video').readyState >= 2")
    until(page, "Number(document.getElementById('still').dataset.ms) >= 3000")
    assert page.locator("#still").is_visible()
    assert page.locator("#now").inner_text() == "0:00"
    assert (page.locator("#video").get_attribute("poster") or "").startswith("data:image/jpeg")
    page.locator("#play").click()
    until(page, "document.getElementById('still').hidden")
    assert opened.complaints == []
    page.close()
