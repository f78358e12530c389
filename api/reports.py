"""Reports of runs: their files by the API's key, and a link that a browser opens, signed for one report and good for an hour."""

from __future__ import annotations

import hashlib
import hmac
import mimetypes
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from flask import Blueprint, Response

from api.app import NAME, Api, Conflict, NotFound, problem, said
from kadr.contracts.errors import KadrError, ObjectMissing
from kadr.contracts.run import Request
from kadr.storage import layout

EXPIRES_S = 3600
PAGE = "report.html"
_SECONDS = re.compile(r"[1-9][0-9]{0,11}")


class LinkRefused(KadrError):
    """This link is not good, or no longer: `GET /v1/runs/ID/report` with the API key makes a new one."""

    status = 403


@dataclass(frozen=True)
class ReportRoutes:
    """``secret``: known to the service alone; who knows it can sign links to all of the owner's reports."""

    api: Api
    secret: str = field(repr=False)
    now: Callable[[], float] = time.time

    def blueprint(self) -> Blueprint:
        made = Blueprint("reports", __name__, url_prefix="/v1")
        made.register_error_handler(KadrError, problem)
        made.add_url_rule("/runs/<run_id>/report", "link", self.link)
        made.add_url_rule("/runs/<run_id>/report/<name>", "file", self.file)
        made.add_url_rule("/reports/<run_id>/<manifest>/<expires>/<signature>/<name>", "signed", self.signed)
        return made

    def link(self, run_id: str) -> Response:
        """Where a browser opens the report without a key, and the names of all its files."""
        self.api.check_key()
        asked, manifest = self._closed(run_id)
        prefix = layout.report_prefix(asked.owner, run_id, manifest)
        files = sorted(name.removeprefix(prefix) for name in self.api.store.list(prefix))
        if PAGE not in files:
            raise NotFound(f"run {run_id} has no report (yet)")
        expires = str(int(self.now()) + EXPIRES_S)
        at = f"/v1/reports/{run_id}/{manifest}/{expires}/{self._signature(run_id, manifest, expires)}/{PAGE}"
        return said(200, {"run_id": run_id, "url": at, "expires_s": EXPIRES_S, "files": files})

    def file(self, run_id: str, name: str) -> Response:
        self.api.check_key()
        asked, manifest = self._closed(run_id)
        return self._answer(asked.owner, run_id, manifest, name)

    def signed(self, run_id: str, manifest: str, expires: str, signature: str, name: str) -> Response:
        right = self._signature(run_id, manifest, expires)
        if not self.api.key or not hmac.compare_digest(_bytes(signature), right.encode()):
            raise LinkRefused
        if not _SECONDS.fullmatch(expires) or int(expires) < self.now():
            raise LinkRefused
        answer = self._answer(self.api.owner, run_id, manifest, name)
        answer.headers["Referrer-Policy"] = "no-referrer"  # the address lets in whoever has it
        answer.headers["Cache-Control"] = "private, no-store"
        return answer

    def _signature(self, *about: str) -> str:
        signed = "/".join(("report", self.api.owner, *about))
        return hmac.new(self.secret.encode(), _bytes(signed), hashlib.sha256).hexdigest()

    def _closed(self, run_id: str) -> tuple[Request, str]:
        asked, state = self.api.state(run_id)
        if state.closed is None:
            raise Conflict(f"run {run_id} is {state.status.value}: it has a report when it has ended")
        return asked, state.closed.manifest

    def _answer(self, owner: str, run_id: str, manifest: str, name: str) -> Response:
        if not NAME.fullmatch(name):
            raise NotFound(f"run {run_id} has no {name!r}")
        try:
            body = self.api.store.get(layout.report_file(owner, run_id, manifest, name))
        except ObjectMissing as error:
            raise NotFound(f"run {run_id} has no {name!r} (yet)") from error
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        answer = Response(body, 200, content_type=kind)
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
