"""Frames: packets with their stripe header, and what else a stripe link carries.

Every frame begins with `length u32` (bytes that follow the length field) and `type u8`. A sequenced
frame (DATA, EPOCH) goes on with `track u8, flags u8, sequence number u64, capture time u64 (Unix
microseconds of the group clock)` and its payload; 23 bytes in all before the payload, network byte
order. `docs/wire-protocol.md` is the contract.
"""

import enum
import struct
from typing import NamedTuple

from common.errors import BadFrameError

HEADER = struct.Struct("!IBBBQQ")
HEADER_BYTES = HEADER.size
PREFIX = struct.Struct("!IB")
PREFIX_BYTES = PREFIX.size
_HEARTBEAT = struct.Struct("!QQQQ?")
_HEARTBEAT_FRAME = struct.Struct("!IBQQQQ?")
_RESUME = struct.Struct("!Q")
MAX_PAYLOAD_BYTES = 65_535
NUMBER_BITS = 62
"""Sequence numbers and microseconds need no more bits: their sums and successors fit messages."""
_SEQUENCED_BYTES = HEADER_BYTES - 4
"""What `length` counts besides the payload of a sequenced frame."""


class FrameType(enum.IntEnum):
    """Frame types. DATA and EPOCH are sequenced; the others belong to one link."""

    DATA = 1
    EPOCH = 2
    HEARTBEAT = 3
    PATH = 4
    REDIRECT = 5
    END = 6
    RESUME = 7
    STANDBY = 8
    BYE = 9
    SERVE = 10


FLAG_RTCP = 1
"""The payload is an RTCP packet; without it, an RTP packet."""
FLAG_KEYFRAME = 2
"""The payload starts an access unit that a decoder can start at."""
FLAG_FIRST = 4
"""The first frame of its stripe from another server process: no number before it is missing."""


class Packet(NamedTuple):
    """One sequenced frame, decoded. `type` is DATA but for the epoch marks of the server proxy."""

    seq: int
    capture_us: int
    track: int
    flags: int
    payload: bytes
    type: int = FrameType.DATA


_HEARTBEAT_TYPE = int(FrameType.HEARTBEAT)
_new = tuple.__new__
"""A named tuple's own `__new__` is Python code."""


class Heartbeat(NamedTuple):
    """Body of a HEARTBEAT frame: what a side that had nothing to send still has to say."""

    newest: int
    """Newest sequence number of the stripe that the sender holds; 0: none."""
    keyframe: int
    """Newest sequence number that starts a keyframe; 0: none."""
    time_us: int
    """Sender's own clock."""
    echo_us: int
    """The receiver's clock as it last told, carried on until now; 0: it told none."""
    starved: bool

    def encode(self) -> bytes:
        """Return the frame."""
        return _HEARTBEAT_FRAME.pack(_HEARTBEAT.size + 1, _HEARTBEAT_TYPE, *self)

    @classmethod
    def decode(cls, body: bytes) -> "Heartbeat":
        """Return the heartbeat of a frame's body; raises BadFrameError."""
        if len(body) != _HEARTBEAT.size:
            raise BadFrameError(f"heartbeat of {len(body)} bytes")
        newest, keyframe, time_us, echo_us, _ = fields = _HEARTBEAT.unpack(body)
        if (newest | keyframe | time_us | echo_us) >> NUMBER_BITS:
            raise BadFrameError(f"heartbeat with a number of more than {NUMBER_BITS} bits")
        return _new(cls, fields)


def encode_resume(seq: int) -> bytes:
    """Return a RESUME frame: upwards the sequence number wanted, downwards the first to come."""
    return encode_control(FrameType.RESUME, _RESUME.pack(seq))


def decode_resume(body: bytes) -> int:
    """Return the sequence number of a RESUME frame's body; raises BadFrameError."""
    if len(body) != _RESUME.size:
        raise BadFrameError(f"RESUME of {len(body)} bytes")
    seq: int = _RESUME.unpack(body)[0]
    if seq >> NUMBER_BITS:
        raise BadFrameError(f"RESUME with a number of more than {NUMBER_BITS} bits")
    return seq


class Received(NamedTuple):
    """What one chunk of bytes held."""

    packets: list[Packet]
    frames: list[bytes]
    """Encoded bytes of `packets`, one for each, as they came: what a relay sends on."""
    control: list[tuple[FrameType, bytes]]
    """Frames of the link itself, in order: type and body."""


def encode(packet: Packet) -> bytes:
    """Return the frame of a packet; raise ValueError if its payload is too long."""
    size = len(packet.payload)
    if size > MAX_PAYLOAD_BYTES:
        raise ValueError(f"payload of {size} bytes, at most {MAX_PAYLOAD_BYTES} fit in a frame")
    return (
        HEADER.pack(
            size + _SEQUENCED_BYTES,
            packet.type,
            packet.track,
            packet.flags,
            packet.seq,
            packet.capture_us,
        )
        + packet.payload
    )


def encode_control(kind: FrameType, body: bytes = b"") -> bytes:
    """Return the frame of a link's own message."""
    return PREFIX.pack(len(body) + 1, kind) + body


# What `feed` does for each frame is the largest part of a relay's own time (see bench.relay): it
# takes no attribute of an enum and calls no Python code.
_LAST_SEQUENCED = int(FrameType.EPOCH)
_MAX_SIZE = MAX_PAYLOAD_BYTES + _SEQUENCED_BYTES
_TYPES = {int(kind): kind for kind in FrameType}
_unpack_prefix, _unpack_header = PREFIX.unpack_from, HEADER.unpack_from


class FrameReader:
    """Split the bytes of one stripe link into frames; keeps an incomplete one for later."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> Received:
        """Take what came; return all complete frames. Raises BadFrameError: end the link then."""
        data = self._rest + chunk if self._rest else chunk
        packets: list[Packet] = []
        frames: list[bytes] = []
        control: list[tuple[FrameType, bytes]] = []
        at, end = 0, len(data)
        while at + PREFIX_BYTES <= end:
            if at + HEADER_BYTES <= end:  # most are data: what else it may be has no such fields
                size, kind, track, flags, seq, capture = _unpack_header(data, at)
            else:
                size, kind = _unpack_prefix(data, at)
                track = flags = seq = capture = 0
            if not 1 <= size <= _MAX_SIZE:
                raise BadFrameError(f"frame of {size} bytes")
            after = at + 4 + size
            if after > end:
                break
            if kind <= _LAST_SEQUENCED:
                if size < _SEQUENCED_BYTES or kind == 0:
                    raise BadFrameError(f"frame type {kind} of {size} bytes")
                if (seq | capture) >> NUMBER_BITS:
                    raise BadFrameError(f"sequence number {seq}, captured at {capture}")
                frame = data[at:after]
                fields = (seq, capture, track, flags, frame[HEADER_BYTES:], kind)
                packets.append(_new(Packet, fields))
                frames.append(frame)
            else:
                control.append((_frame_type(kind), data[at + PREFIX_BYTES : after]))
            at = after
        self._rest = data[at:]
        return _new(Received, (packets, frames, control))


def _frame_type(kind: int) -> FrameType:
    if (known := _TYPES.get(kind)) is None:
        raise BadFrameError(f"unknown frame type {kind}")
    return known
