"""Build samples/reel.mp4 and samples/truth.json from freely licensed material inside packages."""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from platformdirs import user_cache_path
from reel_kit.encode import Quality, write_mp4
from reel_kit.sound import RATE, Sound, place, read_sound, rushing_noise, tune
from reel_kit.sources import SourceError, fetch_all, load_sources
from reel_kit.storyboard import shots
from reel_kit.timeline import FRAME_MS, compose, lay_out
from reel_kit.truth import reel_truth
from reel_kit.voices import SYNTHS, VOICES, Synth

HERE = Path(__file__).resolve().parent


def build(out: Path, truth_out: Path, cache: Path) -> None:
    """Fetch the sources, render the reel, and write the truth beside it."""
    files = fetch_all(load_sources(HERE / "sources.toml"), cache)
    placed = lay_out(shots(files))
    length_ms = placed[-1].last * FRAME_MS
    frames = write_mp4(out, compose(placed), soundtrack(files, length_ms), Quality())
    truth = reel_truth(placed, VOICES, SYNTHS)
    truth_out.write_text(json.dumps(truth, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{out}: {frames} frames, {length_ms / 1000:.2f} s, {out.stat().st_size / 1e6:.2f} MB")


def soundtrack(files: dict[str, Path], length_ms: int) -> Sound:
    """Voices, tune and noise on one track, float32 [samples, 2] at 48 kHz."""
    track = np.zeros((length_ms * RATE // 1000, 2), np.float32)
    for voice in VOICES:
        place(track, read_sound(files[voice.source], voice.from_ms, voice.to_ms), voice.at_ms)
    for synth in SYNTHS:
        place(track, synthesise(synth), synth.start_ms)
    return track


def synthesise(synth: Synth) -> Sound:
    """The tune or the noise, as long as the storyboard says."""
    length_ms = synth.end_ms - synth.start_ms
    return tune(length_ms) if synth.kind == "music" else rushing_noise(length_ms, seed=2718)


def main() -> int:
    """Read the command line and build."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE / "reel.mp4", help="the video to write")
    parser.add_argument("--truth", type=Path, default=HERE / "truth.json", help="the truth file to write")
    parser.add_argument(
        "--cache", type=Path, default=user_cache_path("kadr") / "samples", help="keeps the sources"
    )
    args = parser.parse_args()
    try:
        build(args.out, args.truth, args.cache)
    except SourceError as error:
        print(f"make_reel: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
