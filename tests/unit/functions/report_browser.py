"""The report page of a made-up run, opened in a real browser."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

import av
import pytest
from playwright.sync_api import Browser, Page

from functions.report.component import ReportParams, report
from tests.unit.functions.report_artifacts import painted
from tests.unit.functions.report_fixture import MemoryRun

CHROMIUM = next((p for p in map(shutil.which, ("chromium", "chromium-browser", "google-chrome")) if p), None)
IN_A_BROWSER = [
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium on this machine: the report page was not opened"
    ),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


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


def found(page: Page, query: str) -> list[str]:
    """The results' texts, what is marked in them between brackets."""
    page.locator("#query").fill(query)
    script = """() => [...document.querySelectorAll('#results .hit > .text')].map((hit) =>
      [...hit.childNodes].map((n) => (n.nodeName === 'MARK' ? `[${n.textContent}]` : n.textContent)).join(''))"""
    texts: list[str] = page.evaluate(script)
    return texts


def press(page: Page, lane: str, part: float, y: int = 8) -> None:
    """Click on a lane of the timeline, ``part`` of its width from the left, once it stands still."""
    canvas = page.locator(f"[data-lane={lane}] canvas")
    width = canvas.evaluate("(c) => c.getBoundingClientRect().width")
    canvas.click(position={"x": width * part, "y": y})
