"""captions: embedded and sidecar subtitles as plain text."""

from __future__ import annotations

import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from av.subtitles.subtitle import SubtitleSet
from click.testing import CliRunner

from cli.compose import Machine
from cli.main import root
from cli.options import Choice
from cli.sources import Video
from functions.captions.component import CAPTIONS, CaptionsParams, captions
from kadr.contracts.artifact import Artifact
from kadr.contracts.errors import InvalidProfile
from kadr.media.cues import sidecar_cues
from kadr.media.source import FileSource
from kadr.settings import Settings
from tests.media_files import numbered, probed, write_video

HEADER = b"""[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize
Style: Default,Arial,16

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""


def subtitled(path: Path, codec: str) -> FileSource:
    plain = write_video(path.with_name("plain.mkv"), numbered(50)).path
    original: Any
    container: Any
    with av.open(plain) as original, av.open(path, "w") as container:
        video = container.add_stream_from_template(original.streams.video[0])
        stream = container.add_stream(codec)
        stream.codec_context.subtitle_header = HEADER
        for packet in original.demux(video=0):
            if packet.size:
                packet.stream = video
                container.mux(packet)
        for number, (start, end, text) in enumerate(
            [(200, 900, r"Hello {\i1}there{\i0}\Nsecond"), (1000, 1500, "x < y")]
        ):
            event = f"{number},0,Default,,0,0,0,,{text}".encode()
            subtitle = SubtitleSet.create(event, 0, end - start, pts=start * 1000)
            packet = stream.codec_context.encode_subtitle(subtitle)
            packet.stream, packet.pts, packet.dts, packet.duration = stream, start, start, end - start
            packet.time_base = Fraction(1, 1000)
            container.mux(packet)
    return FileSource(path)


def read(source: FileSource, **params: object) -> Artifact:
    return CAPTIONS.checked(captions(source, probed(source)[0], CaptionsParams.model_validate(params)))


def five_seconds(folder: Path) -> FileSource:
    return write_video(folder / "v.mp4", numbered(5), fps=1)


@pytest.mark.parametrize(("name", "codec"), [("v.mp4", "mov_text"), ("v.mkv", "subrip"), ("w.mkv", "ass")])
def test_embedded_text(tmp_path: Path, name: str, codec: str) -> None:
    found = read(subtitled(tmp_path / name, codec))
    assert found["start_ms"].tolist() == [200, 1000]
    assert found["end_ms"].tolist() == [900, 1500]
    assert found.payload["text"] == ["Hello there\nsecond", "x < y"]
    assert found.payload["source"] == "embedded:1"


def test_none(tmp_path: Path) -> None:
    found = read(write_video(tmp_path / "v.mp4", numbered(5)))
    assert found.payload == {"text": [], "language": None, "source": None, "late": 0}


SRT = "1\r\n00:00:01,000 --> 00:00:02,000\r\n<b>Hi</b> there\r\n\r\n2\r\n00:00:03,000 --> 00:00:04,500\r\nüber\r\n"
VTT = "WEBVTT\n\nNOTE nothing\n\n00:03.000 --> 00:04.500 align:start\nüber\n\nid\n00:01.000 --> 00:02.000\n<v Bob>Hi</v> there\n"


@pytest.mark.parametrize("text", [SRT, VTT, "\ufeff" + SRT])
def test_a_sidecar_goes_before_what_is_embedded(tmp_path: Path, text: str) -> None:
    found = read(five_seconds(tmp_path), sidecar=text, language="de")
    assert found.payload["text"] == ["Hi there", "über"]
    assert (found.payload["language"], found.payload["source"]) == ("de", "sidecar")
    assert found["start_ms"].tolist() == [1000, 3000]
    assert found["end_ms"].tolist() == [2000, 4500]


BROKEN = "1\n00:0x:01,000 --> 00:00\nHello\n\n2\nsoon --> later\nthere\n"


@pytest.mark.parametrize(
    "text", ["", "a letter to my aunt", "{1}{2}frames", BROKEN, "WEBVTT\n", HEADER.decode()]
)
def test_a_sidecar_that_is_none(tmp_path: Path, text: str) -> None:
    with pytest.raises(
        InvalidProfile, match=r"The captions (are neither SRT|have no text with times|are damaged)"
    ):
        read(write_video(tmp_path / "v.mp4", numbered(5)), sidecar=text)


def test_captions_after_the_videos_end_are_left_out_and_counted(tmp_path: Path) -> None:
    """As of a longer cut of the same film; one that lasts beyond the end ends with the video."""
    late = "\n3\n00:00:04,600 --> 00:00:20,000\nThat was\n\n4\n00:00:05,000 --> 00:00:06,000\nThe end\n"
    found = read(five_seconds(tmp_path), sidecar=SRT + late)
    assert found.payload["text"] == ["Hi there", "über", "That was"]
    assert found["end_ms"].tolist() == [2000, 4500, 5000]
    assert found.payload["late"] == 1


def test_absurd_times_and_lengths_are_bounded(tmp_path: Path) -> None:
    text = "1\n00:00:01,000 --> 99:00:00,000\n" + "x" * 100_000 + "\n"
    (cue,) = sidecar_cues(text)
    assert cue.end_ms == 61_000
    found = read(five_seconds(tmp_path), sidecar=text)
    assert found["end_ms"].tolist() == [5_000]
    assert len(found.payload["text"][0]) == 2_000


@pytest.mark.parametrize("mess", ["{", "<a", "{\\i1"])
def test_text_made_to_take_for_ever_does_not(mess: str) -> None:
    before = time.process_time()
    assert len(sidecar_cues(f"1\n00:00:01,000 --> 00:00:02,000\nHi\n{mess * 500_000}\n")) == 1
    assert time.process_time() - before < 5


UNREADABLE = {
    "times": BROKEN.encode(),
    "noise": bytes(range(128, 256)) * 9,
    "prose": b"A letter to my aunt.\n",
}


@pytest.mark.parametrize("kind", UNREADABLE)
def test_unreadable_captions_beside_the_video_are_a_note_and_named_ones_an_error(
    tmp_path: Path, kind: str
) -> None:
    """Nobody asked for a file that only lies there: it does not make the run partial."""
    path = tmp_path / "talk.srt"
    path.write_bytes(UNREADABLE[kind])
    notes: list[str] = []
    machine, choice = Machine(Settings()), Choice("fast")
    question = machine.question(choice.profile())
    video = Video(tmp_path / "talk.mp4", "talk.mp4", tmp_path)
    mine = choice.for_video(video, question, machine, notes.append)
    assert mine.profile == question.profile
    assert mine.captions_file is not None
    assert str(mine.captions_file.unread).startswith("talk.srt ")
    [note] = notes
    assert note.startswith(f"talk.mp4: its captions are left out: {path} ")
    refused = CliRunner().invoke(root, ["plan", str(tmp_path / "talk.mp4"), "--captions", str(path)])
    assert refused.exit_code != 0
    assert "talk.srt" in f"{refused.output}{refused.exception}"
