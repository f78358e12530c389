"""report.html: style, script and data put into one file that needs nothing else and can reach nothing else."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "page"
SCRIPTS = (
    "base.js", "poster.js", "player.js", "lanes.js", "paint.js", "timeline.js", "transcript.js", "frames.js", "search.js", "lists.js",
    "made.js", "main.js",
)  # fmt: skip
UNSAFE = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def page(data: Mapping[str, Any], pictures: bytes) -> bytes:
    """The page for ``data`` and ``pictures`` (see page_data), which are megabytes and put in as they are.

    Texts in ``data`` are never markup: the script sets them by textContent.
    """
    parts = {"style": style().encode(), "script": script().encode(), "data": embedded(data).encode()}
    parts |= {"csp": policy(style(), script()).encode(), "pictures": pictures}
    template = (FOLDER / "page.html").read_bytes()
    around = re.split(rb"\{\{(\w+)\}\}", template)
    return b"".join(parts[piece.decode()] if number % 2 else piece for number, piece in enumerate(around))


@cache
def style() -> str:
    return (FOLDER / "style.css").read_text(encoding="utf-8")


@cache
def script() -> str:
    """The page's modules in one strict function scope, in the order of SCRIPTS."""
    bodies = [(FOLDER / name).read_text(encoding="utf-8") for name in SCRIPTS]
    return "(() => {\n'use strict';\n" + "\n".join(bodies) + "})();\n"


def embedded(data: Mapping[str, Any]) -> str:
    """JSON that no text in it can end early: ``<``, ``>``, ``&`` and the two JavaScript line ends are escaped."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).translate(UNSAFE)


def policy(css: str, js: str) -> str:
    """Content Security Policy: this style and this script, pictures from the page itself, the video, and nothing else."""
    return "; ".join(
        (
            "default-src 'none'",
            "img-src data: blob:",
            "media-src 'self' file: blob: data: *",
            f"style-src '{_hashed(css)}'",
            f"script-src '{_hashed(js)}'",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )


def _hashed(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
