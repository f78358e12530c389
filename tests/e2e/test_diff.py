"""``kadr diff`` on real runs of one video."""

from __future__ import annotations

import json
from pathlib import Path

from tests.e2e.conftest import REEL, Kadr

ONLY = ("--only", "shots,ocr", "--to", "0:12")


def test_two_runs_that_asked_differently(kadr: Kadr, tmp_path: Path) -> None:
    kadr("analyze", REEL, *ONLY, "--out", tmp_path / "o")
    said = kadr("diff", REEL)
    assert said.code == 2
    assert "has no run before" in said.err
    kadr("analyze", REEL, *ONLY, "--set", "ocr.fps=0.2", "--out", tmp_path / "o")
    said = kadr("diff", REEL, "--json", "--page", tmp_path / "pages/diff.html")
    assert said.code == 1
    found = json.loads(said.out)
    assert found["same_video"]
    assert "ocr.fps: 1 → 0.2" in found["asked_otherwise"]
    assert not found["kinds"]["shots"]["lost"] + found["kinds"]["shots"]["added"]
    texts = found["kinds"]["texts"]
    assert texts["moved"] or texts["lost"]
    page = (tmp_path / "pages/diff.html").read_text()
    assert found["before"]["run_id"] in page
    assert "KADR SAMPLE REEL" in page
    assert "http" not in page.replace("http-equiv", "")
    asked = ("diff", REEL, "--page", tmp_path / "pages/diff.html")
    assert kadr(*asked).code == 1
    (tmp_path / "pages/diff.html").write_text("somebody's own")
    refused = kadr(*asked)
    assert "diff.html is there already and holds something else: name another --page" in refused.err
    assert (tmp_path / "pages/diff.html").read_text() == "somebody's own"
    kadr(*asked, "--force")
    assert (tmp_path / "pages/diff.html").read_text() == page
    text = kadr("diff", found["before"]["run_id"], found["after"]["run_id"][:8])
    assert text.code == 1
    assert "asked   ocr.fps: 1 → 0.2" in text.out
    fewer = kadr("analyze", REEL, "--only", "shots", "--to", "0:12", "--out", tmp_path / "o", "--json")
    less = kadr("diff", found["before"]["run_id"], fewer.video["run_id"])
    assert less.code == 0
    assert "not asked after: texts (" in less.out
    assert "Nothing differs in what both were asked." in less.out
    same = kadr("diff", found["after"]["run_id"], found["after"]["run_id"])
    assert (same.code, "Nothing differs." in same.out) == (0, True)
