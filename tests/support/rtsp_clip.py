"""A clip as RTP packets with their times: what a real source sends, without its network.

Encoded by FFmpeg, packetised by its own RTP muxer. Needs PyAV.
"""

import base64
from dataclasses import dataclass
from fractions import Fraction
from hashlib import md5

import av
import av.filter
from av.codec.context import Flags
from av.video.frame import PictureType

from common import rtp
from common.fields import Track
from common.frame import FLAG_KEYFRAME, Packet

FRAME_RATE = 25
AUDIO_RATE = 48_000
VIDEO = Track(index=0, kind="video", codec="H264", clock_rate=90_000, payload_type=96)
AUDIO = Track(index=1, kind="audio", codec="MPEG4-GENERIC", clock_rate=AUDIO_RATE, payload_type=97)
_NAL_TYPE = 0x1F
_FU_A, _STAP_A, _SPS, _PPS, _IDR = 28, 24, 7, 8, 5
_FU_START = 0x80


@dataclass(frozen=True)
class Clip:
    """Packets of H.264 and AAC in the order of their times; `capture_us` counts from zero."""

    sdp: str
    packets: list[Packet]
    seconds: float


class _Sink:
    """A file for the RTP muxer: one write is one packet."""

    def __init__(self) -> None:
        self.packets: list[bytes] = []

    def write(self, data: bytes) -> int:
        if not 192 <= data[1] <= 223:  # the muxer's own RTCP
            self.packets.append(bytes(data))
        return len(data)


def make_clip(seconds: int, *, gop: int = 25, bit_rate: int = 500_000) -> Clip:
    """Return a clip with a keyframe every `gop` pictures and a tone."""
    video_config, video = _video(seconds, gop, bit_rate)
    audio_config, audio = _audio(seconds)
    sps, pps = video_config
    sprops = ",".join(base64.b64encode(nal).decode() for nal in (sps, pps))
    sdp = "\r\n".join(
        [
            "v=0",
            "o=- 1 1 IN IP4 192.0.2.1",
            "s=clip",
            "c=IN IP4 192.0.2.1",
            "t=0 0",
            "a=control:*",
            "m=video 5004 RTP/AVP 96",
            "a=rtpmap:96 H264/90000",
            f"a=fmtp:96 packetization-mode=1;profile-level-id={sps[1:4].hex()};"
            f"sprop-parameter-sets={sprops}",
            "a=control:streamid=0",
            "m=audio 5006 RTP/AVP 97",
            f"a=rtpmap:97 MPEG4-GENERIC/{AUDIO_RATE}/1",
            "a=fmtp:97 profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;"
            f"indexdeltalength=3;config={audio_config.hex()}",
            "a=control:streamid=1",
            "",
        ]
    )
    timed = [
        (_elapsed_us(packets, index, track.clock_rate), track.index, packet)
        for track, packets in ((VIDEO, video), (AUDIO, audio))
        for index, packet in enumerate(packets)
    ]
    timed.sort(key=lambda item: item[0])
    keyframes = _keyframes(video)
    return Clip(sdp, [_packet(n, keyframes, *item) for n, item in enumerate(timed)], seconds)


def units(clip: Clip) -> dict[str, list[str]]:
    """Return the MD5 of each access unit and audio frame, as ffmpeg's framehash has them."""
    pictures: dict[bytes, list[bytes]] = {}
    sounds: list[bytes] = []
    for packet in clip.packets:
        body = packet.payload[12:]
        if packet.track == VIDEO.index:
            pictures.setdefault(packet.payload[4:8], []).append(body)
        else:  # RFC 3640, AAC-hbr: 16 bits of header per frame
            count = int.from_bytes(body[:2]) // 16
            at = 2 + 2 * count
            for n in range(count):
                size = int.from_bytes(body[2 + 2 * n : 4 + 2 * n]) >> 3
                sounds.append(body[at : at + size])
                at += size
    found = {"video": [_annexb(bodies) for bodies in pictures.values()], "audio": sounds}
    return {
        track: [md5(one, usedforsecurity=False).hexdigest() for one in all_]
        for track, all_ in found.items()
    }


def renumbered(clip: Clip, *, seq: int, stamp: int, ssrc: int) -> list[Packet]:
    """Return the packets of a clip with other RTP numbers: the source after a restart."""
    packets: list[Packet] = []
    for packet in clip.packets:
        header = rtp.parse(packet.payload)
        assert header is not None
        payload = rtp.rewrite(
            packet.payload,
            sequence=header.sequence + seq,
            timestamp=header.timestamp + stamp,
            ssrc=ssrc + packet.track,
        )
        packets.append(packet._replace(payload=payload))
    return packets


def _annexb(bodies: list[bytes]) -> bytes:
    """Join the NAL units of one access unit (RFC 6184) with four-byte start codes."""
    nals: list[bytes] = []
    for body in bodies:
        kind = body[0] & _NAL_TYPE
        if kind == _FU_A:
            if body[1] & _FU_START:
                nals.append(bytes([body[0] & 0xE0 | body[1] & _NAL_TYPE]))
            nals[-1] += body[2:]
        elif kind == _STAP_A:
            at = 1
            while at < len(body):
                end = at + 2 + int.from_bytes(body[at : at + 2])
                nals.append(body[at + 2 : end])
                at = end
        else:
            nals.append(body)
    return b"".join(b"\0\0\0\1" + nal for nal in nals)


def _packet(number: int, keyframes: set[bytes], at_us: int, track: int, payload: bytes) -> Packet:
    flags = FLAG_KEYFRAME if payload in keyframes else 0
    return Packet(number, at_us, track, flags, payload)


def _keyframes(packets: list[bytes]) -> set[bytes]:
    """Return the first packet of each access unit that holds an IDR picture."""
    firsts: dict[bytes, bytes] = {}
    for packet in packets:
        firsts.setdefault(packet[4:8], packet)
    return {firsts[packet[4:8]] for packet in packets if _is_idr(packet)}


def _elapsed_us(packets: list[bytes], index: int, rate: int) -> int:
    stamp, first = (int.from_bytes(packets[i][4:8]) for i in (index, 0))
    return (stamp - first) % (1 << 32) * 1_000_000 // rate


def _is_idr(packet: bytes) -> bool:
    kind = packet[12] & _NAL_TYPE
    return (packet[13] if kind == _FU_A else packet[12]) & _NAL_TYPE == _IDR


def _video(seconds: int, gop: int, bit_rate: int) -> tuple[tuple[bytes, bytes], list[bytes]]:
    sink = _Sink()
    with av.open(
        sink, "w", format="rtp", options={"packetsize": "1400", "payload_type": "96"}
    ) as out:
        options = {"preset": "ultrafast", "tune": "zerolatency", "g": str(gop), "threads": "1"}
        stream = out.add_stream("libx264", rate=FRAME_RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        stream.bit_rate = bit_rate
        stream.codec_context.flags |= Flags.global_header
        graph = av.filter.Graph()
        source = graph.add("testsrc2", f"size=320x240:rate={FRAME_RATE}")
        end = graph.add("buffersink")
        shape = graph.add("format", "yuv420p")
        source.link_to(shape)
        shape.link_to(end)
        graph.configure()
        for number in range(seconds * FRAME_RATE):
            frame = graph.vpull()
            frame.pts, frame.time_base = number, Fraction(1, FRAME_RATE)
            frame.pict_type = PictureType.NONE  # the filter says I, the encoder would obey
            for packet in stream.encode(frame):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)
        config = stream.codec_context.extradata or b""
    return _parameter_sets(config), sink.packets


def _audio(seconds: int) -> tuple[bytes, list[bytes]]:
    sink = _Sink()
    with av.open(
        sink, "w", format="rtp", options={"packetsize": "1400", "payload_type": "97"}
    ) as out:
        stream = out.add_stream("aac", rate=AUDIO_RATE, layout="mono")
        stream.bit_rate = 64_000
        stream.codec_context.flags |= Flags.global_header
        graph = av.filter.Graph()
        source = graph.add("sine", f"frequency=440:sample_rate={AUDIO_RATE}:samples_per_frame=1024")
        shape = graph.add("aformat", "sample_fmts=fltp:channel_layouts=mono")
        end = graph.add("abuffersink")
        source.link_to(shape)
        shape.link_to(end)
        graph.configure()
        for _ in range(seconds * AUDIO_RATE // 1024):
            frame = graph.pull()
            assert isinstance(frame, av.AudioFrame)
            for packet in stream.encode(frame):
                out.mux(packet)
        for packet in stream.encode(None):
            out.mux(packet)
        config = stream.codec_context.extradata or b""
    return config, sink.packets


def _parameter_sets(config: bytes) -> tuple[bytes, bytes]:
    """Return SPS and PPS of an `avcC` box or of Annex B text."""
    if config[:1] == b"\1":
        size = int.from_bytes(config[6:8])
        sps, rest = config[8 : 8 + size], config[8 + size :]
        return sps, rest[3 : 3 + int.from_bytes(rest[1:3])]
    nals = [nal.rstrip(b"\0") for nal in config.split(b"\0\0\1") if nal.strip(b"\0")]
    sps, pps = (next(nal for nal in nals if nal[0] & _NAL_TYPE == kind) for kind in (_SPS, _PPS))
    return sps, pps
