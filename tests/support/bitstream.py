"""Elementary streams cut into the units that travel: coded pictures and frames of sound.

Only the standard library: the GStreamer source runs this under Debian's own interpreter.
"""

import struct
from itertools import pairwise
from typing import Literal

VideoCodec = Literal["h264", "h265"]
AccessUnit = tuple[bytes, ...]
"""The NAL units of one coded picture, without start codes."""

START_CODE = b"\0\0\0\1"
SEI_UUID = bytes.fromhex("0123456789abcdef0123456789abcdef")


def nal_units(stream: bytes) -> list[bytes]:
    """Cut an Annex B byte stream at its start codes (three or four bytes long)."""
    starts: list[int] = []
    at = stream.find(b"\0\0\1")
    while at >= 0:
        starts.append(at)
        at = stream.find(b"\0\0\1", at + 3)
    return [stream[a + 3 : b].rstrip(b"\0") for a, b in pairwise([*starts, len(stream)])]


def is_picture(nal: bytes, codec: VideoCodec) -> bool:
    """Whether a NAL unit holds a coded slice."""
    return nal[0] & 31 in (1, 5) if codec == "h264" else (nal[0] >> 1) & 63 < 32


def is_key(unit: AccessUnit, codec: VideoCodec) -> bool:
    """Whether decoding can start at this access unit (IDR, or IRAP in H.265)."""
    if codec == "h264":
        return any(nal[0] & 31 == 5 for nal in unit)
    return any(16 <= (nal[0] >> 1) & 63 <= 21 for nal in unit)


def _opens_unit(nal: bytes, codec: VideoCodec) -> bool:
    """Whether a NAL unit behind a slice belongs to the next picture."""
    if is_picture(nal, codec):
        return bool((nal[1] if codec == "h264" else nal[2]) & 0x80)  # the picture's first slice
    return nal[0] & 31 in (6, 7, 8, 9) if codec == "h264" else (nal[0] >> 1) & 63 in range(32, 40)


def access_units(stream: bytes, codec: VideoCodec) -> list[AccessUnit]:
    """Group an Annex B byte stream into coded pictures."""
    units: list[AccessUnit] = []
    current: list[bytes] = []
    pictured = False
    for nal in nal_units(stream):
        if pictured and _opens_unit(nal, codec):
            units.append(tuple(current))
            current, pictured = [], False
        current.append(nal)
        pictured = pictured or is_picture(nal, codec)
    return [*units, tuple(current)] if current else units


def annexb(unit: AccessUnit) -> bytes:
    """Join with four-byte start codes: the form in which ffmpeg hands over what RTP brought."""
    return b"".join(START_CODE + nal for nal in unit)


def _escaped(payload: bytes) -> bytes:
    """Add emulation prevention bytes (H.264 7.4.1)."""
    out = bytearray()
    zeros = 0
    for byte in payload:
        if zeros >= 2 and byte <= 3:
            out.append(3)
            zeros = 0
        out.append(byte)
        zeros = 0 if byte else zeros + 1
    return bytes(out)


def numbered(unit: AccessUnit, codec: VideoCodec, number: int, clock: int) -> AccessUnit:
    """Insert an SEI before the first slice: UUID, u64 picture number, u64 clock in microseconds.

    It makes each access unit unique, so a receiver can be told which ones it lacks.
    """
    body = SEI_UUID + struct.pack(">QQ", number, clock)
    header = b"\x06" if codec == "h264" else b"\x4e\x01"
    sei = header + _escaped(bytes([5, len(body)]) + body + b"\x80")
    at = next(i for i, nal in enumerate(unit) if is_picture(nal, codec))
    return (*unit[:at], sei, *unit[at:])


def adts_frames(stream: bytes) -> list[bytes]:
    """Raw AAC frames out of an ADTS stream."""
    frames: list[bytes] = []
    at = 0
    while at + 7 <= len(stream):
        length = (stream[at + 3] & 3) << 11 | stream[at + 4] << 3 | stream[at + 5] >> 5
        header = 7 if stream[at + 1] & 1 else 9
        frames.append(stream[at + header : at + length])
        at += length
    return frames


def ogg_packets(stream: bytes) -> list[bytes]:
    """Opus packets out of an Ogg file, without its two header packets."""
    packets: list[bytes] = []
    current = b""
    at = 0
    while at + 27 <= len(stream):
        count = stream[at + 26]
        table = stream[at + 27 : at + 27 + count]
        at += 27 + count
        for size in table:
            current += stream[at : at + size]
            at += size
            if size < 255:
                packets.append(current)
                current = b""
    return packets[2:]
