"""The examples of docs/service.md do what they say."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from events.answers import signing

DOCS = Path(__file__).parents[4] / "docs/service.md"
SECRET = signing.new_secret()


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```$", DOCS.read_text(), re.MULTILINE | re.DOTALL)
    return str(found)


def test_its_receiver_verifies_what_we_sign_and_nothing_else() -> None:
    made: dict[str, Any] = {}
    exec(block("python"), made)
    verified: Callable[[str, Mapping[str, str], bytes], bool] = made["verified"]
    keys = [signing.key_of(signing.new_secret()), signing.key_of(SECRET)]
    given = signing.headers(keys, "id", b"{}")
    assert verified(SECRET, given, b"{}")
    assert not verified(SECRET, given, b"{} ")
    assert not verified(signing.new_secret(), given, b"{}")
    assert not verified(SECRET, signing.headers(keys, "id", b"{}", 1_700_000_000), b"{}")


def test_its_shell_signs_what_we_verify() -> None:
    script = block("sh").partition("curl ")[0] + 'printf "%s\\n" "$at" "$signature" "$body"'
    done = subprocess.run(
        ["sh", "-c", script], env={"SECRET": SECRET, "PATH": "/usr/bin:/bin"}, capture_output=True, check=True
    )
    at, signature, body = done.stdout.rstrip(b"\n").split(b"\n")
    given = {signing.ID: "e-1", signing.TIMESTAMP: at.decode(), signing.SIGNATURE: f"v1,{signature.decode()}"}
    signing.check([signing.key_of(SECRET)], given, body)
