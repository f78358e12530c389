"""The render stage: a function over a closed run, from its manifest and results to the files that people open."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from kadr.contracts.artifact import Artifact
from kadr.contracts.manifest import Manifest
from kadr.pipeline import catalogue
from kadr.pipeline.messages import RenderSpec
from kadr.pipeline.runner import Shell
from kadr.storage import layout
from kadr.storage.results import ResultId, read_result
from kadr.storage.store import ObjectStore


class StoredRun:
    """A closed run in the store, as render functions see it (``kadr.contracts.view.RunView``)."""

    def __init__(self, store: ObjectStore, manifest: Manifest, video_href: str, title: str) -> None:
        self._store = store
        self._manifest = manifest
        self.manifest: Mapping[str, Any] = manifest.view()
        self.title = title or manifest.request.source_name
        self.video_href = video_href

    def artifact(self, component: str) -> Artifact | None:
        """The component's whole-video result, or None when it has none."""
        record, video_id = self._manifest.final(component), self._manifest.video_id
        if record is None or video_id is None:
            return None
        result, owner = record.result(component), self._manifest.request.owner
        return read_result(self._store, ResultId(owner, video_id, component, result.key, result.digest))


def render(shell: Shell, spec: RenderSpec) -> tuple[str, ...]:
    """Render ``spec`` and return the names of the objects written."""
    body = shell.store.get(layout.manifest(spec.owner, spec.run_id, spec.manifest))
    manifest = Manifest.named(json.loads(body), spec.manifest)
    component = catalogue.component(spec.component)
    view = StoredRun(shell.store, manifest, spec.video_href, spec.title)
    names = []
    for name, content in component.function(view, component.params()).items():
        names.append(layout.report_file(spec.owner, spec.run_id, spec.manifest, name))
        shell.store.put(names[-1], content)
    return tuple(names)
