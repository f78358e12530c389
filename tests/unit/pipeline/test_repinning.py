"""A run that is tried again is answered by the components of today, as far as they can be asked the same."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest
from flask import Flask

from api.app import Api
from cli.compose import Machine
from kadr.contracts.keys import jcs
from kadr.contracts.profile import Profile
from kadr.contracts.run import Done, Request, Retry, RunStatus
from kadr.pipeline.admission import load_objects, request_for
from kadr.pipeline.catalogue import Catalogue, Entry, load
from kadr.pipeline.repinning import AskedOtherwise, repinned
from kadr.storage import layout
from kadr.storage.bucket import Bucket
from kadr.storage.files import FileStore

PROFILE = Profile(components=("ocr", "shots", "loudness"), required=("probe", "ocr"))


def asked() -> Request:
    return request_for(Machine().question(PROFILE), "v.mp4", "https://v.example/v.mp4", owner="main")


def changed(name: str, **more: Any) -> Catalogue:
    """Today's catalogue with a component that is declared otherwise."""
    known = load().components
    return Catalogue(components={**known, name: known[name].model_copy(update=more)})


def with_params(name: str, properties: dict[str, Any], **more: Any) -> Catalogue:
    params = load().components[name].params
    return changed(name, params={**params, "properties": properties}, **more)


def settable(entry: Entry) -> dict[str, Any]:
    found: dict[str, Any] = entry.params.get("properties", {})
    return found


def test_where_nothing_changed_the_graph_is_the_same() -> None:
    request = asked()
    assert repinned(request, request.graph.required, load()) == request.graph


def test_versions_are_todays_and_a_new_parameter_means_as_before() -> None:
    request, known = asked(), load().components["loudness"]
    added = {**settable(known), "added": {"type": "integer", "default": 7}}
    of_today = with_params("loudness", added, version=known.version + 1, neutral={"added": 3})
    graph = repinned(request, request.graph.required, of_today)
    assert graph.catalogue == of_today.digest != request.graph.catalogue
    before, now = request.graph.node("loudness"), graph.node("loudness")
    assert now == before.model_copy(update={"version": before.version + 1})
    assert graph.node("ocr") == request.graph.node("ocr")


def test_what_cannot_be_asked_any_more_is_named() -> None:
    request, known = asked(), load().components
    without = Catalogue(components={n: e for n, e in known.items() if n != "loudness"})
    fewer = dict(list(settable(known["ocr"]).items())[1:])
    ways = {
        "no component loudness any more": without,
        f"ocr has no parameter {next(iter(settable(known['ocr'])))}": with_params("ocr", fewer),
        "ocr works with other models": changed("ocr", models=("another",)),
    }
    for why, catalogue in ways.items():
        with pytest.raises(AskedOtherwise, match=why):
            repinned(request, request.graph.required, catalogue)


def test_the_apis_retry_pins_the_catalogue_anew(tmp_path: Path) -> None:
    store, request = FileStore(tmp_path / "store"), asked()
    prefix = layout.state_prefix(request.owner, request.run_id)
    store.put(layout.request(request.owner, request.run_id), jcs(request.model_dump(mode="json")))
    done = Done(manifest="0" * 64, status=RunStatus.FAILED, records=())
    store.put(prefix + layout.done(1, done.manifest), jcs(done.model_dump(mode="json")))
    of_today = changed("loudness", version=99)
    nothing = cast(Bucket, None)  # nothing is uploaded
    app, told = Flask("retry"), list[str]()
    api = Api(store, nothing, cast(Any, None), told.append, "secret", request.owner, of_today)
    app.register_blueprint(api.blueprint())
    answer = app.test_client().post(
        f"/v1/runs/{request.run_id}/retry", headers={"Authorization": "Bearer secret"}
    )
    assert (answer.status_code, told) == (202, [prefix + layout.retry(2)]), json.loads(answer.data)
    retry = load_objects(store, request)[layout.retry(2)]
    assert isinstance(retry, Retry)
    assert retry.graph.node("loudness").version == 99
    assert retry.graph.required == request.graph.required
