"""How much of the source is read: all chunks together, the sound, and the look at all packets, as parts of the file's size.

    python tests/bench/reads.py [MINUTES]

The reel is looped (10 minutes by default) in each container without encoding it again, and read through Kadr's own functions from a
file that counts. DESIGN's budget: all chunks together read the source at most 1.2 times. Prints a table in Markdown.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from functions.decode.component import Pack  # noqa: E402 - the script runs from anywhere
from kadr.contracts.component import Frames  # noqa: E402
from kadr.contracts.media import ChunkSpan  # noqa: E402
from kadr.contracts.packs import pack_item  # noqa: E402
from kadr.media.pcm import hear  # noqa: E402
from kadr.media.plan import OVERLAP_MS, plan_chunks  # noqa: E402
from kadr.media.probe import probe_source  # noqa: E402
from kadr.media.sampling import make_packs  # noqa: E402

CONTAINERS = ("mp4", "mkv", "mov", "ts")


class _Counting(io.FileIO):
    """Counts what is read of it in the end, whatever was asked for."""

    def __init__(self, path: Path, source: Counted) -> None:
        super().__init__(path)
        self._source = source

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(-1 if size is None else size) or b""
        self._source.read += len(data)
        return data

    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer) or 0
        self._source.read += count
        return count


@dataclass
class Counted:
    """A video's bytes (:class:`kadr.contracts.media.SourceFile`), and how many of them were read."""

    path: Path
    read: int = field(default=0)

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    def open(self) -> BinaryIO:
        return cast(BinaryIO, _Counting(self.path, self))


def main() -> None:
    minutes = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    print("| container | MB | chunks | looking at all packets | all chunks | the sound |")
    print("|---|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for container in CONTAINERS:
            print(f"| {container} | " + " | ".join(measured(looped(container, minutes, Path(folder)))) + " |")


def looped(container: str, minutes: int, folder: Path) -> Path:
    path = folder / f"reel.{container}"
    loop = ["ffmpeg", "-v", "error", "-stream_loop", "-1", "-i", str(ROOT / "samples/reel.mp4")]
    subprocess.run([*loop, "-t", str(minutes * 60), "-c", "copy", str(path)], check=True)
    return path


def measured(path: Path) -> Iterator[str]:
    """The cells of a row behind its first."""
    source = Counted(path)
    probed = probe_source(source)
    facts = probed.facts
    yield f"{source.size / 1e6:.0f}"
    chunks = plan_chunks(list(probed.index.key_ms), facts["duration_ms"])
    yield str(len(chunks))
    yield f"{source.read / source.size:.2f}"
    source.read = 0
    item = Pack(**pack_item(Frames(fps=1, long_side=320)))
    for start, end in chunks:
        make_packs(source, facts, [item], ChunkSpan(start, end, OVERLAP_MS))
    yield f"{source.read / source.size:.2f}"
    source.read = 0
    hear(source, facts, facts["audio"][0]["index"])
    yield f"{source.read / source.size:.2f}"
    path.unlink()


if __name__ == "__main__":
    main()
