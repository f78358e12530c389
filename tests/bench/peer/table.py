"""One video through Pixeltable: a table, a view of frames for each rate, and a computed column for each insight."""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent)]
sys.path += os.environ["KADR_PEER_PATH"].split(os.pathsep)

import pixeltable as pxt  # noqa: E402 - its environment finds Kadr behind it
import udfs  # noqa: E402
from pixeltable.functions.video import extract_audio, frame_iterator, scene_detect_content  # noqa: E402


def main(video: str) -> None:
    videos = pxt.create_table("videos", {"video": pxt.Video})
    videos.add_computed_column(shots=scene_detect_content(videos.video))
    videos.add_computed_column(audio=extract_audio(videos.video, format="wav"))
    videos.add_computed_column(words=udfs.words(videos.audio))
    often = pxt.create_view("often", videos, iterator=frame_iterator(videos.video, fps=2.0))
    often.add_computed_column(objects=udfs.objects(often.frame))
    seldom = pxt.create_view("seldom", videos, iterator=frame_iterator(videos.video, fps=1.0))
    seldom.add_computed_column(tags=udfs.tags(seldom.frame))
    seldom.add_computed_column(texts=udfs.texts(seldom.frame))
    videos.insert([{"video": video}])
    print(often.count(), seldom.count(), videos.select(videos.shots, videos.words).collect())


if __name__ == "__main__":
    main(sys.argv[1])
