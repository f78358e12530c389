"""Apache Parquet: a table for each kind of thing that was found, empty ones too, so that tables of many runs stack.

Every row begins with ``run_id`` and ``video_id`` and ends with ``evidence``, as in insights.json; times are int64 milliseconds.
Each file's metadata has the run as JSON under ``kadr``.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from exports.source import Exported, Options, Source

Row = Mapping[str, Any]
MS, WHOLE, SCORE, TEXT = pa.int64(), pa.int32(), pa.float32(), pa.string()
BOX = pa.list_(pa.float32())
SPANS = pa.list_(pa.struct({"start_ms": MS, "end_ms": MS}))
RUN = {"run_id": TEXT, "video_id": TEXT}
SPAN = {"start_ms": MS, "end_ms": MS}
EVIDENCE = {"evidence": pa.struct({"component": TEXT, "key": TEXT, "digest": TEXT, "index": WHOLE})}
TRACK = {"track": WHOLE, **SPAN, "score": SCORE, "detections": WHOLE, "best_ms": MS, "best_box": BOX}
DETECTION = {"track": WHOLE, "t_ms": MS, "label": TEXT, "score": SCORE, "box": BOX}


@dataclass(frozen=True)
class Kind:
    columns: Mapping[str, pa.DataType]
    rows: Callable[[Source], Iterable[Row]]


def export(source: Source, _: Options) -> Exported:
    """``.words.parquet`` and so on, Zstandard compressed."""
    return Exported({f".{name}.parquet": _file(source, name, kind) for name, kind in KINDS.items()})


def _file(source: Source, name: str, kind: Kind) -> bytes:
    run, video = source.found["run"], source.found["video"]
    own = {"run_id": run["run_id"], "video_id": video["video_id"]}
    facts = {"table": name, "insights": source.found["schema_version"], "title": video["title"], **own}
    facts |= {n: run[n] for n in ("owner", "epoch", "created_ms", "config_hash", "kadr_version")}
    schema = pa.schema({**RUN, **kind.columns}, {"kadr": json.dumps(facts)})
    table = pa.Table.from_pylist([{**own, **row} for row in kind.rows(source)], schema)
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def _items(name: str) -> Callable[[Source], Iterable[Row]]:
    """The list of insights.json called ``name``, its lists of points and of spans as tables have them."""
    return lambda source: map(_flat, source.found[name])


def _flat(item: Row) -> Row:
    changed: dict[str, Any] = {}
    if "quad" in item:
        changed["quad"] = [value for point in item["quad"] for value in point]
    if "spans" in item:
        changed["spans"] = [dict(zip(SPAN, span, strict=True)) for span in item["spans"]]
    return {**item, **changed}


def _words(source: Source) -> Iterator[Row]:
    for i, segment in enumerate(source.found["transcript"]):
        for word in segment["words"]:
            evidence = {**segment["evidence"], "index": word["index"]}
            yield {**word, "segment": i, "language": segment["language"], "evidence": evidence}


def _tracks(name: str) -> Callable[[Source], Iterable[Row]]:
    return lambda source: ({"track": t["evidence"]["index"], **t} for t in source.found[name])


def _detections(name: str) -> Callable[[Source], Iterable[Row]]:
    def rows(source: Source) -> Iterator[Row]:
        artifact = source.artifact(name)
        if artifact is None or "det_t_ms" not in artifact.arrays:
            return
        labels = [str(label) for label in artifact.payload.get("labels", ())]
        which = artifact["det_label"].tolist() if "det_label" in artifact.arrays else []
        columns = (artifact[f"det_{n}"].tolist() for n in ("track", "t_ms", "score", "box"))
        for i, row in enumerate(zip(*columns, strict=True)):
            label = labels[which[i]] if which else "face"
            yield dict(zip(("track", "t_ms", "score", "box"), row, strict=True)) | {"label": label}

    return rows


def _passages(source: Source) -> Iterator[Row]:
    artifact = source.artifact("passages")
    vectors = artifact.arrays.get("embedding", ()) if artifact is not None else ()
    for passage in source.found["passages"]:
        i = passage["evidence"]["index"]
        yield {**passage, "embedding": vectors[i].tolist() if i < len(vectors) else None}


def _moderation(source: Source) -> Iterable[Row]:
    found = source.found["moderation"]
    return found["spans"] if found else ()


KINDS = {
    "segments": Kind({**SPAN, "text": TEXT, "score": SCORE, "no_speech": SCORE, "language": TEXT,
        "speaker": TEXT, **EVIDENCE}, _items("transcript")),
    "words": Kind({"segment": WHOLE, **SPAN, "text": TEXT, "space": pa.bool_(), "score": SCORE, "speaker": TEXT,
        "language": TEXT, **EVIDENCE}, _words),
    "turns": Kind({**SPAN, "speaker": TEXT, "score": SCORE, **EVIDENCE}, _items("turns")),
    "captions": Kind({**SPAN, "text": TEXT, "source": TEXT, **EVIDENCE}, _items("captions")),
    "passages": Kind({**SPAN, "kind": TEXT, "text": TEXT, "language": TEXT, "speaker": TEXT, "sentiment": SCORE,
        "embedding": pa.list_(SCORE), **EVIDENCE}, _passages),
    "keywords": Kind({"text": TEXT, "score": SCORE, "spans": SPANS, **EVIDENCE}, _items("keywords")),
    "shots": Kind({"index": WHOLE, "scene": WHOLE, **SPAN, "kind": TEXT, "score": SCORE, **EVIDENCE}, _items("shots")),
    "scenes": Kind({"index": WHOLE, **SPAN, "shots": pa.list_(WHOLE), **EVIDENCE}, _items("scenes")),
    "texts": Kind({**SPAN, "text": TEXT, "score": SCORE, "quad": BOX, **EVIDENCE}, _items("texts")),
    "objects": Kind({**TRACK, "label": TEXT, **EVIDENCE}, _tracks("objects")),
    "object_detections": Kind(DETECTION, _detections("objects")),
    "faces": Kind({**TRACK, "emotion": TEXT, "emotions": pa.map_(TEXT, SCORE), **EVIDENCE}, _tracks("faces")),
    "face_detections": Kind(DETECTION, _detections("faces")),
    "sounds": Kind({**SPAN, "label": TEXT, "score": SCORE, **EVIDENCE}, _items("sounds")),
    "tags": Kind({**SPAN, "label": TEXT, "score": SCORE, "seen_ms": MS, "spans": SPANS, **EVIDENCE}, _items("tags")),
    "moderation": Kind({**SPAN, "label": TEXT, "score": SCORE, **EVIDENCE}, _moderation),
    "quality": Kind({**SPAN, "kind": TEXT, **EVIDENCE}, _items("quality")),
}  # fmt: skip
