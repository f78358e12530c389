"""A log line is one JSON object, whatever is logged, and says whose work it is about."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
import uuid
from typing import Any

import pytest

from events.messages import about, trace_of
from kadr.telemetry.logs import JsonLines, trace_id

RUN = str(uuid.UUID(int=7))


def line(message: str, *args: object, **extra: Any) -> dict[str, Any]:
    record = logging.getLogger("kadr.pump").makeRecord(
        "kadr.pump", logging.INFO, __file__, 1, message, args, None, extra=extra
    )
    text = JsonLines("control").format(record)
    assert "\n" not in text
    said: dict[str, Any] = json.loads(text)
    return said


def test_a_line_names_time_level_process_and_whose_work_it_is() -> None:
    said = line("%s: done", "speech", **about(RUN, "ada", "speech"))
    assert said["message"] == "speech: done"
    assert (said["level"], said["process"], said["owner"], said["task"]) == (
        "INFO",
        "control",
        "ada",
        "speech",
    )
    assert said["time"].endswith("Z")
    assert said["trace_id"] == RUN.replace("-", "") == trace_id(trace_of(RUN))


def test_text_of_any_kind_stays_on_its_line() -> None:
    assert line("a\nb\x1b[2J\u2028é")["message"] == "a\nb\x1b[2J\u2028é"


def test_what_is_not_known_is_left_out() -> None:
    assert not {"trace_id", "run_id", "owner", "task", "function"} & line("hello").keys()
    assert "trace_id" not in line("of a stranger", **about("not a run", "ada"))


@pytest.mark.parametrize("parent", ["", "00", "x-y-z-1", "00-short-b7ad6b7169203331-01"])
def test_what_is_no_traceparent_has_no_trace(parent: str) -> None:
    assert trace_id(parent) == ""


def test_a_process_that_falls_says_so_in_one_line_and_levels_are_kept() -> None:
    program = (
        "import logging, sys, warnings\n"
        "from kadr.telemetry import logs\n"
        "logs.setup('web', 'ocr', sys.argv[1])\n"
        "logging.getLogger('kadr.x').info('said')\n"
        "logging.getLogger('other').info('chatter')\n"
        "warnings.warn('old', stacklevel=1)\n"
        "raise RuntimeError('boom')\n"
    )

    def said(level: str) -> list[dict[str, Any]]:
        done = subprocess.run(
            [sys.executable, "-c", program, level], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 1
        return [json.loads(text) for text in done.stderr.splitlines()]

    info = said("INFO")
    assert [entry["level"] for entry in info] == ["INFO", "WARNING", "CRITICAL"]
    assert {(entry["process"], entry["function"]) for entry in info} == {("web", "ocr")}
    assert "boom" in info[-1]["message"]
    assert "RuntimeError" in info[-1]["error"]
    assert [entry["level"] for entry in said("ERROR")] == ["CRITICAL"]
