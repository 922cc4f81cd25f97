"""RTCP (RFC 3550, 6): read compounds of any quality, build sender and receiver reports.

Nothing here raises for what a packet holds: reading returns what was valid up to the first fault.
"""

import struct
from collections.abc import Iterable
from typing import NamedTuple

SR, RR, SDES, BYE = 200, 201, 202, 203
"""Packet types (RFC 3550, 12.1)."""

_VERSION = 2
_TYPES = range(192, 224)
_HEADER = struct.Struct("!BBH")
_SENDER = struct.Struct("!IQIII")
_BLOCK = struct.Struct("!IIIIII")
_CNAME = 1
_MOST_COUNTED = 31
_MOST_TEXT_BYTES = 255


class Part(NamedTuple):
    """One packet of a compound."""

    kind: int
    """Packet type: SR, RR, SDES, BYE or any other of 192..223."""
    counted: int
    """Report blocks, chunks or sources, as the header promises; the body may hold fewer."""
    body: bytes
    """What follows the four bytes of the header."""


class SenderInfo(NamedTuple):
    """The sender's part of a sender report."""

    ssrc: int
    ntp: int
    """64-bit NTP timestamp."""
    rtp: int
    """RTP timestamp of the same instant."""
    packets: int
    octets: int


class ReportBlock(NamedTuple):
    """What one receiver says about one sender."""

    ssrc: int
    """Whose packets these figures are about."""
    fraction_lost: int
    """256ths of the packets since the last report, 0..255."""
    lost: int
    """All packets lost, at most 2**23 - 1; negative with duplicates."""
    highest: int
    """32 bits: extended highest sequence number received."""
    jitter: int
    """In ticks of the RTP clock."""
    last_sr: int
    """Middle 32 bits of the NTP timestamp of the last sender report, or 0."""
    delay: int
    """1/65536 seconds since that report, or 0."""


def walk(packet: bytes) -> list[Part]:
    """Return the packets of a compound, up to the first that is malformed or cut off."""
    parts: list[Part] = []
    at = 0
    while at + _HEADER.size <= len(packet):
        first, kind, words = _HEADER.unpack_from(packet, at)
        end = at + 4 * (words + 1)
        if first >> 6 != _VERSION or kind not in _TYPES or end > len(packet):
            break
        parts.append(Part(kind, first & 0x1F, packet[at + 4 : end]))
        at = end
    return parts


def is_valid(packet: bytes) -> bool:
    """Tell whether a compound holds at least one whole packet at its beginning."""
    return bool(walk(packet))


def sender_info(packet: bytes) -> SenderInfo | None:
    """Return the sender's part of the first sender report of a compound."""
    for part in walk(packet):
        if part.kind == SR and len(part.body) >= _SENDER.size:
            return SenderInfo(*_SENDER.unpack_from(part.body))
    return None


def byes(packet: bytes) -> set[int]:
    """Return the SSRCs that say goodbye in a compound."""
    return {
        int.from_bytes(body[4 * n : 4 * n + 4])
        for kind, count, body in walk(packet)
        if kind == BYE
        for n in range(min(count, len(body) // 4))
    }


def sender_report(info: SenderInfo, blocks: Iterable[ReportBlock] = ()) -> bytes:
    """Build an SR; at most 31 blocks."""
    sender = _SENDER.pack(
        info.ssrc,
        info.ntp,
        info.rtp & 0xFFFF_FFFF,
        info.packets & 0xFFFF_FFFF,
        info.octets & 0xFFFF_FFFF,
    )
    return _with_blocks(SR, sender, blocks)


def receiver_report(ssrc: int, blocks: Iterable[ReportBlock] = ()) -> bytes:
    """Build an RR of receiver `ssrc`; at most 31 blocks."""
    return _with_blocks(RR, ssrc.to_bytes(4), blocks)


def source_description(ssrc: int, cname: str) -> bytes:
    """Build an SDES with the canonical name (RFC 3550, 6.5.1), cut at 255 bytes."""
    text = cname.encode()[:_MOST_TEXT_BYTES]
    chunk = ssrc.to_bytes(4) + bytes((_CNAME, len(text))) + text
    return _packet(SDES, 1, chunk + bytes(4 - len(chunk) % 4))


def bye(ssrc: int, why: str = "") -> bytes:
    """Build a BYE of `ssrc` with an optional reason."""
    body = ssrc.to_bytes(4)
    if why:
        text = why.encode()[:_MOST_TEXT_BYTES]
        body += bytes((len(text),)) + text
        body += bytes(-len(body) % 4)
    return _packet(BYE, 1, body)


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return _HEADER.pack(_VERSION << 6 | count, kind, len(body) // 4) + body


def _with_blocks(kind: int, head: bytes, blocks: Iterable[ReportBlock]) -> bytes:
    packed = [_pack(block) for block in blocks][:_MOST_COUNTED]
    return _packet(kind, len(packed), head + b"".join(packed))


def _pack(block: ReportBlock) -> bytes:
    lost = min(max(block.lost, -0x80_0000), 0x7F_FFFF) & 0xFF_FFFF
    return _BLOCK.pack(
        block.ssrc,
        min(max(block.fraction_lost, 0), 255) << 24 | lost,
        block.highest & 0xFFFF_FFFF,
        min(max(block.jitter, 0), 0xFFFF_FFFF),
        block.last_sr,
        block.delay & 0xFFFF_FFFF,
    )
