"""WebVTT as a browser's own player reads it, hostile texts among it."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser

from kadr.craft.captions import plain
from tests.unit.exports.runs import body, exported, source, spoken
from tests.unit.exports.test_timed_text import NASTY
from tests.unit.functions.report_browser import CHROMIUM
from tests.unit.functions.report_fixture import complete

pytestmark = [
    pytest.mark.skipif(
        CHROMIUM is None, reason="no Chromium on this machine: WebVTT was not read by a player"
    ),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
READ = """text => new Promise((resolve, reject) => {
  const track = document.createElement('track');
  track.src = URL.createObjectURL(new Blob([text], {type: 'text/vtt'}));
  track.onload = () => resolve([...track.track.cues].map(
    c => [Math.round(c.startTime * 1000), Math.round(c.endTime * 1000), c.getCueAsHTML().textContent, c.text]));
  track.onerror = () => reject(new Error('not WebVTT'));
  document.body.appendChild(document.createElement('video')).appendChild(track);
  track.track.mode = 'hidden';
})"""


def cues_in_browser(browser: Browser, *files: str) -> list[list[Any]]:
    page = browser.new_page()
    found = [page.evaluate(READ, text) for text in files]
    page.close()
    return found


def test_a_player_reads_captions_chapters_and_thumbnails(browser: Browser) -> None:
    texts = [text for text in NASTY if plain(text)]
    run = source(complete(), transcript=[spoken(text, speaker="<b>\nS1 & --> >") for text in texts])
    for i, segment in enumerate(run.found["transcript"]):
        segment["words"][0] |= {"start_ms": i * 2000, "end_ms": i * 2000 + 900}
    story = exported("storyboard", run).files[".storyboard.vtt"].decode()
    said, chapters, thumbnails = cues_in_browser(
        browser, body("webvtt", run), body("webvtt", run, "chapters"), story
    )
    assert [(start, text) for start, _, text, _ in said] == [
        (i * 2000, plain(t)) for i, t in enumerate(texts)
    ]
    assert [c[:3] for c in chapters] == [[0, 46_000, "The quay"]]
    assert thumbnails[1] == [2000, 4000, *["harbour.storyboard-1.jpg#xywh=160,0,160,90"] * 2]
    assert len(thumbnails) == 46
