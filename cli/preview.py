"""What a video is, said by a confined child process: ``python -m cli.preview PATH`` prints probe's facts as JSON."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from kadr.contracts.errors import KadrError, VideoUnreadable
from kadr.contracts.profile import NormalProfile
from kadr.craft.sounds import chosen_audio
from kadr.settings import Settings

TIMEOUT_S = 120


def duration_ms(path: Path) -> int:
    """The length of the video at ``path``. Raises VideoUnreadable with the child's own words."""
    return int(facts(path)["duration_ms"])


def check_sound(path: Path, profile: NormalProfile) -> None:
    """Raises InvalidProfile, before anything runs, if ``profile`` wants to hear a stream that has no sound."""
    pcm = profile.components.get("pcm")
    if pcm is not None and pcm.params.get("audio_stream") is not None:
        chosen_audio(facts(path), pcm.params["audio_stream"])


def facts(path: Path) -> dict[str, Any]:
    """What probe says of the video at ``path``. Raises VideoUnreadable with the child's own words."""
    command = [sys.executable, "-m", "cli.preview", str(path)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise VideoUnreadable(f"{path} could not be read through in {TIMEOUT_S} s") from error
    if done.returncode != 0:
        raise VideoUnreadable(done.stderr.strip().rpartition("\n")[2] or _ended(path, done.returncode))
    said: dict[str, Any] = json.loads(done.stdout)
    return said


def _ended(path: Path, code: int) -> str:
    """A child that a signal ended has no last words."""
    if code == -signal.SIGXCPU:
        return f"{path} could not be read through in {TIMEOUT_S} s of computing"
    how = f"by {signal.Signals(-code).name}" if code < 0 else f"with code {code}"
    return f"{path} could not be read: the process that opened it ended {how}"


def main() -> None:
    """Probe the file named on the command line, confined as the process that decodes is."""
    from kadr.media.probe import probe_source
    from kadr.media.sandbox import confine
    from kadr.media.source import FileSource

    confine(memory_mb=Settings().media_memory_mb, cpu_s=TIMEOUT_S, file_mb=1)
    try:
        print(json.dumps(probe_source(FileSource(Path(sys.argv[1]))).facts))
    except KadrError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
