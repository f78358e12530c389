"""A function whose store is away says so, so that its task is tried again and loses no attempt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cli.servers.process import free_port
from events import binding
from events.acquire import Acquire
from events.pump import OUTAGE
from events.sources import Sources
from events.watched import Watched
from kadr.storage.cache import Cache
from kadr.storage.s3 import S3Store
from kadr.storage.s3_client import Patience, S3Address, S3Client
from kadr.telemetry.metrics import FunctionMetrics


def test_a_store_that_is_away_before_anything_is_known_is_named(tmp_path: Path) -> None:
    address = S3Address(f"http://127.0.0.1:{free_port()}", "kadr", "key", "secret")
    store = S3Store(S3Client(address, Patience(retries=0)), Cache(tmp_path, 1 << 20))
    nobody: Any = None
    acquire = Watched(
        "acquire", Acquire(store, nobody, Sources(store, nobody, nobody), "kadr").take, FunctionMetrics()
    )
    task = {"user_id": "anna", "run_id": "r", "acquire": {"epoch": 1}}
    answer = acquire.take(binding.Event("1", "/test", binding.TASK_READY, task))
    said = json.loads(answer.data)
    assert (answer.status_code, said["retryable"]) == (503, True)
    assert said["title"] in OUTAGE
