"""Tables as pyarrow and fastparquet read them."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from typing import Any

import fastparquet
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.unit.exports.runs import exported, source
from tests.unit.functions.report_fixture import complete, empty, hostile, partial

TABLES = (
    "segments", "words", "turns", "captions", "passages", "keywords", "shots", "scenes", "texts", "objects",
    "object_detections", "faces", "face_detections", "sounds", "tags", "moderation", "quality",
)  # fmt: skip


def tables(run: Any) -> dict[str, Any]:
    files = exported("parquet", run).files
    return {n.split(".")[1]: pq.read_table(io.BytesIO(b)) for n, b in files.items()}


def test_every_kind_is_a_table_with_a_row_for_each_item() -> None:
    run = source(complete())
    found = tables(run)
    assert tuple(found) == TABLES
    for name in (
        "turns",
        "passages",
        "keywords",
        "shots",
        "scenes",
        "texts",
        "objects",
        "faces",
        "sounds",
        "tags",
        "quality",
    ):
        assert found[name].num_rows == len(run.found[name]) > 0, name
    assert found["words"].num_rows == sum(len(s["words"]) for s in run.found["transcript"])
    assert found["moderation"].num_rows == len(run.found["moderation"]["spans"]) > 0


def test_rows_are_what_insights_say() -> None:
    run = source(complete())
    found = tables(run)
    word, said = found["words"].to_pylist()[20], [w for s in run.found["transcript"] for w in s["words"]][20]
    assert {k: word[k] for k in ("start_ms", "end_ms", "text", "space", "speaker")} == {
        k: said[k] for k in ("start_ms", "end_ms", "text", "space", "speaker")
    }
    face, seen = found["faces"].to_pylist()[0], run.found["faces"][0]
    assert dict(face["emotions"]) == pytest.approx(seen["emotions"])
    assert face["best_box"] == pytest.approx(seen["best_box"])
    assert face["evidence"] == seen["evidence"]
    assert found["texts"].to_pylist()[0]["quad"] == [v for p in run.found["texts"][0]["quad"] for v in p]
    assert found["scenes"].to_pylist()[1]["shots"] == run.found["scenes"][1]["shots"]
    spans = [[s["start_ms"], s["end_ms"]] for s in found["tags"].to_pylist()[0]["spans"]]
    assert spans == run.found["tags"][0]["spans"]


def test_times_are_whole_milliseconds_and_every_row_names_its_run() -> None:
    run = source(complete())
    for name, table in tables(run).items():
        assert all(
            str(t) == "int64"
            for n, t in zip(table.column_names, table.schema.types, strict=True)
            if n.endswith("_ms")
        ), name
        assert set(table["run_id"].to_pylist()) <= {run.found["run"]["run_id"]}
        assert table.column_names[:2] == ["run_id", "video_id"]
        facts = json.loads(table.schema.metadata[b"kadr"])
        assert (facts["table"], facts["title"]) == (name, "harbour.mp4")


def test_embeddings_and_detections_come_from_the_results() -> None:
    run = complete()
    vectors = (
        np.random.default_rng(1).normal(size=run.artifacts["passages"]["embedding"].shape).astype(np.float16)
    )
    run.artifacts["passages"].arrays["embedding"][:] = vectors
    found = tables(source(run))
    assert np.array_equal(np.array(found["passages"]["embedding"].to_pylist(), np.float16), vectors)
    boxes = found["object_detections"]
    assert boxes["t_ms"].to_pylist() == run.artifacts["objects"]["det_t_ms"].tolist()
    tracks = found["objects"].to_pylist()
    assert all(tracks[d["track"]]["label"] == d["label"] for d in boxes.to_pylist())


@pytest.mark.parametrize("made", [complete, partial, empty, hostile])
def test_another_reader_finds_the_same_rows(made: Any) -> None:
    for name, body in exported("parquet", source(made())).files.items():
        rows = fastparquet.ParquetFile(io.BytesIO(body)).to_pandas()
        assert len(rows) == pq.read_table(io.BytesIO(body)).num_rows, name
        if "text" in rows and len(rows):
            assert list(rows["text"]) == pq.read_table(io.BytesIO(body))["text"].to_pylist()


def test_tables_of_several_runs_stack() -> None:
    for name, table in tables(source(empty())).items():
        assert table.num_rows == 0
        other = tables(source(complete()))[name]
        assert pa.concat_tables([table, other]).num_rows == other.num_rows


def test_the_same_run_gives_the_same_bytes() -> None:
    run = source(complete())
    assert exported("parquet", run).files == exported("parquet", run).files


def test_without_pyarrow_it_says_what_brings_it() -> None:
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from exports.formats import FORMATS, LibraryMissing\n"
        "try: FORMATS['parquet'].export(None, None)\n"
        "except LibraryMissing as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert (
        said
        == f"parquet needs pyarrow, which is not installed: `{sys.executable} -m pip install pyarrow` brings it\n"
    )
