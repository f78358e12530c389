"""Who brings videos while the service is attacked: by every entrance, some twice, of several owners; some change their mind."""

from __future__ import annotations

import random
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.chaos.attacked import TOKEN, House
from tests.media_files import numbered, write_video

T = TypeVar("T")
OWNERS = ("main", "main", "anna", "ben")
MAIN = "main"
"""Who has the API key."""
PATIENCE_S = 180
ASK_S = 20
INBOX, REST, EVENT = "inbox", "REST", "CloudEvent"
TWICE, CANCELLED = 0.25, 0.4
Head = dict[str, str]


class Refused(Exception):
    """An answer other than the one that was hoped for."""


@dataclass
class Visit:
    """What somebody was promised a run for: ``run_id`` where it was told, else the video's name."""

    owner: str
    name: str
    entrance: str
    run_id: str = ""

    def is_of(self, owner: str, run_id: str, name: str) -> bool:
        if self.run_id:
            return run_id == self.run_id
        return (owner, name) == (self.owner, self.name)


class Visitors:
    """Patient: what is refused or not answered is asked again."""

    def __init__(self, house: House, random: random.Random, clips: Path) -> None:
        self.house = house
        self.random = random
        self.tally = Counter[str]()
        self.visits: list[Visit] = []
        self.clips = clips
        self.to_cancel: list[str] = []
        self.cancelled: set[str] = set()
        clips.mkdir()

    def come(self) -> None:
        """A video that nobody has seen, brought once or by two."""
        number = len(list(self.clips.iterdir())) + 1
        path = self.clips / f"clip-{number}.mp4"
        write_video(path, numbered(20 + number % 30), tone_s=1.0 + number % 3)
        owner = self.random.choice(OWNERS)
        first = self._bring(path, path.name, owner)
        if self.random.random() < TWICE:
            self.tally["brought twice"] += 1
            self._bring(path, f"again-{path.name}", owner, another_than=first)

    def _bring(self, path: Path, name: str, owner: str, another_than: str = "") -> str:
        entrances = [INBOX, EVENT, *([REST] if owner == MAIN else [])]
        entrance = self.random.choice([e for e in entrances if e != another_than])
        bring = {INBOX: self._drop, EVENT: self._announce, REST: self._submit}[entrance]
        visit = Visit(owner, name, entrance)
        bring(path, visit)
        self.visits.append(visit)
        self.tally[f"by {entrance}"] += 1
        if owner == MAIN and visit.run_id and self.random.random() < CANCELLED:
            self.to_cancel.append(visit.run_id)
        return entrance

    def _drop(self, path: Path, visit: Visit) -> None:
        name = f"inbox/{visit.owner}/{visit.name}"
        self._patiently(lambda: self.house.minio().fput_object("kadr", name, str(path)))

    def _announce(self, path: Path, visit: Visit) -> None:
        """The event is sent twice, as its sender may: it is one run."""
        name = f"inbox/{visit.owner}/.uploads/{visit.name}"
        self._patiently(lambda: self.house.minio().fput_object("kadr", name, str(path)))
        head = {
            "ce-specversion": "1.0",
            "ce-type": "dev.kadr.run.requested.v1",
            "ce-source": "/chaos",
            "ce-id": visit.name,
        }
        said = {
            "user_id": visit.owner,
            "name": visit.name,
            "video_source": {"type": "upload", "key": name},
        }
        for _ in range(2):
            answer = self._patiently(lambda: self._asked("POST", "/events", said, head, TOKEN))
            visit.run_id = answer["run_id"]

    def _submit(self, path: Path, visit: Visit) -> None:
        body = path.read_bytes()

        def uploaded() -> dict[str, Any]:
            begun = self._asked("POST", "/v1/uploads", {"name": visit.name, "size": len(body)})
            put = urllib.request.Request(begun["url"], body, method="PUT")
            with urllib.request.urlopen(put, timeout=ASK_S) as answer:
                etag = answer.headers["ETag"].strip('"')
            return {"type": "upload", "key": begun["key"], "etag": etag}

        source = self._patiently(uploaded)
        asked = {"video_source": source, "name": visit.name}
        visit.run_id = self._patiently(lambda: self._asked("POST", "/v1/runs", asked))["run_id"]

    def change_their_minds(self) -> None:
        """Cancel what is to be cancelled, and try again what was."""
        for run_id in list(self.to_cancel):
            with suppress(Refused, OSError):
                self.to_cancel.remove(run_id)
                self._asked("POST", f"/v1/runs/{run_id}/cancel", {})
                self.tally["cancelled"] += 1
                self.cancelled.add(run_id)
        for run_id in list(self.cancelled):
            with suppress(Refused, OSError):
                if self._asked("GET", f"/v1/runs/{run_id}")["status"] == "cancelled":
                    self._asked("POST", f"/v1/runs/{run_id}/retry", {})
                    self.tally["tried again"] += 1
                    self.cancelled.discard(run_id)

    def _asked(
        self, method: str, path: str, body: Any = None, head: Head | None = None, key: str | None = None
    ) -> Any:
        status, said = self.house.up.ask(method, path, body, head, key)
        if status >= 300:
            raise Refused(f"{method} {path}: {status}: {said}")
        return said

    def _patiently(self, call: Callable[[], T]) -> T:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return call()
            except Exception as error:
                self.tally["asked again"] += 1
                if time.monotonic() > deadline:
                    raise Refused(f"after {PATIENCE_S} s still: {error!r}") from error
                time.sleep(0.5)
