"""RTP packets built, and what receivers report read: the daemons do neither."""

import struct

from common import rtcp, rtp

_FIXED = struct.Struct("!BBHII")
_SENDER_BYTES = 24
_BLOCK = struct.Struct("!IIIIII")


def rtp_packet(header: rtp.Header, payload: bytes) -> bytes:
    """Return an RTP packet with the fixed header only (RFC 3550, 5.1)."""
    second = header.marker << 7 | header.payload_type
    fixed = _FIXED.pack(2 << 6, second, header.sequence, header.timestamp, header.ssrc)
    return fixed + payload


def report_blocks(packet: bytes) -> list[rtcp.ReportBlock]:
    """Return the report blocks of all sender and receiver reports of a compound."""
    blocks = []
    for kind, count, body in rtcp.walk(packet):
        begin = {rtcp.SR: _SENDER_BYTES, rtcp.RR: 4}.get(kind)
        for n in range(0 if begin is None else count):
            ssrc, losses, *rest = _BLOCK.unpack_from(body, (begin or 0) + n * _BLOCK.size)
            lost = ((losses & 0xFF_FFFF) ^ 0x80_0000) - 0x80_0000  # 24 bits with a sign
            blocks.append(rtcp.ReportBlock(ssrc, losses >> 24, lost, *rest))
    return blocks
