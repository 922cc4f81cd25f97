"""Where a decoder can start: the first packet of each access unit that stands on its own.

Rules
-----
1. H.264 (RFC 6184) and H.265 (RFC 7798): an access unit is a start if it holds an IDR or IRAP
   picture or the sequence parameter sets that go before one. Its flagged packet is the first one
   that holds any of these; delimiters and SEI before it are not needed to start.
2. Parameter sets sent in an access unit of their own are the start of the picture behind them:
   that picture is then not flagged again, or a start at it would lack them.
3. PPS alone is no start: encoders repeat it before other pictures too.
4. Any other codec: the first packet of every RTP timestamp.
"""

from collections.abc import Iterator

from common import rtp

_H264_STAP_A, _H264_STAP_B, _H264_MTAP16, _H264_MTAP24, _H264_FU_A, _H264_FU_B = range(24, 30)
_H264_IDR, _H264_SPS = 5, 7
_H264_SLICES = range(1, 6)
_H264_AGGREGATES = {  # type -> bytes before the first size, bytes between a size and its NAL unit
    _H264_STAP_A: (1, 0),
    _H264_STAP_B: (3, 0),
    _H264_MTAP16: (3, 3),
    _H264_MTAP24: (3, 4),
}
_H265_AP, _H265_FU = 48, 49
_H265_VPS, _H265_SPS = 32, 33
_H265_IRAPS = range(16, 24)
_H265_SLICES = range(32)
_FU_START = 0x80


def _aggregated(payload: bytes, at: int, skipped: int) -> Iterator[int]:
    """Yield the position of each NAL unit in an aggregation packet, up to the first fault."""
    while at + 2 <= len(payload):
        size = int.from_bytes(payload[at : at + 2])
        nal, at = at + 2 + skipped, at + 2 + skipped + size
        if not size or at > len(payload):
            return
        yield nal


def _h264_units(payload: bytes) -> Iterator[tuple[int, bool]]:
    """Yield the type of each NAL unit in a payload and whether it begins in it."""
    kind = payload[0] & 0x1F
    if kind in _H264_AGGREGATES:
        first, skipped = _H264_AGGREGATES[kind]
        for nal in _aggregated(payload, first, skipped):
            yield payload[nal] & 0x1F, True
    elif kind not in (_H264_FU_A, _H264_FU_B):
        yield kind, True
    elif len(payload) > 1:
        yield payload[1] & 0x1F, bool(payload[1] & _FU_START)


def _h265_units(payload: bytes) -> Iterator[tuple[int, bool]]:
    kind = payload[0] >> 1 & 0x3F
    if kind == _H265_AP:
        for nal in _aggregated(payload, 2, 0):
            yield payload[nal] >> 1 & 0x3F, True
    elif kind != _H265_FU:
        yield kind, True
    elif len(payload) > 2:  # noqa: PLR2004 - two bytes of payload header before the FU header
        yield payload[2] & 0x3F, bool(payload[2] & _FU_START)


def _look(codec: str, payload: bytes) -> tuple[bool, bool]:
    """Tell of a payload: does a start begin in it, does it hold (a part of) a coded picture."""
    if codec not in ("H264", "H265"):
        return True, True
    if not payload:
        return False, False
    if codec == "H264":
        units = list(_h264_units(payload))
        start = any(begins and kind in (_H264_IDR, _H264_SPS) for kind, begins in units)
        return start, any(kind in _H264_SLICES for kind, _ in units)
    units = list(_h265_units(payload))
    start = any(
        begins and (kind in _H265_IRAPS or kind in (_H265_VPS, _H265_SPS)) for kind, begins in units
    )
    return start, any(kind in _H265_SLICES for kind, _ in units)


class KeyframeDetector:
    """Flags the packets of one track that a decoder can start at: one in each such access unit."""

    def __init__(self, codec: str) -> None:
        """Take the encoding name of the rtpmap, in capitals."""
        self._codec = codec
        self._timestamp = -1
        self._flagged = False
        """The start of the access unit at hand has been flagged."""
        self._pictured = False
        """Coded pictures have come since that flag's access unit began."""

    def push(self, packet: bytes) -> bool:
        """Take the next RTP packet in order; tell whether it is such a start."""
        if len(packet) < rtp.HEADER_BYTES:
            return False
        timestamp = int.from_bytes(packet[4:8])
        if timestamp != self._timestamp:
            self._timestamp = timestamp
            if self._pictured:
                self._flagged = self._pictured = False
        start, picture = _look(self._codec, rtp.payload(packet))
        first = start and not self._flagged
        self._flagged = self._flagged or first
        self._pictured = self._pictured or picture
        return first
