"""Object names: what is put together can be listed by its beginning and taken apart again."""

from __future__ import annotations

import pytest

from kadr.storage import layout

RUN, VIDEO, HASH, DIGEST = "3f2a-run", "a" * 64, "b" * 64, "c" * 64


def test_names_read_back() -> None:
    assert layout.video_id_of(layout.alias("local", HASH, VIDEO)) == VIDEO
    assert layout.run_of(layout.request("local", RUN)) == RUN
    assert layout.run_of(layout.manifest_copy("local", RUN)) == RUN
    assert layout.run_of(layout.run_marker("local", VIDEO, RUN)) == RUN
    assert layout.parse_state(layout.retry(12)) == layout.MarkName("retry", 12, None)
    assert layout.parse_state(layout.cancelled(1)) == layout.MarkName("cancelled", 1, None)
    assert layout.parse_state(layout.done(2, DIGEST)) == layout.MarkName("done", 2, DIGEST)
    task = layout.task_name("ocr", DIGEST, 7)
    assert layout.parse_state(layout.record_ok(3, task, HASH, DIGEST)) == layout.RecordName(
        3, "ocr.cccccccc-0007", "b" * 16, "c" * 16
    )
    assert layout.parse_state(layout.record_failed(3, "ocr", HASH)) == layout.RecordName(
        3, "ocr", "b" * 16, None
    )


def test_prefixes_find_their_names() -> None:
    request = layout.request("local", RUN)
    assert request.startswith(layout.requests_prefix("local"))
    assert request.startswith(layout.requests_prefix("local", "3f"))
    assert not request.startswith(layout.requests_prefix("local", "4"))
    assert request.startswith(layout.state_prefix("local", RUN))
    assert layout.manifest_copy("local", RUN).startswith(layout.runs_prefix("local"))
    assert layout.alias("local", HASH, VIDEO).startswith(layout.alias_prefix("local", HASH))


@pytest.mark.parametrize("name", ["", "request.json", "ocr.json", "0/ocr.x.failed.json", "retry.1.json.bak"])
def test_names_of_no_meaning(name: str) -> None:
    assert layout.parse_state(name) is None
    for read in (layout.run_of, layout.video_id_of, layout.video_id_of_reference, layout.parse_result):
        assert read(name) is None


@pytest.mark.parametrize("folder", ["aliases", "state", "runs", "videos", "results"])
@pytest.mark.parametrize(
    "stray", ["local/.DS_Store", "local/x/.DS_Store", "local/x/runs/.DS_Store", "local/x/y.txt"]
)
def test_stray_files_name_no_video(folder: str, stray: str) -> None:
    name = f"{folder}/{stray}"
    for read in (layout.video_id_of, layout.video_id_of_reference, layout.parse_result):
        assert read(name) is None
    assert layout.run_of(name) == ("x" if folder in ("state", "runs") and "/x/" in name else None)
