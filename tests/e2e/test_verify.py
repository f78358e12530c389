"""``kadr verify``: the same run gives the same results, and what does not is named."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Kadr
from tests.media_files import numbered, write_video

ONLY = ("--only", "quality,loudness,shots")


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "v.mp4"
    write_video(path, numbered(100), tone_s=4.0)
    return path


def verified(kadr: Kadr, *args: str | Path) -> tuple[int, dict[str, Any]]:
    said = kadr("verify", *args, "--json")
    assert said.out.startswith("{"), said.err
    return said.code, json.loads(said.out)


def test_a_run_verifies_and_leaves_no_trace(kadr: Kadr, video: Path, tmp_path: Path) -> None:
    kadr("analyze", video, *ONLY, "--out", tmp_path / "o")
    before = sorted(p for p in (kadr.home / "store").rglob("*") if p.is_file())
    code, said = verified(kadr, video)
    assert code == 0
    assert set(said["again"]) == {"identical"}
    assert set(said["components"]) == {"probe", "decode", "pcm", "quality", "loudness", "shots"}
    assert said["again"] == said["stored"]
    assert sorted(p for p in (kadr.home / "store").rglob("*") if p.is_file()) == before
    assert not (kadr.home / "verify").exists()
    text = kadr("verify", video)
    assert "came out the same" in text.out


def test_what_is_damaged_or_lost_in_the_store_is_named(kadr: Kadr, video: Path, tmp_path: Path) -> None:
    kadr("analyze", video, *ONLY, "--out", tmp_path / "o")
    results = kadr.home / "store/results/local"
    (npz,) = results.glob("*/loudness/*/*.npz")
    body = bytearray(npz.read_bytes())
    body[len(body) // 2] ^= 1
    npz.write_bytes(bytes(body))
    next(results.glob("*/shots/*/*.json")).unlink()
    packs = list(results.glob("*/decode/*/*.npz"))
    for pack in packs:
        pack.unlink()  # an intermediate may expire
    code, said = verified(kadr, video, "--stored")
    assert code == 1
    assert {(f["component"], f["verdict"]) for f in said["faults"]} == {
        ("loudness", "damaged"),
        ("shots", "missing"),
    }
    assert said["stored"]["expired"] == len(packs) > 0
    assert "again" not in said or not said["again"]


def test_a_record_that_was_lost_is_named_and_put_back(kadr: Kadr, video: Path, tmp_path: Path) -> None:
    kadr("analyze", video, "--only", "loudness", "--out", tmp_path / "o")
    (record,) = (kadr.home / "store/state/local").glob("*/1/loudness.*")
    body = record.read_bytes()
    record.unlink()
    text = kadr("verify", video, "--stored")
    assert text.code == 1
    assert "missing: record of loudness: it was removed; the manifest still holds it" in text.out
    assert not record.exists()
    assert text.out.splitlines()[-1].startswith("To put back what the manifest holds: `kadr verify ")
    code, said = verified(kadr, video, "--stored", "--heal")
    assert (code, said["healed"], record.read_bytes()) == (1, 1, body)
    assert verified(kadr, video, "--stored")[0] == 0


def test_results_that_come_out_differently_are_told_apart(
    own_kadr: Kadr, video: Path, tmp_path: Path
) -> None:
    """A component that is not a function of its inputs: once within what it declares, once beyond."""
    own_kadr("analyze", video, *ONLY, "--out", tmp_path / "o")
    made = "measures.lufs(windows)"
    own_kadr.edit("functions/loudness/component.py", made, f"({made} + 0.05)")
    code, said = verified(own_kadr, video, "--only", "loudness")
    assert (code, said["components"]["loudness"]) == (0, {"within tolerance": 1}), said
    own_kadr.edit("functions/loudness/component.py", "+ 0.05", "+ 3")
    code, said = verified(own_kadr, video, "--only", "loudness")
    assert code == 1
    (fault,) = said["faults"]
    assert (fault["component"], fault["verdict"]) == ("loudness", "different")
    assert fault["detail"] == "momentary_lufs: up to 3 apart, 0.1 allowed"


def test_what_cannot_be_made_again_here_is_said(own_kadr: Kadr, video: Path, tmp_path: Path) -> None:
    own_kadr("analyze", video, *ONLY, "--out", tmp_path / "o")
    own_kadr.edit("functions/loudness/component.py", "version=1", "version=2")
    own_kadr.module("kadr.pipeline.catalogue")
    code, said = verified(own_kadr, video)
    assert code == 3
    assert said["left_out"] == {"loudness": "was version 1, here it is 2"}
    assert "loudness" not in said["components"]


def test_another_file_or_an_open_run_is_refused(kadr: Kadr, video: Path, tmp_path: Path) -> None:
    kadr("analyze", video, *ONLY, "--out", tmp_path / "o")
    moved, other = tmp_path / "moved.mp4", tmp_path / "other.mp4"
    video.rename(moved)
    write_video(other, numbered(20))
    said = kadr("verify")
    assert said.code == 1
    assert "v.mp4: No such file or directory; if it was moved, say where it is by --video FILE; " in said.err
    assert verified(kadr, "--video", moved)[0] == 0
    said = kadr("verify", "--video", other)
    assert "is not the video of run" in said.err
    assert "no component ocr" in kadr("verify", "--only", "ocr").err
    for done in (kadr.home / "store/state").glob("*/*/done.*.json"):
        done.unlink()
    said = kadr("verify")
    assert said.code == 2
    assert "is not finished" in said.err


def test_a_name_that_is_not_utf_8_is_found_again(kadr: Kadr, video: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(video.parent) + b"/v\xff.mp4"))
    video.rename(odd)
    assert kadr("analyze", odd, "--only", "loudness").code == 0
    code, said = verified(kadr)
    assert (code, set(said["again"])) == (0, {"identical"})
    shown = json.loads(kadr("show", "--json").out)
    assert shown["status"] == "complete"
    assert Path(shown["files"]["report.html"]).is_file()
