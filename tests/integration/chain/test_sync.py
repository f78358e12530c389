"""`POST /process/sync`: off unless it is turned on; then a run's whole life in one request, or where to look for it."""

from __future__ import annotations

from typing import Any, cast

import pytest
from flask import Flask
from flask.testing import FlaskClient

from api.app import Api, Begun
from api.sync import AT_ONCE, Sync
from kadr.storage.bucket import Bucket
from tests.integration.chain.conftest import OWNER, Chain

KEY = {"Authorization": "Bearer secret"}


def made(chain: Chain, on: bool, longest_s: float = 60.0) -> tuple[FlaskClient, Sync]:
    store, bucket = chain.house.store, cast(Bucket, None)  # nothing is uploaded here
    api = Api(store, bucket, lambda owner, body, key: Begun(chain.ask()), chain.tell, "secret", OWNER)
    app, sync = Flask("sync"), Sync(api, on, longest_s)
    app.register_blueprint(api.blueprint())
    app.register_blueprint(sync.blueprint())
    return app.test_client(), sync


def post(client: FlaskClient, body: dict[str, Any], key: dict[str, str] | None = None) -> tuple[int, Any]:
    answer = client.post("/process/sync", json=body, headers=KEY if key is None else key)
    return answer.status_code, answer.get_json(force=True)


def test_off_it_says_which_setting_turns_it_on(chain: Chain) -> None:
    client, _ = made(chain, on=False)
    before = list(chain.house.store.list(f"state/{OWNER}/"))
    status, said = post(client, {})
    assert (status, said["title"]) == (403, "SyncOff")
    assert "KADR_PROCESS_SYNC=true" in said["detail"]
    assert post(client, {}, {})[0] == 401
    assert list(chain.house.store.list(f"state/{OWNER}/")) == before


def test_it_answers_when_the_run_has_ended(chain: Chain) -> None:
    chain.start()
    client, _ = made(chain, on=True)
    status, said = post(client, {"video_source": {}})
    assert (status, said["status"]) == (200, "complete")
    assert said["components"]["loudness"]["state"] == "succeeded"
    found = client.get(said["url"], headers=KEY).get_json()
    assert (found["manifest"], found["ended_ms"]) == (said["manifest"], said["ended_ms"])
    assert said["ended_ms"] >= said["created_ms"] // 1000 * 1000


def test_when_time_is_over_it_says_where_the_run_is(chain: Chain) -> None:
    client, _ = made(chain, on=True)
    status, said = post(client, {"timeout_s": 0.3})  # nothing works on it
    assert (status, said["status"], said["title"]) == (504, 504, "RunGoesOn")
    assert said["url"].endswith(said["run_id"])
    assert client.get(said["url"], headers=KEY).get_json()["ended_ms"] is None
    chain.start()


@pytest.mark.parametrize("told", [0, -1, 301, "5", True, None])
def test_it_waits_no_longer_than_it_may(chain: Chain, told: object) -> None:
    status, said = post(made(chain, on=True, longest_s=300)[0], {"timeout_s": told})
    assert status == 422
    assert "at most 300" in said["detail"]


def test_few_may_wait_at_once(chain: Chain) -> None:
    client, sync = made(chain, on=True)
    for _ in range(AT_ONCE):
        assert sync._places.acquire(blocking=False)
    assert post(client, {})[0] == 503
