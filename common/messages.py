"""Control messages: what each link begins with, and what the control link carries.

`docs/wire-protocol.md` is the contract. Every message is a tagged struct; the tag is `MessageType`.
"""

import msgspec


class Track(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One medium of the source, in the order of the m= lines of its SDP."""

    index: int
    """Position of its m= line: the `track` of a frame."""
    kind: str
    """`video`, `audio` or `application`."""
    codec: str
    """Encoding name of the rtpmap, in capitals: H264, H265, MPEG4-GENERIC, OPUS, PCMU …"""
    clock_rate: int
    """Ticks of the RTP timestamp a second."""
    payload_type: int


class SenderReport(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The mapping of one RTCP sender report (RFC 3550, 6.4.1)."""

    ssrc: int
    ntp: int
    """64-bit NTP timestamp."""
    rtp: int
    """RTP timestamp of the same instant."""
