"""The test card's picture and tone, encoded and packetised by FFmpeg (PyAV, the extra `media`).

Import this only where PyAV may be needed: it is an optional dependency.
"""

import base64
import re
from collections.abc import Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

import av
import av.filter
from av.audio.frame import AudioFrame
from av.codec.codec import UnknownCodecError
from av.codec.context import Flags
from av.container import OutputContainer
from av.video.frame import PictureType, VideoFrame
from av.video.stream import VideoStream

from common import rtp
from common.errors import SourceError
from common.fields import Track
from serverproxy.core.events import SourceDescription, SourcePacket
from serverproxy.core.testcardurl import TestCardOptions

if TYPE_CHECKING:
    from av.audio.stream import AudioStream

_PACKET_BYTES = 1400
_AUDIO_RATE, _AUDIO_FRAME = 48_000, 1024
_AUDIO_BIT_RATE = 64_000
_VIDEO_PAYLOAD_TYPE, _AUDIO_PAYLOAD_TYPE = 96, 97
_CLOCK_RATE = 90_000
_H264_SPS, _H264_PPS = 7, 8
_H265_SETS = {32: "vps", 33: "sps", 34: "pps"}
_X265 = "repeat-headers=1:scenecut=0:bframes=0:frame-threads=1:log-level=none"


class _Packets:
    """A file for FFmpeg's RTP muxer: one write is one packet."""

    def __init__(self, track: int) -> None:
        self._track = track
        self._written: list[SourcePacket] = []

    def write(self, data: bytes) -> int:
        packet = bytes(data)
        self._written.append(SourcePacket(self._track, rtp.is_rtcp(packet), packet))
        return len(packet)

    def take(self) -> list[SourcePacket]:
        taken, self._written = self._written, []
        return taken


class TestEncoder:
    """Yields the card's packets picture by picture; keeps no time."""

    __test__ = False  # not a test case, whatever its name says to pytest

    def __init__(self, options: TestCardOptions) -> None:
        """Open the encoders; `open_encoder` names what they may raise."""
        self._options = options
        self._video_out = _Packets(0)
        self._video_muxer = _muxer(self._video_out, _VIDEO_PAYLOAD_TYPE)
        self._video = _video_stream(self._video_muxer, options)
        self._audio_out = _Packets(1)
        self._audio_muxer: OutputContainer | None = None
        self._audio: AudioStream | None = None
        if options.audio:
            self._audio_muxer = _muxer(self._audio_out, _AUDIO_PAYLOAD_TYPE)
            self._audio = self._audio_muxer.add_stream("aac", rate=_AUDIO_RATE)
            self._audio.codec_context.layout = "mono"
            self._audio.bit_rate = _AUDIO_BIT_RATE
            self._audio.codec_context.flags |= Flags.global_header
            self._audio_muxer.start_encoding()

    def description(self) -> SourceDescription:
        """Return the SDP and the tracks."""
        options = self._options
        codec = options.codec.upper()
        lines = [
            "v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=Stripecast test card", "c=IN IP4 0.0.0.0",
            "t=0 0", "a=control:*",
            f"m=video 0 RTP/AVP {_VIDEO_PAYLOAD_TYPE}",
            f"a=rtpmap:{_VIDEO_PAYLOAD_TYPE} {codec}/{_CLOCK_RATE}",
            f"a=fmtp:{_VIDEO_PAYLOAD_TYPE} {_parameters(self._video, options.codec)}",
            f"a=framerate:{options.rate}", "a=control:track0",
        ]  # fmt: skip
        tracks = [Track(0, "video", codec, _CLOCK_RATE, _VIDEO_PAYLOAD_TYPE)]
        if self._audio is not None:
            config = (self._audio.codec_context.extradata or b"").hex()
            lines += [
                f"m=audio 0 RTP/AVP {_AUDIO_PAYLOAD_TYPE}",
                f"a=rtpmap:{_AUDIO_PAYLOAD_TYPE} MPEG4-GENERIC/{_AUDIO_RATE}/1",
                f"a=fmtp:{_AUDIO_PAYLOAD_TYPE} streamtype=5;profile-level-id=1;mode=AAC-hbr;"
                f"sizelength=13;indexlength=3;indexdeltalength=3;config={config}",
                "a=control:track1",
            ]
            tracks.append(Track(1, "audio", "MPEG4-GENERIC", _AUDIO_RATE, _AUDIO_PAYLOAD_TYPE))
        return SourceDescription("\r\n".join(lines) + "\r\n", tuple(tracks))

    def batches(self) -> Iterator[tuple[float, list[SourcePacket]]]:
        """Yield for ever: seconds since the start at which packets are due, and the packets."""
        pictures, tones = _pictures(self._options), _tones()
        step = Fraction(1, self._options.rate)
        heard = 0
        number = 0
        while True:
            for packet in self._video.encode(next(pictures)):
                self._video_muxer.mux(packet)
            ready = self._video_out.take()
            number += 1
            while self._audio is not None and Fraction(heard, _AUDIO_RATE) < number * step:
                self._encode_audio(next(tones))
                heard += _AUDIO_FRAME
            yield float((number - 1) * step), ready + self._audio_out.take()

    def close(self) -> None:
        """Free the encoders; what they still hold is dropped."""
        for muxer in (self._video_muxer, self._audio_muxer):
            if muxer is not None:
                muxer.close()

    def _encode_audio(self, frame: AudioFrame) -> None:
        if self._audio is not None and self._audio_muxer is not None:
            for packet in self._audio.encode(frame):
                self._audio_muxer.mux(packet)


def open_encoder(options: TestCardOptions) -> TestEncoder:
    """Open the encoders; raises SourceError where this FFmpeg lacks one or refuses the options."""
    try:
        return TestEncoder(options)
    except (av.FFmpegError, UnknownCodecError) as error:
        raise SourceError(
            f"this PyAV cannot make {options.codec} of {options.width}x{options.height}: {error}"
        ) from error


def _muxer(out: _Packets, payload_type: int) -> OutputContainer:
    return av.open(
        out,
        "w",
        format="rtp",
        options={"packetsize": str(_PACKET_BYTES), "payload_type": str(payload_type)},
    )


def _video_stream(muxer: OutputContainer, options: TestCardOptions) -> VideoStream:
    speed = {"preset": "ultrafast", "tune": "zerolatency"}
    if options.codec == "h265":
        stream = muxer.add_stream(
            "libx265", rate=options.rate, options=speed | {"x265-params": _X265}
        )
    else:
        stream = muxer.add_stream(
            "libx264",
            rate=options.rate,
            options=speed | {"x264-params": "repeat-headers=1:scenecut=0", "bf": "0"},
        )
    stream.width, stream.height, stream.pix_fmt = options.width, options.height, "yuv420p"
    stream.bit_rate = options.bitrate * 1000
    stream.codec_context.gop_size = max(1, round(options.keyframe * options.rate))
    stream.codec_context.flags |= Flags.global_header
    muxer.start_encoding()
    return stream


def _pictures(options: TestCardOptions) -> Iterator[VideoFrame]:
    """Yield pictures for ever: they move, and show their number and their time."""
    graph = av.filter.Graph()
    source = graph.add("testsrc2", f"size={options.width}x{options.height}:rate={options.rate}")
    form, sink = graph.add("format", "yuv420p"), graph.add("buffersink")
    source.link_to(form)
    form.link_to(sink)
    graph.configure()

    while graph.configured:
        frame = sink.pull()
        if isinstance(frame, VideoFrame):
            # the filter marks every picture as intra: the encoder would make each a keyframe
            frame.pict_type = PictureType.NONE
            yield frame


def _tones() -> Iterator[AudioFrame]:
    """Yield the pieces of a tone that beeps once a second."""
    graph = av.filter.Graph()
    source = graph.add(
        "sine",
        f"frequency=440:beep_factor=4:sample_rate={_AUDIO_RATE}:samples_per_frame={_AUDIO_FRAME}",
    )
    form = graph.add("aformat", "sample_fmts=fltp:channel_layouts=mono")
    sink = graph.add("abuffersink")
    source.link_to(form)
    form.link_to(sink)
    graph.configure()

    while graph.configured:
        frame = sink.pull()
        if isinstance(frame, AudioFrame):
            yield frame


def _parameters(stream: VideoStream, codec: str) -> str:
    """Return the fmtp parameters that tell a decoder the parameter sets (RFC 6184, RFC 7798)."""
    units = [
        unit for unit in re.split(b"\0\0\0\1|\0\0\1", stream.codec_context.extradata or b"") if unit
    ]
    if codec == "h265":
        return ";".join(
            f"sprop-{_H265_SETS[unit[0] >> 1 & 63]}={base64.b64encode(unit).decode()}"
            for unit in units
            if unit[0] >> 1 & 63 in _H265_SETS
        )
    sets = [unit for unit in units if unit[0] & 31 in (_H264_SPS, _H264_PPS)]
    profile = next((unit[1:4].hex() for unit in sets if unit[0] & 31 == _H264_SPS), "42c01e")
    encoded = ",".join(base64.b64encode(unit).decode() for unit in sets)
    return f"packetization-mode=1;profile-level-id={profile};sprop-parameter-sets={encoded}"
