"""A batch of many videos under a small limit of open files."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.e2e.conftest import Kadr, Said
from tests.media_files import numbered, write_video

VIDEOS, OPEN_FILES = 40, 44


def test_more_videos_than_files_may_be_open(kadr: Kadr, tmp_path: Path) -> None:
    for i in range(VIDEOS):
        write_video(tmp_path / f"{i:02}.mp4", numbered(5 + i))
    command = kadr.command("analyze", tmp_path / "*.mp4", "--only", "probe", "--json")
    limited = ["sh", "-c", f'ulimit -n {OPEN_FILES} && exec "$@"', "kadr", *command]
    done = subprocess.run(
        limited, env=kadr.environment, cwd=kadr.root, capture_output=True, text=True, check=False, timeout=300
    )
    said = Said(done.returncode, done.stdout, done.stderr)
    assert said.code == 0, said.err
    assert [v["status"] for v in said.events("summary")[0]["videos"]] == ["complete"] * VIDEOS
    assert not list((kadr.home / "store/claims").glob("run-*"))
