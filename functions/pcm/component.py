"""pcm: the audio as components hear it, 16 kHz mono on the video's timeline, and its levels for loudness."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pydantic import Field

from kadr.contracts.artifact import ArraySpec, Artifact, ArtifactSpec, Retention
from kadr.contracts.component import Output, Params, Resources, Result, Source, Stage, Whole, component
from kadr.contracts.media import AUDIO_RATE, SourceFile
from kadr.craft.sounds import chosen_audio
from kadr.media.pcm import Heard, hear

PCM = ArtifactSpec(
    name="pcm",
    arrays={"samples": ArraySpec(dtype="int16", dims=("N",), doc="16 kHz mono, the first at start_ms")},
    retention=Retention.INTERMEDIATE,
    doc="Payload: rate, start_ms, stream, decode_errors.",
)
LEVELS = ArtifactSpec(
    name="levels",
    arrays={
        "power": ArraySpec(
            dtype="float64", dims=("W",), quantum=1e-12, doc="K-weighted mean square, summed over channels"
        ),
        "peak": ArraySpec(dtype="float32", dims=("W",), quantum=1e-6, doc="true peak, 1.0 = 0 dBTP"),
    },
    doc="Every 100 ms from start_ms on (ITU-R BS.1770-4). Payload: channels, rate, start_ms.",
)
_LISTENING = ("audio_stream", "from_ms", "to_ms")


class PcmParams(Params):
    """``audio_stream``: a stream's index as probe lists it (null: the default one). ``from_ms``, ``to_ms`` limit what is heard."""

    audio_stream: int | None = Field(default=None, ge=0)
    from_ms: int | None = Field(default=None, ge=0)
    to_ms: int | None = Field(default=None, ge=1)


@component(
    "pcm",
    version=2,
    stage=Stage.SEGMENTER,
    scope=Whole(),
    reads=(Source(), Result("probe", "probe")),
    makes={"pcm": Output(PCM, params=_LISTENING), "levels": Output(LEVELS, params=_LISTENING)},
    needs=Resources(cpu=1, memory_mb=150, seconds_per_minute=0.6),
)
def pcm(
    source: SourceFile, probe: Artifact, params: PcmParams, wanted: Collection[str]
) -> Mapping[str, Artifact]:
    """Decode the chosen audio stream once; mix it to 16 kHz mono and measure its levels."""
    chosen = chosen_audio(probe.payload, params.audio_stream)
    if chosen is None:
        made = {"pcm": PCM.empty("no_audio"), "levels": LEVELS.empty("no_audio")}
    else:
        heard = hear(source, probe.payload, chosen["index"], params.from_ms, params.to_ms)
        made = {"pcm": _pcm(heard, chosen["index"]), "levels": _levels(heard)}
    return {name: made[name] for name in made if name in wanted}


def _pcm(heard: Heard, stream: int) -> Artifact:
    payload = {
        "rate": AUDIO_RATE,
        "start_ms": heard.start_ms,
        "stream": stream,
        "decode_errors": heard.decode_errors,
    }
    return Artifact({"samples": heard.samples}, payload)


def _levels(heard: Heard) -> Artifact:
    payload = {"channels": heard.channels, "rate": heard.rate, "start_ms": heard.start_ms}
    return Artifact({"power": heard.levels.power, "peak": heard.levels.peak}, payload)
