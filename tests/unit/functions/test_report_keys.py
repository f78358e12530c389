"""The report page by keys and by pointer."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.unit.functions.report_browser import IN_A_BROWSER, now, press, show, until
from tests.unit.functions.report_fixture import complete

pytestmark = IN_A_BROWSER


def test_the_page_lists_its_keys(browser: Browser, tmp_path: Path) -> None:
    opened = show(browser, tmp_path, complete())
    page, dialog = opened.page, opened.page.locator("#shortcuts")
    page.keyboard.press("?")
    assert dialog.is_visible()
    listed = page.locator("#keys kbd").all_inner_texts()
    known = {"Space", "←", "→", "Shift ←", "Shift →", "/", "c", "+", "−", "0", "?"}
    assert set(listed) == known | {"Home", "End", "Page Up", "Page Down", "Enter", "↓", "↑", "Esc"}
    assert page.evaluate("document.activeElement.closest('dialog').id") == "shortcuts"
    page.keyboard.press("ArrowRight")
    assert now(page) == "0:00"
    page.keyboard.press("Escape")
    assert not dialog.is_visible()
    page.locator("#help").click()
    page.locator("#shortcuts button").click()
    assert not dialog.is_visible()
    assert page.evaluate("document.activeElement.id") == "help"
    assert opened.complaints == []
    page.close()


@pytest.mark.parametrize("slider", ["#lanes", "#scrub"])
def test_sliders_answer_to_their_keys(browser: Browser, tmp_path: Path, slider: str) -> None:
    page = show(browser, tmp_path, complete()).page
    page.locator(slider).focus()
    clocks = []
    for key in ("End", "Home", "ArrowRight", "PageUp", "PageDown"):
        page.keyboard.press(key)
        clocks.append(now(page))
    assert clocks == ["1:32", "0:00", "0:05", "0:09", "0:05"]
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
    press(page, "Objects", 0.5)
    assert now(page) == "0:46"
    assert page.locator("#tip").is_visible()
    page.keyboard.down("Control")
    page.mouse.wheel(0, -400)
    page.keyboard.up("Control")
    until(page, "document.getElementById('range').textContent !== ''")
    page.close()
