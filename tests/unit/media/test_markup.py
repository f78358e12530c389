"""Captions without their markup: what is kept, and sizes at which a quadratic way would never come to an end."""

from __future__ import annotations

import pytest

from kadr.media.cues import sidecar_cues
from kadr.media.markup import plain


@pytest.mark.parametrize(
    ("raw", "read"),
    [
        ("<i>Hi</i> there", "Hi there"),
        ("<v Bob>Hi</v>", "Hi"),
        ("so<00:00:01.319><c.yellow> far</c>", "so far"),
        ("</ b>x < y", "x < y"),
        ("I <3 you", "I <3 you"),
        (r"{\an8}up{\i1} here\Nand\hthere", "up here\nand there"),
        ("an open { brace", "an open { brace"),
        (r"{\pos(1,2)}text", "text"),
        (r"{\p1}m 0 0 l 100 0", None),
    ],
)
def test_what_one_reads(raw: str, read: str | None) -> None:
    assert plain(raw, angles=True) == read


@pytest.mark.parametrize("mess", ["{", "<a", "{\\i1", "< ", "</ "])
def test_markup_that_never_ends_is_text(mess: str) -> None:
    assert plain(mess * 500_000, angles=True) == mess * 500_000


@pytest.mark.parametrize(("mess", "cues"), [("{", 300), ("<i>", 300), ("{\\p0}x", 300), ("<a", 300)])
def test_a_large_file_of_nothing_but_markup(mess: str, cues: int) -> None:
    head = "00:00:01,000 --> 00:00:02,000\nHi\n"
    assert len(sidecar_cues((head + (mess * 4000)[:4000] + "\n\n") * cues)) == cues


def test_a_heading_that_never_ends() -> None:
    head = "[Script Info]\n[V4+ Styles]\n[Events]\n"
    line = "Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,Hi\n"
    assert [c.text for c in sidecar_cues(head + line + ("[" + "a" * 4000 + "\n") * 300)] == ["Hi"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_they_may(end: str) -> None:
    lines = [
        "WEBVTT",
        "",
        "one",
        "00:01.000 --> 00:02.000",
        "Hi",
        "there",
        "",
        "00:03.000 --> 00:04.000",
        "you",
    ]
    assert [c.text for c in sidecar_cues(end.join(lines))] == ["Hi\nthere", "you"]
