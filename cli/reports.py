"""The report of a run of a service: its link, and its files in a folder here."""

from __future__ import annotations

import shutil
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote

from cli.client import Client, ServerSaid

AFTER_S = 60.0
"""How long a report is waited for: it is made when the run has ended."""
POLL_S = 0.5


def link(client: Client, run: dict[str, Any]) -> dict[str, Any] | None:
    """What opens the report of a run that has ended; None where there is none. Raises ServerSaid, NotReached."""
    if run.get("video_id") is None:
        return None  # its video was never there
    until = time.monotonic() + AFTER_S
    while True:
        try:
            return client.ask("GET", f"/runs/{run['run_id']}/report")
        except ServerSaid as error:
            if error.answered != 404:
                raise
        if time.monotonic() > until:
            return None
        time.sleep(POLL_S)


def fetch(client: Client, report: dict[str, Any], folder: Path) -> list[Path]:
    """The report's files, put into ``folder``. Raises ServerSaid."""
    at = (client.server + report["url"]).rpartition("/")[0]
    names = [name for name in report["files"] if Path(name).name == name]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            with (
                urllib.request.urlopen(f"{at}/{quote(name)}", timeout=60) as answer,
                (folder / name).open("wb") as to,
            ):
                shutil.copyfileobj(answer, to)
    except urllib.error.URLError as error:
        raise ServerSaid(f"the report could not be fetched: {error}") from error
    except OSError as error:
        raise ServerSaid(f"the report could not be put into {folder}: {error.strerror or error}") from error
    return [folder / name for name in names]


def said(client: Client, run: dict[str, Any], report: dict[str, Any] | None, files: list[Path]) -> list[str]:
    if report is None:
        return (
            [f"no report: `kadr submit --run {run['run_id']} --wait` looks again"] if run["video_id"] else []
        )
    minutes = report["expires_s"] // 60
    told = [f"report: {client.server}{report['url']}", f"  (opens in a browser for {minutes} min)"]
    page = next((file for file in files if file.name == "report.html"), None)
    return [*told, *([f"  and lies in {page.resolve()}"] if page else [])]
