"""What messages are made of: bounded types, and the structs within them.

Times are microseconds: `_us` of the group clock (Unix time), `sent_us` of the sender's own
monotonic clock.
"""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

MAX_CANDIDATES = 10
MAX_SDP_BYTES = 65_536
MAX_STREAM_BYTES = 60_000
"""JSON of a Stream: it must fit in an EPOCH frame and, with the rest of an Offer, in a message."""
MAX_REDIRECTS = 16

Count: TypeAlias = Annotated[int, Meta(ge=0, le=2**32)]
U64: TypeAlias = Annotated[int, Meta(ge=0, le=2**63 - 1)]
"""Sequence numbers and microseconds: msgspec takes no greater bound."""
Ntp: TypeAlias = Annotated[int, Meta(ge=0)]
"""Below 2**64, which `SenderReport` sees to."""
StripeNumber: TypeAlias = Annotated[int, Meta(ge=0, lt=16)]
StripeCount: TypeAlias = Annotated[int, Meta(ge=1, le=16)]
Slots: TypeAlias = Annotated[int, Meta(ge=0, le=1000)]
Name: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]
NodeName: TypeAlias = Annotated[
    str, Meta(min_length=1, max_length=64, pattern=r"\A[A-Za-z0-9._-]+\Z")
]
"""Needs no escapes in JSON: 1,000 of them fit a message."""
MAX_SENTENCE = 1000
"""Characters of a sentence for people."""
Sentence: TypeAlias = Annotated[str, Meta(max_length=MAX_SENTENCE)]
Seconds: TypeAlias = Annotated[float, Meta(ge=-1e13, le=1e13)]
"""Wide enough for the difference of any two times, so that no figure of a Report is refused."""
Pause: TypeAlias = Annotated[float, Meta(ge=0, le=3600)]
_HOST = r"(?:[A-Za-z0-9_-]{1,63}\.){0,30}[A-Za-z0-9_-]{1,63}\.?"
_IPV6 = r"(?:[0-9A-Fa-f]{0,4}:){2,8}[0-9A-Fa-f]{0,4}(?:\.[0-9]{1,3}){0,3}(?:%[A-Za-z0-9_-]{1,15})?"
_PORT = r"(?::(?:[0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?"
AddressText: TypeAlias = Annotated[
    str,
    Meta(max_length=300, pattern=rf"\A(?:{_IPV6}|(?:{_HOST}|\[{_IPV6}\]){_PORT})\Z"),
]
"""HOST, HOST:PORT, [IPv6]:PORT or IPv6: what `Address.parse` reads and a resolver takes."""
Addresses: TypeAlias = Annotated[tuple[AddressText, ...], Meta(max_length=8)]
LostReason: TypeAlias = Literal["closed", "silent", "slow", "refused", "loop", "end"]
"""Why a link ended, or a candidate did not become a parent: also a metric label."""
EndReason: TypeAlias = Literal[
    "bye", "moved", "left", "too_slow", "restarted", "ended", "full", "loop", "detached", "kicked"
]
"""Why a side ends a stripe link in good order."""
KICKED: Literal["kicked"] = "kicked"
"""Reason of the Closed that a node is sent away with: it hands its children over, and leaves. One
that stays is refused for it, and its links end with it."""
STAYS_AWAY = 60.0
"""Seconds for which who was kicked is asked to stay away, and a client proxy does."""
NodeNames: TypeAlias = Annotated[tuple[NodeName, ...], Meta(max_length=1000)]
JoinMode: TypeAlias = Literal["directory", "redirect"]
"""How newcomers find a parent: the server proxy names it (Zebra), or parents do (SpreadIt)."""
AddPolicyName: TypeAlias = Literal[
    "random", "round_robin", "smart_placement", "knock_down", "smart_bandwidth"
]
"""`common.policies`: whom a saturated parent names."""
DeletePolicyName: TypeAlias = Literal["root", "root_all", "grandfather", "grandfather_all"]
"""`common.policies`: where the children of a node go that leaves or dies."""


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What messages are made of."""


class Track(Part, frozen=True):
    """One medium of the source, in the order of the m= lines of its SDP."""

    index: Annotated[int, Meta(ge=0, le=255)]
    """Position of its m= line: the `track` of a frame."""
    kind: Name
    """`video`, `audio` or `application`."""
    codec: Name
    """Encoding name of the rtpmap, in capitals: H264, H265, MPEG4-GENERIC, OPUS, PCMU …"""
    clock_rate: Annotated[int, Meta(ge=1, le=2**32)]
    """Ticks of the RTP timestamp a second."""
    payload_type: Annotated[int, Meta(ge=0, le=127)]


class SenderReport(Part, frozen=True):
    """The mapping of one RTCP sender report (RFC 3550, 6.4.1)."""

    ssrc: Count
    ntp: Ntp
    """64-bit NTP timestamp."""
    rtp: Count
    """RTP timestamp of the same instant."""

    def __post_init__(self) -> None:
        """Refuse what does not fit 64 bits: msgspec has no such bound."""
        if self.ntp >> 64:
            raise ValueError("NTP timestamp of more than 64 bits")


class TrackReport(Part, frozen=True):
    """The newest sender report of one track."""

    track: Annotated[int, Meta(ge=0, le=255)]
    report: SenderReport


class Stream(Part, frozen=True):
    """What a channel carries from one sequence number on: the SDP of an epoch."""

    epoch: Count
    """Grows when the codecs change; each server process begins with 1."""
    generation: U64
    """Another one each time that the source begins anew, whatever server process pulls it."""
    sdp: Annotated[str, Meta(max_length=MAX_SDP_BYTES)]
    tracks: Annotated[tuple[Track, ...], Meta(max_length=256)]


class Candidate(Part, frozen=True):
    """A possible parent. Without addresses it is the server proxy that the node talks to."""

    node: NodeName
    addresses: Addresses
    delay: Seconds
    """Seconds from the capture of a packet to its delivery at the candidate."""
    available: bool
    """A slot is free; otherwise spliceable."""


class StripeCandidates(Part, frozen=True):
    """Up to ten parents for one stripe, in the order in which the server proxy prefers them."""

    stripe: StripeNumber
    candidates: Annotated[tuple[Candidate, ...], Meta(max_length=MAX_CANDIDATES)]


class StripeState(Part, frozen=True):
    """How a node that comes back hangs in one tree."""

    stripe: StripeNumber
    interior: bool
    parent: NodeName | None
    children: NodeNames
    newest: U64
    """Newest sequence number that the node holds; 0 before the first."""


class StripeReport(Part, frozen=True):
    """Figures of one stripe since the link to the parent was made."""

    stripe: StripeNumber
    parent: NodeName | None
    delay: Seconds
    received: U64
    lost: U64
    lag: U64
    """Sequence numbers between the parent's newest and the node's own."""
    children: NodeNames
    standby: NodeName | None = None
    """Second parent that is ready to take over."""
    behind: Seconds = 0.0
    """Seconds from when the parent had a packet until the node has it, more than at best."""


class PathEntry(Part, frozen=True):
    """One ancestor."""

    node: NodeName
    addresses: Addresses


Path: TypeAlias = Annotated[tuple[PathEntry, ...], Meta(max_length=1000)]


class RedirectFrame(Part, frozen=True):
    """Body of a REDIRECT frame: leave me for one of these."""

    targets: Annotated[tuple[Candidate, ...], Meta(max_length=MAX_CANDIDATES)]
    everyone: bool = False
    """Tell your own children the same: each descendant goes there by itself."""


class ServeFrame(Part, frozen=True):
    """Body of a SERVE frame: what Attach said of the child's own room is this now."""

    serve: StripeNumber | None
    slots: Slots
    addresses: Addresses


class EndFrame(Part, frozen=True):
    """Body of an END or BYE frame."""

    reason: EndReason
