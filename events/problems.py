"""Errors as HTTP answers: problem+json (RFC 9457), with what a queue needs to know."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from flask import Response

from kadr.contracts.errors import KadrError

CONTENT_TYPE = "application/problem+json"


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
