"""Control messages: what each link begins with, and what the control link carries.

`docs/wire-protocol.md` is the contract. Every message is a tagged struct; the tag is `MessageType`.
Unknown fields, types and values out of bounds are refused by the codec. Times are microseconds:
`_us` of the group clock (Unix time), `sent_us` of the sender's own monotonic clock.
"""

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

VERSION = 1
"""Version of the overlay protocol. A link with another version is refused."""

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
Sentence: TypeAlias = Annotated[str, Meta(max_length=1000)]
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
EndReason: TypeAlias = Literal["bye", "moved", "left", "too_slow", "restarted", "ended"]
"""Why a side ends a stripe link in good order."""
NodeNames: TypeAlias = Annotated[tuple[NodeName, ...], Meta(max_length=1000)]


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What messages are made of."""


class Message(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="MessageType"
):
    """One JSON object on a link."""


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
    """Grows when the codecs change: players are closed and come back."""
    generation: Count
    """Grows each time that the source begins anew: its RTP numbers jump."""
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


class Join(Message, frozen=True, tag="Join"):
    """A node asks for its place in all trees of a channel."""

    version: Count
    channel: Name
    port: Annotated[int, Meta(ge=1, le=65_535)]
    """Overlay port of the node, at the address that the server proxy sees it from."""
    nonce: Name
    """What Hello must carry when the server proxy dials back."""
    sent_us: U64
    advertise: Addresses = ()
    """Addresses that override the one seen."""
    max_children: Slots | None = None
    """A hard limit, or null: the server proxy works it out."""
    token: Annotated[str, Meta(max_length=4096)] | None = None


class Rejoin(Message, frozen=True, tag="Rejoin"):
    """A node whose control link broke says how it hangs in the trees."""

    join: Join
    node: NodeName
    """Id that it had, and the server process that gave it."""
    instance: U64
    stripes: Annotated[tuple[StripeState, ...], Meta(max_length=16)]
    players: Count


class Clock(Message, frozen=True, tag="Clock"):
    """Answer to `sent_us` of Join or Report: a four-timestamp exchange."""

    sent_us: U64
    received_us: U64
    replied_us: U64


class Offer(Message, frozen=True, tag="Offer"):
    """A node's place: what it serves, what it may ask, where the stream stands."""

    node: NodeName
    serve: StripeNumber | None
    """The stripe in which it may have children; null: a leaf in all."""
    stripes: StripeCount
    slots: Slots
    group_key: Name
    """Shown at Attach; parents of the same channel know it."""
    instance: U64
    """Start time of the server process: its sequence numbers begin there."""
    stream: Stream | None
    """Null until the source was up for the first time."""
    source_up: bool
    sender_reports: Annotated[tuple[TrackReport, ...], Meta(max_length=256)]
    start: U64
    """First sequence number to ask for, the same in all stripes: the last keyframe."""
    parents: Annotated[tuple[StripeCandidates, ...], Meta(max_length=16)]
    addresses: Addresses
    """Where other nodes find this one. Empty: the server proxy could not dial back, no slots."""
    clock: Clock


class AttachedReport(Message, frozen=True, tag="Attached"):
    """Report: the node hangs under a parent now."""

    stripe: StripeNumber
    parent: NodeName
    first: U64


class DetachedReport(Message, frozen=True, tag="Detached"):
    """Report: the node left a parent that lives."""

    stripe: StripeNumber
    parent: NodeName


class ParentLost(Message, frozen=True, tag="ParentLost"):
    """The node has no parent in a stripe and asks for candidates."""

    stripe: StripeNumber
    parent: NodeName | None
    """Null: it never had one, or none of the candidates took it."""
    reason: LostReason
    newest: U64
    tried: NodeNames


class ChildLost(Message, frozen=True, tag="ChildLost"):
    """A parent's word that a child's link ended without a bye."""

    stripe: StripeNumber
    child: NodeName
    reason: LostReason


class Candidates(Message, frozen=True, tag="Candidates"):
    """Fresh parents, answered to ParentLost. None: wait `retry_after` seconds and ask again."""

    parents: StripeCandidates
    retry_after: Pause = 1.0


class Redirect(Message, frozen=True, tag="Redirect"):
    """Leave `parent` for the nearest of these, make before break; a hint (SpreadIt)."""

    stripe: StripeNumber
    parent: NodeName
    """Ignored where this is not the current parent."""
    targets: Annotated[tuple[Candidate, ...], Meta(max_length=MAX_CANDIDATES)]


class Serve(Message, frozen=True, tag="Serve"):
    """The node's interior stripe and its slots are these now."""

    serve: StripeNumber | None
    slots: Slots
    addresses: Addresses
    """Where other nodes find it: a late dial-back may have succeeded."""


class Report(Message, frozen=True, tag="Report"):
    """What a node sees, every two seconds."""

    sent_us: U64
    delay: Seconds
    stripes: Annotated[tuple[StripeReport, ...], Meta(max_length=16)]
    players: Count
    delivered: U64
    lost: U64


class Announce(Message, frozen=True, tag="Announce"):
    """The source went up or down."""

    source_up: bool
    reason: Sentence = ""


class Closed(Message, frozen=True, tag="Closed"):
    """The channel is gone, or the node was sent away; do not come back before `retry_after`."""

    reason: Name
    sentence: Sentence


class Leave(Message, frozen=True, tag="Leave"):
    """A graceful end."""


class Probe(Message, frozen=True, tag="Probe"):
    """How far, how fresh, how full are you? Attach may follow on the same link."""

    version: Count
    channel: Name
    group_key: Name


class ProbeReply(Message, frozen=True, tag="ProbeReply"):
    """What a candidate says of itself."""

    stripes: Annotated[tuple[StripeNumber, ...], Meta(max_length=16)]
    """Stripes in which it has a parent (or is the server proxy) and has caught up."""
    newest: U64
    delay: Seconds
    free_slots: Slots


class Hello(Message, frozen=True, tag="Hello"):
    """The server proxy dials back, to see whether the node can be reached."""

    version: Count
    nonce: Name


class HelloReply(Message, frozen=True, tag="HelloReply"):
    """Yes, and the nonce is mine."""

    nonce: Name


class Refused(Message, frozen=True, tag="Refused"):
    """No, and why."""

    reason: Name
    """unknown_channel, unauthorized, full, version, bad_request, detached or loop."""
    sentence: Sentence
    retry_after: Pause | None = None


class Attach(Message, frozen=True, tag="Attach"):
    """A child asks a parent for one stripe."""

    version: Count
    channel: Name
    stripe: StripeNumber
    node: NodeName
    group_key: Name
    serve: StripeNumber | None
    slots: Slots
    addresses: Addresses
    """Where the child listens: targets of redirects. Empty: it cannot be reached."""
    start: U64
    """First sequence number that the child lacks."""
    orphan: bool
    """The child lost its parent and may take one slot too many."""
    active: bool = True
    """False: a standby."""
    visited: NodeNames = ()


class PathEntry(Part, frozen=True):
    """One ancestor."""

    node: NodeName
    addresses: Addresses


Path: TypeAlias = Annotated[tuple[PathEntry, ...], Meta(max_length=1000)]


class Attached(Message, frozen=True, tag="Attached"):
    """The parent's yes; frames follow."""

    first: U64
    """First sequence number to come. Later than asked means a hole."""
    newest: U64
    keyframe: U64
    """Newest sequence number that starts a keyframe; 0: none."""
    path: Path
    """From the server proxy to the parent itself."""


class RedirectFrame(Part, frozen=True):
    """Body of a REDIRECT frame: leave me for one of these."""

    targets: Annotated[tuple[Candidate, ...], Meta(max_length=MAX_CANDIDATES)]


class EndFrame(Part, frozen=True):
    """Body of an END or BYE frame."""

    reason: EndReason


First: TypeAlias = Join | Rejoin | Attach | Probe | Hello
"""What a link may begin with."""
FromNode: TypeAlias = AttachedReport | DetachedReport | ParentLost | ChildLost | Report | Leave
"""What follows Join or Rejoin on the control link, from the node."""
FromServer: TypeAlias = Offer | Candidates | Redirect | Serve | Clock | Announce | Closed | Refused
"""What the server proxy sends on the control link."""
FromParent: TypeAlias = ProbeReply | Attached | Redirect | Refused
"""What a candidate answers."""
FromProbed: TypeAlias = HelloReply | Refused
"""What a node answers to Hello."""
FromProber: TypeAlias = Attach | Probe
"""What may follow a Probe on its link."""
AnyMessage: TypeAlias = Message
