"""RTP headers (RFC 3550, 5.1): read, checked and rewritten in place of the source's."""

import struct
from typing import NamedTuple

_FIXED = struct.Struct("!BBHII")
HEADER_BYTES = _FIXED.size
_VERSION = 2
_EXTENSION_BIT, _PADDING_BIT, _MARKER_BIT = 0x10, 0x20, 0x80
_RTCP_TYPES = range(192, 224)
"""Second byte of an RTCP packet where RTP and RTCP share a port (RFC 5761, 4)."""


class Header(NamedTuple):
    """The fixed header of an RTP packet."""

    marker: bool
    payload_type: int
    sequence: int
    """16-bit RTP sequence number."""
    timestamp: int
    """32-bit, in ticks of the track's clock rate."""
    ssrc: int


def is_rtcp(packet: bytes) -> bool:
    """Tell RTCP from RTP where both come the same way; says nothing about validity."""
    return len(packet) > 1 and packet[1] in _RTCP_TYPES


def parse(packet: bytes) -> Header | None:
    """Return the header of a valid RTP packet, else None.

    Valid: version 2, not RTCP, and contributing sources, extension and padding fit in the packet.
    """
    if payload_range(packet) is None:
        return None
    _, second, sequence, timestamp, ssrc = _FIXED.unpack_from(packet)
    return Header(second >= _MARKER_BIT, second & 0x7F, sequence, timestamp, ssrc)


def payload_range(packet: bytes) -> tuple[int, int] | None:
    """Return where the payload begins and ends, or None if this is not a valid RTP packet."""
    size = len(packet)
    if size < HEADER_BYTES:
        return None
    first = packet[0]
    if first >> 6 != _VERSION or packet[1] in _RTCP_TYPES:
        return None
    begin, end = HEADER_BYTES + 4 * (first & 0x0F), size
    if first & _EXTENSION_BIT:
        if begin + 4 > size:
            return None
        begin += 4 + 4 * int.from_bytes(packet[begin + 2 : begin + 4])
    if first & _PADDING_BIT:
        padding = packet[-1]
        if padding == 0:
            return None
        end -= padding
    return (begin, end) if begin <= end else None


def payload(packet: bytes) -> bytes:
    """Return what an RTP packet carries, without padding; empty if the packet is not valid."""
    where = payload_range(packet)
    return packet[where[0] : where[1]] if where else b""


def sequence(packet: bytes) -> int:
    """Return the 16-bit sequence number of a packet that `parse` accepts."""
    return (packet[2] << 8) | packet[3]


def rewrite(packet: bytes, *, sequence: int, timestamp: int, ssrc: int) -> bytes:
    """Return a valid packet with another sequence number, timestamp and SSRC (modulo 2**16, 2**32).

    Marker, payload type, contributing sources, extension and payload stay as they are.
    """
    head = _FIXED.pack(
        packet[0], packet[1], sequence & 0xFFFF, timestamp & 0xFFFF_FFFF, ssrc & 0xFFFF_FFFF
    )
    return head + packet[HEADER_BYTES:]
