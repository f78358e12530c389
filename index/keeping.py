"""Keeping the index up beside the pipeline: it records runs as they go on, and catches up after the database was away."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict

from index import queries
from index.database import Database, DatabaseAway, IndexRefused
from index.project import project, project_video
from index.rebuild import Tally, rebuild
from kadr.contracts.errors import KadrError, StoreFailure
from kadr.contracts.run import RunStatus
from kadr.pipeline.epochs import Objects
from kadr.storage import layout
from kadr.storage.store import ObjectStore

log = logging.getLogger(__name__)
REMEMBERED = 10_000
"""Runs that are remembered until they are recorded; with more, the whole bucket is looked through afterwards."""
OPEN_RUNS = 64
"""Open runs whose objects are kept, so that a new record costs one GET and not one for each record of the run."""
PART, LONGEST_PAUSE_S = 0.25, 15.0
"""An open run is looked at again after this part of the time that it has been open, and after so many seconds at the latest."""
PAUSES, REST_S = 4, 30.0
"""Catching up pauses so many times as long as it worked, 30 s at most."""
Named = tuple[str, str]


class Index:
    """The index of one bucket. Its methods may be called by several threads; none of them fails because the database is away."""

    def __init__(
        self,
        store: ObjectStore,
        database: Database,
        remembered: int = REMEMBERED,
        bucket: ObjectStore | None = None,
    ) -> None:
        """``bucket``: what is looked through as a whole, where ``store`` remembers what is in use and is to keep it."""
        self.store = store
        self.bucket = bucket or store
        self.database = database
        self._most = remembered
        self._behind: OrderedDict[Named, None] = OrderedDict()
        self._missed = False
        self._open: OrderedDict[Named, Objects] = OrderedDict()
        self._due: dict[Named, tuple[float, float]] = {}
        """Of open runs, on the monotonic clock: when each was first seen, and before when it is not looked at again."""
        self._lock = threading.Lock()

    @property
    def behind(self) -> int:
        """How many runs are to be caught up with."""
        return len(self._behind)

    @property
    def missed(self) -> bool:
        """Whether there were too many to remember: catching up then looks through the whole bucket."""
        return self._missed

    def record(self, owner: str, run_id: str) -> bool:
        """Bring a run's rows up to the bucket. False: the database or the store is away, and it is remembered.

        A run that cannot be indexed (a damaged request) is told in the log and counts as done: `kadr index check` names it.
        """
        at = (owner, run_id)
        with self._lock:
            self._behind.pop(at, None)  # before: what is told from now on is not read for certain
        try:
            self._project(at)
        except (DatabaseAway, StoreFailure) as error:
            self._remember(at)
            log.warning(
                "run %s is not indexed yet: %s", run_id, error, extra={"run_id": run_id, "owner": owner}
            )
            return False
        except KadrError as error:
            log.error("run %s is not indexed: %s", run_id, error, extra={"run_id": run_id, "owner": owner})
        return True

    def told(self, owner: str, run_id: str, ended: bool = False) -> None:
        """Something of the run was written: it is recorded when there is time for it (:meth:`keep_up`), once for all that was told.

        What ``ended`` is recorded at the next look; the longer a run goes on, the more rarely it is looked at until then.
        """
        at = (owner, run_id)
        with self._lock:
            if ended:
                self._due.pop(at, None)
        self._remember(at)

    def _project(self, at: Named) -> None:
        with self._lock:
            known = self._open.get(at)
        done = self.database.run(lambda connection: project(self.store, connection, *at, known))
        with self._lock:
            self._open.pop(at, None)
            first, now = self._due.pop(at, (time.monotonic(), 0.0))[0], time.monotonic()
            if done.objects is not None and not done.closed:
                self._open[at] = done.objects
                self._due[at] = (first, now + min(LONGEST_PAUSE_S, (now - first) * PART))
                if len(self._open) > OPEN_RUNS:
                    self._due.pop(self._open.popitem(last=False)[0], None)

    def _remember(self, at: Named) -> None:
        with self._lock:
            self._behind[at] = None
            if len(self._behind) > self._most:
                self._behind.popitem(last=False)
                self._missed = True

    def record_video(self, owner: str, video_id: str) -> bool:
        """The same for a video that no run looks at yet; if it cannot be recorded now, catching up looks through the bucket."""
        try:
            self.database.run(lambda connection: project_video(self.store, connection, owner, video_id))
        except (DatabaseAway, StoreFailure) as error:
            self._missed = True
            log.warning("video %s is not indexed yet: %s", video_id, error, extra={"owner": owner})
            return False
        except KadrError as error:
            log.error("video %s is not indexed: %s", video_id, error, extra={"owner": owner})
        return True

    def finished(self, owner: str, source: str, config_hash: str, ttl_days: int | None) -> str | None:
        """The run that answers the same question already: the one that finished last, if it is complete and within ``ttl_days``.

        None also while the database is away: a new run finds what was computed. Raises StoreFailure.
        """
        try:
            found = self.database.run(lambda c: queries.finished(c, owner, source, config_hash, ttl_days))
        except (DatabaseAway, IndexRefused) as error:
            log.warning("no finished run is looked for: %s", error, extra={"owner": owner})
            return None
        if found is None or found["status"] != RunStatus.COMPLETE:
            return None
        run_id = str(found["run_id"])
        return run_id if self.store.exists(layout.manifest(owner, run_id, found["manifest"])) else None

    def catch_up(self) -> int:
        """Record what was told of, and what was missed while the database was away. Returns how many runs; stops at once when
        it is away still."""
        with self._lock:
            now = time.monotonic()
            waiting = [at for at in self._behind if self._due.get(at, (0.0, 0.0))[1] <= now]
        done = 0
        for at in waiting:
            if not self.record(*at):
                return done
            done += 1
        if self._missed:
            tally = self.look_through()
            done += tally.written if tally is not None else 0
        return done

    def look_through(self) -> Tally | None:
        """Compare the whole bucket with the index, and write what differs: at a process's start, and when too much was missed.

        None: the database or the store is away; it is done when catching up.
        """
        self._missed = False  # before: what is missed from now on is missed anew
        try:
            return rebuild(self.bucket, self.database)
        except (DatabaseAway, StoreFailure) as error:
            self._missed = True
            log.warning("the index is not caught up with: %s", error)
            return None

    def keep_up(self, stop: threading.Event, pause_s: float = 1.0) -> None:
        """Catch up every ``pause_s`` until ``stop``: the body of a thread.

        Under load it pauses for longer than it worked, so that many records of a run are one look at it.
        """
        self._missed = True  # what happened before this process started is not known
        while not stop.is_set():
            began = time.monotonic()
            try:
                self.catch_up()
            except Exception:  # what one run has in it must not end this thread
                log.exception("the index met what it does not know")
            stop.wait(max(pause_s, min(REST_S, PAUSES * (time.monotonic() - began))))
