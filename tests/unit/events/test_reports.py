"""Reports: by the API's key, and by a link that is signed for one of them and for an hour."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from api.app import Api
from api.reports import EXPIRES_S, ReportRoutes
from cli.compose import Machine
from kadr.contracts.keys import jcs
from kadr.contracts.profile import Profile
from kadr.contracts.run import Done, RunStatus
from kadr.pipeline.admission import request_for
from kadr.storage import layout
from kadr.storage.bucket import Bucket
from kadr.storage.files import FileStore

KEY = {"Authorization": "Bearer key"}


@dataclass
class House:
    store: FileStore
    now: float = 0.0

    def __post_init__(self) -> None:
        self.now = time.time()
        api = Api(self.store, cast(Bucket, None), None, lambda _: None, "key", "main")  # type: ignore[arg-type]
        app = Flask("reports")
        app.register_blueprint(ReportRoutes(api, "secret", lambda: self.now).blueprint())
        self.ask = app.test_client().get

    def run(self, manifest: str = "a" * 64, files: tuple[str, ...] = ("captions.vtt", "report.html")) -> str:
        """A run that was cancelled, with a report."""
        asked = request_for(
            Machine().question(Profile(components=("loudness",))), "v.mp4", "file:///v", None, "main"
        )
        state = layout.state_prefix("main", asked.run_id)
        self.store.put(layout.request("main", asked.run_id), jcs(asked.model_dump(mode="json")))
        closed = Done(manifest=manifest, status=RunStatus.CANCELLED, records=())
        self.store.put(state + layout.done(1, manifest), jcs(closed.model_dump(mode="json")))
        for name in files:
            self.store.put(layout.report_file("main", asked.run_id, manifest, name), f"{name} of it".encode())
        return asked.run_id

    def link(self, run_id: str) -> str:
        answer = self.ask(f"/v1/runs/{run_id}/report", headers=KEY)
        assert answer.status_code == 200, answer.text
        assert answer.json is not None
        assert answer.json["files"] == ["captions.vtt", "report.html"]
        assert answer.json["expires_s"] == EXPIRES_S
        return str(answer.json["url"])


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(FileStore(tmp_path / "store"))


def refused(answer: TestResponse) -> bool:
    return (answer.status_code, (answer.json or {})["title"]) == (403, "LinkRefused")


def test_a_link_opens_all_files_of_its_report_without_a_key(house: House) -> None:
    link = house.link(house.run())
    page = house.ask(link)
    assert (page.status_code, page.text, page.mimetype) == (200, "report.html of it", "text/html")
    assert (page.headers["Referrer-Policy"], page.headers["Cache-Control"]) == (
        "no-referrer",
        "private, no-store",
    )
    assert house.ask(link.replace("report.html", "captions.vtt")).text == "captions.vtt of it"
    assert house.ask(link.replace("report.html", "none.json")).status_code == 404


def test_a_link_is_good_for_an_hour(house: House) -> None:
    link = house.link(house.run())
    house.now += EXPIRES_S - 2
    assert house.ask(link).status_code == 200
    house.now += 4
    assert refused(house.ask(link))


@pytest.mark.parametrize("at", [3, 4, 5, 6])
def test_a_link_that_was_changed_or_is_of_another_run_opens_nothing(house: House, at: int) -> None:
    """Run, manifest, expiry and signature: each changed a little, and taken from another link."""
    parts = house.link(house.run()).split("/")
    house.now += 60
    others = house.link(house.run("b" * 64)).split("/")
    last = "0" if parts[at][-1] != "0" else "1"
    for other in (parts[at][:-1] + last, others[at], "é", "-1", "9" * 30):
        assert refused(house.ask("/".join([*parts[:at], other, *parts[at + 1 :]]))), other


def test_without_the_key_there_is_no_link_and_no_file(house: House) -> None:
    run_id = house.run()
    for path in (f"/v1/runs/{run_id}/report", f"/v1/runs/{run_id}/report/report.html"):
        assert house.ask(path).status_code == 401
        assert house.ask(path, headers=KEY).status_code == 200
    assert house.ask(f"/v1/runs/{house.run(files=())}/report", headers=KEY).status_code == 404
