"""Loads the Lua scripts that lie in lua/: each gets the keys' names and what lua/common.lua defines in front of it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from events.queue.names import lua_names

FOLDER = Path(__file__).with_name("lua")
COMMON = "common"


@cache
def source(name: str) -> str:
    """The whole text of the script ``name``."""
    return f"{lua_names()}{_text(COMMON)}{_text(name)}"


def _text(name: str) -> str:
    return (FOLDER / f"{name}.lua").read_text(encoding="utf-8")
