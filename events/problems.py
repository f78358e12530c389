"""Errors as HTTP answers: problem+json (RFC 9457), with what a queue needs to know."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import Flask, Response
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as Answer

from kadr.contracts.errors import KadrError

CONTENT_TYPE = "application/problem+json"
AGAIN = (408, 429)
"""Refusals that pass, beside those of 500 and above."""


def problem(
    status: int, code: str, detail: str, retryable: bool, retry_after_s: int | None = None, **more: Any
) -> Response:
    """An answer that says what was wrong; ``retryable`` decides whether a queue tries again."""
    body: Mapping[str, Any] = {
        "type": f"urn:kadr:error:{code}",
        "title": code,
        "status": status,
        "detail": detail,
        "retryable": retryable,
        **more,
    }
    answer = Response(json.dumps(body), status, content_type=CONTENT_TYPE)
    if retry_after_s is not None:
        answer.headers["Retry-After"] = str(retry_after_s)
    return answer


def problem_of(error: KadrError, **more: Any) -> Response:
    return problem(error.status, error.code, str(error), error.retryable, **more)


def add_problems(app: Flask) -> None:
    """What the server itself refuses (no such route, too large, …) and what nobody caught are problems like any other."""
    app.register_error_handler(HTTPException, _of_http)


def _of_http(error: HTTPException) -> Answer | HTTPException:
    if error.code is None or error.code < 400 or error.response is not None:
        return error
    again = error.code >= 500 or error.code in AGAIN
    answer = problem(error.code, type(error).__name__, error.description or error.name, again)
    answer.headers.extend([(n, v) for n, v in error.get_headers() if n.lower() != "content-type"])
    return answer
