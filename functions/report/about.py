"""What insights.json says about the file, the run, the question, and what is missing."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from functions.report.values import Evidence, Item, Span, Value


class AudioStream(Value):
    index: int
    codec: str
    rate: int
    channels: int
    language: str | None = None
    duration_ms: int | None = None
    heard: bool = Field(default=False, description="What the run listened to.")


class VideoStream(Value):
    codec: str
    width: int = Field(description="Pixels, upright: after the stored rotation.")
    height: int
    rotation: int = 0
    fps: float | None = None
    fps_varies: bool = Field(
        default=False, description="Pictures follow each other unevenly: fps is their mean."
    )
    frames: int | None = None
    hdr: bool = False


class CaptionsFrom(Value):
    """Where captions come from. ``file``: the name of what was given for the video, or lies beside it."""

    source: str | None = Field(
        default=None, description="`sidecar`, `embedded:<stream index>`; null: none were read."
    )
    file: str | None = None
    late: int = Field(default=0, description="How many begin after the video's end: they are left out.")
    left_out: str | None = Field(default=None, description="What of captions was left out, in words.")
    evidence: Evidence | None = None


class Chapter(Item):
    title: str


class Damage(Value):
    """What of the file is lost. What is there was analysed all the same."""

    kind: Literal["cut_off", "stopped", "time_stamps", "no_picture", "clock", "joined"] = Field(
        description="The file ends before its header says; reading stopped before the file ended; times of packets are "
        "damaged; no picture could be decoded at the beginning; its clock is set back on the way, so that of two parts "
        "with the same times one is left out; it was put together from several recordings, and the first alone is read "
        "(``unread_bytes``), or of parts with the same times one."
    )
    expected_ms: int | None = Field(default=None, description="What the header promises.")
    found_ms: int | None = Field(default=None, description="What is there.")
    packets: int | None = None
    unread_bytes: int | None = Field(
        default=None, description="From where the first recording that is not read begins to the file's end."
    )
    error: str | None = None


class Video(Value):
    title: str
    video_id: str = Field(description="SHA-256 of the video's bytes.")
    container: str | None = None
    duration_ms: int
    size_bytes: int | None = None
    picture: VideoStream | None = Field(
        default=None, description="null: the file has no video stream, or was not read."
    )
    sound: tuple[AudioStream, ...] = ()
    chapters: tuple[Chapter, ...] = ()
    warnings: tuple[str, ...] = ()
    damage: tuple[Damage, ...] = ()
    evidence: Evidence | None = None


class ModelUsed(Value):
    name: str
    version: str = ""
    signature: str = ""
    engine: str = ""
    precision: str = ""


class ResultUsed(Value):
    name: str
    key: str
    digest: str


class ComponentUsed(Value):
    name: str
    stage: str
    version: int
    state: Literal["succeeded", "partial", "failed", "blocked", "absent"]
    tasks: int = 0
    computed: int = 0
    cached: int = 0
    seconds: float = Field(
        default=0.0, description="Computing time of its tasks, summed; 0 when all were found by key."
    )
    device: str = ""
    models: tuple[ModelUsed, ...] = ()
    results: tuple[ResultUsed, ...] = ()


class Run(Value):
    run_id: str
    owner: str
    epoch: int
    created_ms: int = Field(description="Admission, in ms since 1970-01-01T00:00Z.")
    config_hash: str
    kadr_version: str
    platform_id: str = ""
    components: tuple[ComponentUsed, ...]


class Asked(Value):
    """The question: counts, lengths and lists speak of this part of the video and of what was looked for in it."""

    start_ms: int
    end_ms: int
    whole: bool = Field(description="Whether the part is all of the video.")
    profile: str
    narrowed: bool = Field(description="Whether ``--only`` left out some of what the profile would look for.")
    looked_for: tuple[str, ...] = Field(description="What the run's components find, in plain words.")
    left_out: tuple[str, ...] = Field(
        description="What Kadr can look for in such a file and this run was not asked to."
    )


class Missing(Value):
    """Something a reader may expect and does not find, why, and what to do about it."""

    components: tuple[str, ...] = Field(description="Those it concerns; none for ``range``: it concerns all.")
    why: Literal["failed", "blocked", "gaps", "damaged", "no_stream", "cancelled", "range"]
    reason: str
    what_to_do: str
    gaps: tuple[Span, ...] = ()
    error_code: str | None = None
