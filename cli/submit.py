"""``kadr submit``: hand a video to a service, with progress, and wait for what becomes of it."""

from __future__ import annotations

import json
import os
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from cli import reports
from cli.client import PASSING, TRIES, Client, NotReached, ServerSaid
from cli.running import LOCAL, running
from kadr.contracts.errors import KadrError
from kadr.settings import InvalidSetting, Settings

POLL_S = 0.5
PIECE = 1 << 20
ENDED = ("complete", "partial", "failed", "cancelled")
AWAY_S = 60.0
"""How long a service that gives no answer is waited for: it may be starting again, and the run goes on by itself."""


@click.command("submit")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--run", "run_id", help="Id of a run that was submitted before, instead of FILE: how far it is."
)
@click.option(
    "--server",
    help="Where the service listens; by default the one that runs here, else http://127.0.0.1:8080.",
)
@click.option(
    "--profile",
    help="Profile to analyse with: a built-in one's name or a TOML or JSON file; else the service's.",
)
@click.option("--priority", type=click.IntRange(0, 9), default=5, show_default=True)
@click.option(
    "--wait", is_flag=True, help="Wait until the run has ended; the exit code says how (1: failed)."
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder into which the report is put when the run has ended; waits for that.",
)
@click.option("--json", "as_json", is_flag=True, help="The run as JSON.")
def command(
    file: Path | None,
    run_id: str | None,
    server: str | None,
    profile: str | None,
    priority: int,
    wait: bool,
    out: Path | None,
    as_json: bool,
) -> None:
    """Upload FILE to a Kadr service and have it analysed. The API key is KADR_API_KEY, or that of the service which runs here."""
    if (file is None) == (run_id is None):
        raise click.UsageError("name a FILE to analyse, or by --run ID a run that was submitted before")
    if run_id is not None and profile is not None:
        raise click.UsageError("--profile is for a FILE: a run has its profile already")
    named = _profile(profile)  # before a file of gigabytes is uploaded for nothing
    client = _client(server)
    if file is None:
        run = client.ask("GET", f"/runs/{quote(str(run_id), safe='')}")
    else:
        asked = {"video_source": _upload(client, file), "profile": named, "priority": priority}
        run = client.ask_once("/runs", {**asked, "name": file.name})
    at = f"{client.server}/v1/runs/{run['run_id']}"
    said = f"run {run['run_id']} is {run['status']}: {at}"
    if not wait and out is None:
        click.echo(json.dumps(run) if as_json else said)
        return
    click.echo(said, err=True)
    try:
        ended = _wait(client, run["run_id"])
        report = reports.link(client, ended)
        files = [] if report is None or out is None else reports.fetch(client, report, out)
    except NotReached as error:
        again = f"kadr submit --run {run['run_id']} --wait" + (f" --server {server}" if server else "")
        raise NotReached(
            f"{error}\nThe run is kept ({at}) and goes on when the service is up; to wait for it then: {again}"
        ) from error
    if as_json:
        url = report and client.server + report["url"]
        click.echo(json.dumps({**ended, "report_url": url, "report_files": [str(file) for file in files]}))
    else:
        click.echo("\n".join([*_said(ended), *reports.said(client, ended, report, files)]))
    sys.exit(0 if ended["status"] in ("complete", "partial") else 1)


def _client(server: str | None) -> Client:
    settings = Settings.read()
    here = running(settings)
    at = server or (here["url"] if here else LOCAL)
    if settings.api_key is not None:
        return Client(at, settings.api_key.get_secret_value())
    if here is None or at.rstrip("/") != here["url"]:  # a key is sent to its own service alone
        raise _no_key(settings, server)
    return Client(at, here["settings"]["api_key"])


def _no_key(settings: Settings, server: str | None) -> KadrError:
    """Why there is no key to send: nobody is there, or it is another's service."""
    if server is None:
        return InvalidSetting(
            f"no service runs here (of KADR_HOME {settings.home}) and KADR_API_KEY is not set: start one by `kadr up`, "
            "or name another by --server and its key by KADR_API_KEY"
        )
    try:
        Client(server, "").ask("GET", "/runs")
    except NotReached as error:
        return error
    except ServerSaid:
        pass  # it is there, and wants a key
    return InvalidSetting(
        f"KADR_API_KEY is not set: {server} is not the service that runs here, and its own `kadr up` prints its key"
    )


def _profile(named: str | None) -> str | dict[str, Any] | None:
    """A file is read here and sent; a name means the service's profile of that name. Raises InvalidProfile."""
    if named is None:
        return None
    from kadr.pipeline.profiles import load_profile

    found = load_profile(named)
    return found.model_dump(mode="json") if os.path.isfile(named) else named


def _upload(client: Client, file: Path) -> dict[str, Any]:
    """The video_source of what was uploaded."""
    size = file.stat().st_size
    if size == 0:
        raise ServerSaid(f"{file} is empty (0 bytes)")
    begun = client.ask("POST", "/uploads", {"name": file.name, "size": size})
    with _bar() as bar, file.open("rb") as source:
        task = bar.add_task(f"uploading {file.name}", total=size)
        if "url" in begun:
            etag = _put(begun["url"], source, 0, size, lambda n: bar.advance(task, n))
            return {"type": "upload", "key": begun["key"], "etag": etag}
        at = urlencode({"key": begun["key"], "size": size}, quote_via=quote)
        for _ in range(TRIES):
            for number, url in sorted((int(n), u) for n, u in begun["parts"].items()):
                first = (number - 1) * begun["part_bytes"]
                _put(
                    url, source, first, min(begun["part_bytes"], size - first), lambda n: bar.advance(task, n)
                )
            begun = client.ask("GET", f"/uploads/{begun['upload_id']}?{at}")
            if not begun["parts"]:
                break
        done = client.ask(
            "POST", f"/uploads/{begun['upload_id']}/complete", {"key": begun["key"], "size": size}
        )
        return {"type": "upload", "key": done["key"], "etag": done["etag"]}


def _put(url: str, source: Any, first: int, length: int, moved: Any) -> str:
    """PUT a piece of the file; its ETag. Tried a few times."""
    for attempt in range(1, TRIES + 1):
        source.seek(first)
        asked = urllib.request.Request(
            url, _pieces(source, length, moved), {"Content-Length": str(length)}, method="PUT"
        )
        try:
            with urllib.request.urlopen(asked, timeout=600) as answer:
                return str(answer.headers.get("ETag", "")).strip('"')
        except urllib.error.HTTPError as error:
            if error.code not in PASSING or attempt == TRIES:
                raise ServerSaid(f"the upload was refused: HTTP {error.code} {error.reason}") from error
        except OSError as error:
            if attempt == TRIES:
                raise ServerSaid(f"the upload broke off: {error}") from error
        moved(first - source.tell())  # it is sent anew
        time.sleep(attempt)
    raise AssertionError


def _pieces(source: Any, length: int, moved: Any) -> Iterator[bytes]:
    left = length
    while left and (piece := source.read(min(PIECE, left))):
        left -= len(piece)
        moved(len(piece))
        yield piece


def _wait(client: Client, run_id: str) -> dict[str, Any]:
    with _bar(tasks=True) as bar:
        task, away = bar.add_task("waiting", total=None), Away(bar.console)
        while True:
            if (run := away.asked(lambda: client.ask("GET", f"/runs/{run_id}"))) is None:
                time.sleep(POLL_S)
                continue
            known = run["tasks"]
            stage = next((n for n, s in run["stages"].items() if s.get("running")), run["status"])
            bar.update(task, description=stage, completed=known["done"], total=known["known"])
            if run["status"] in ENDED and run["manifest"]:
                return run
            time.sleep(POLL_S)


class Away:
    """What a service that is waited for does not answer is asked again, until it was away for too long."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._since: float | None = None

    def asked(self, ask: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
        """None if there was no answer this time. Raises ServerSaid, and NotReached once that is so for :data:`AWAY_S`."""
        try:
            found = ask()
        except NotReached as error:
            now = time.monotonic()
            if self._since is None:
                self._since = now
                self._console.print(
                    f"{error}: going on to ask for {AWAY_S:.0f} s", style="yellow", markup=False
                )
            if now - self._since >= AWAY_S:
                raise
            return None
        if self._since is not None:
            self._since = None
            self._console.print("the service answers again", markup=False)
        return found


def _bar(tasks: bool = False) -> Progress:
    console = Console(stderr=True)
    if tasks:
        counted = TextColumn("{task.completed} of {task.total} tasks")
        return Progress(
            TextColumn("{task.description}"), BarColumn(), counted, console=console, transient=True
        )
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not os.isatty(2),
    )


def _said(run: dict[str, Any]) -> list[str]:
    failed = [
        f"{n}: {c['reason']}" for n, c in run["components"].items() if c["state"] in ("failed", "partial")
    ]
    error = [run["error"]["message"]] if run["error"] else []
    return [f"{run['name']}: {run['status']}", *failed, *error]
