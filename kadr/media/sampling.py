"""From frames to packs: which frame is on display at each time of the grid, and the packs that are written from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from kadr.contracts.artifact import Artifact
from kadr.contracts.errors import InvalidArtifact
from kadr.contracts.media import ChunkSpan, SourceFile
from kadr.contracts.packs import EXACT_QUALITY, step_ms
from kadr.media.blob import Blob
from kadr.media.decode import Damage, VideoFacts, frames_shown
from kadr.media.geometry import pack_size
from kadr.media.picture import Picture, common_beginning


class PackItem(Protocol):
    """One pack to make: ``fps`` None is every frame; ``size`` is exact, ``long_side`` a limit; JPEG ``quality``.

    Pictures at times that ``wide_fps`` has as well are made with ``wide_long_side``.
    """

    @property
    def name(self) -> str: ...
    @property
    def fps(self) -> float | None: ...
    @property
    def long_side(self) -> int | None: ...
    @property
    def size(self) -> tuple[int, int] | None: ...
    @property
    def quality(self) -> int: ...
    @property
    def wide_fps(self) -> float | None: ...
    @property
    def wide_long_side(self) -> int | None: ...


class PackWriter:
    """Collects the pictures of one pack of one chunk."""

    def __init__(self, item: PackItem, facts: VideoFacts, chunk: ChunkSpan, damage: Damage) -> None:
        self._item, self._facts, self._chunk, self._damage = item, facts, chunk, damage
        self._size = pack_size(facts.width, facts.height, item.long_side, item.size)
        self._step, self._wide_step = step_ms(item.fps), step_ms(item.wide_fps)
        self._wide = pack_size(facts.width, facts.height, item.wide_long_side, None)
        self._next_ms = -(-chunk.start_ms // self._step) * self._step if self._step else 0
        self._blob = Blob("uint8")
        self._offsets, self._t_ms, self._shown = list[int](), list[int](), list[int]()
        self._missing: list[list[int]] = []
        self._current: tuple[int, Picture] | None = None
        self._head = b""
        self._stored: tuple[Picture, tuple[int, int]] | None = None

    @property
    def stop_ms(self) -> int:
        """Frames from here on do not concern this pack."""
        return self._chunk.end_ms + (0 if self._step else self._chunk.overlap_ms)

    def show(self, ms: int, picture: Picture) -> None:
        """``picture`` comes on display at ``ms``."""
        if self._step:
            self._fill(ms)
            self._current = (ms, picture)
        elif self._chunk.start_ms <= ms < self.stop_ms:
            self._keep(ms, picture)

    def finish(self) -> Artifact:
        """The pack; the last picture stays on display until the video's end."""
        if self._step:
            self._fill(self._facts.end_ms)
        payload = {
            "width": self._size[0],
            "height": self._size[1],
            "source_width": self._facts.width,
            "source_height": self._facts.height,
            "step_ms": self._step,
            "wide": [*self._wide, self._wide_step] if self._wide_step else None,
            "format": "jpeg",
            "decode_errors": self._damage.errors_in(self._chunk.start_ms, self.stop_ms),
            "missing": self._missing,
        }
        arrays = {
            "bytes": self._blob.finish(),
            "offsets": np.array(self._offsets or [0], dtype=np.int64),
            "t_ms": np.array(self._t_ms, dtype=np.int64),
            "picture": np.array(self._shown, dtype=np.int64),
        }
        return Artifact(arrays, payload)

    def _fill(self, until_ms: int) -> None:
        """Grid times before ``until_ms`` show the current picture, unless the one that belongs there was lost."""
        while self._next_ms < min(until_ms, self._chunk.end_ms):
            t_ms, self._next_ms = self._next_ms, self._next_ms + self._step
            if self._current is None:
                continue
            if self._damage.hides(self._current[0], t_ms):
                self._miss(t_ms)
            else:
                self._keep(t_ms, self._current[1])

    def _keep(self, t_ms: int, picture: Picture) -> None:
        size = self._wide if self._wide_step and t_ms % self._wide_step == 0 else self._size
        if not self._is_stored(picture, size):
            self._append(picture.jpeg(size, self._item.quality))
            self._stored = (picture, size)
        self._t_ms.append(t_ms)
        self._shown.append(len(self._offsets) - 2)

    def _is_stored(self, picture: Picture, size: tuple[int, int]) -> bool:
        """Is the picture stored last the same, and stored as large as it is asked for?"""
        if self._stored is None:
            return False
        before, stored = self._stored
        if stored != size and size != self._size:
            return False
        return before is picture or np.array_equal(before.pixels(size), picture.pixels(size))

    def _append(self, file: bytes) -> None:
        """Files that signals are measured on are tiny and all begin alike: their common beginning is written once."""
        if not self._offsets:
            self._head = common_beginning(file) if self._item.quality >= EXACT_QUALITY else b""
            self._blob.append(self._head)
            self._offsets.append(len(self._blob))
        if not file.startswith(self._head):
            raise InvalidArtifact(
                f"pack {self._item.name}: picture {len(self._offsets) - 1} does not begin as the first does: "
                f"at quality {EXACT_QUALITY} and above all have to be of one size"
            )
        self._blob.append(file[len(self._head) :])
        self._offsets.append(len(self._blob))

    def _miss(self, t_ms: int) -> None:
        if self._missing and self._missing[-1][1] == t_ms:
            self._missing[-1][1] = t_ms + self._step
        else:
            self._missing.append([t_ms, t_ms + self._step])


def make_packs(
    source: SourceFile,
    probe: Mapping[str, Any],
    items: Iterable[PackItem],
    chunk: ChunkSpan,
    threads: int = 0,
) -> dict[str, Artifact]:
    """Decode ``chunk`` once and make all packs ``items`` from it. ``probe`` is the payload of the component probe.

    The frame on display at a grid time is the last whose time is not after it, whatever chunk it was decoded in: a
    video cut into chunks gives the pictures that it gives in one piece. One exception: in a pack with wide pictures a still
    is stored in either size, and a chunk that begins with it between the wide pictures' times stores it small first: what is
    read small there differs by one JPEG coding, and is told as another picture than the wide one that follows.

    Raises VideoUnreadable.
    """
    facts, damage = VideoFacts.of(probe), Damage()
    writers = {item.name: PackWriter(item, facts, chunk, damage) for item in items}
    if writers:
        _run(source, facts, chunk, list(writers.values()), damage, threads)
    return {name: writer.finish() for name, writer in writers.items()}


def _run(
    source: SourceFile,
    facts: VideoFacts,
    chunk: ChunkSpan,
    writers: Sequence[PackWriter],
    damage: Damage,
    threads: int,
) -> None:
    stop_ms = max(w.stop_ms for w in writers)
    for ms, frame in frames_shown(source, facts, chunk.start_ms, stop_ms, damage, threads):
        picture = Picture(frame, facts.orientation)
        for writer in writers:
            writer.show(ms, picture)
