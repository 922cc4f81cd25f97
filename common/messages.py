"""Control messages: what the control link and the dial-back carry.

What a child and a parent say to each other before frames flow is in `common.attach`.

`docs/wire-protocol.md` is the contract. Every message is a tagged struct; the tag is `MessageType`.
Unknown fields, types and values out of bounds are refused by the codec. Times are microseconds:
`_us` of the group clock (Unix time), `sent_us` of the sender's own monotonic clock.
"""

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from common.fields import (
    MAX_CANDIDATES,
    U64,
    AddPolicyName,
    Addresses,
    Candidate,
    Count,
    DeletePolicyName,
    JoinMode,
    LostReason,
    Name,
    NodeName,
    NodeNames,
    Pause,
    Seconds,
    Sentence,
    Slots,
    Stream,
    StripeCandidates,
    StripeCount,
    StripeNumber,
    StripeReport,
    StripeState,
    TrackReport,
)

VERSION = 1
"""Version of the overlay protocol. A link with another version is refused."""


class Message(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="MessageType"
):
    """One JSON object on a link."""


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
    group_key: Name | None = None
    """The one that the node and its neighbours know."""
    addresses: Addresses = ()
    """Where that server process could reach it."""


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
    join: JoinMode = "directory"
    add_policy: AddPolicyName = "round_robin"
    """Of `redirect`: whom a saturated parent names."""
    delete_policy: DeletePolicyName = "grandfather"
    """Of `redirect`: where the children of a node go that leaves or dies."""
    logs_from: U64 = 0
    """Its logs shall reach back to here, if that is before `start`; 0: they need not."""


class AttachedReport(Message, frozen=True, tag="Attached"):
    """Report: the node hangs under a parent now."""

    stripe: StripeNumber
    parent: NodeName
    first: U64
    lost: NodeName | None = None
    """The parent before this one, if its link ended or went silent: the standby took over."""
    reason: LostReason | None = None


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


class Standby(Message, frozen=True, tag="Standby"):
    """Hold a link with the first of these that takes it: the parent to be, should yours fail."""

    stripe: StripeNumber
    candidates: Annotated[tuple[Candidate, ...], Meta(max_length=MAX_CANDIDATES)]
    """Nearer to the root than the node. None: what the path of the parent says is good enough."""


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
    downlink_slow: bool = False
    """The links to all parents are behind: the node's own network is too slow, not a parent."""


class Announce(Message, frozen=True, tag="Announce"):
    """The source went up or down. It follows an Offer whose `source_up` is false, to say why."""

    source_up: bool
    reason: Sentence = ""
    """Why it is down, and since when."""
    stream: Stream | None = None
    """What it carries, where a new epoch begins: not everybody gets the EPOCH frames."""


class Closed(Message, frozen=True, tag="Closed"):
    """The channel is gone, or the node was sent away: `reason` says which."""

    reason: Name
    sentence: Sentence


class Dismiss(Message, frozen=True, tag="Dismiss"):
    """A node that was sent away and has not gone: end its links, and take it no more."""

    node: NodeName


class MakeWay(Message, frozen=True, tag="MakeWay"):
    """A node is about to come and take the place of a child, which goes under it."""

    stripe: StripeNumber
    node: NodeName
    child: NodeName


class Leave(Message, frozen=True, tag="Leave"):
    """A graceful end."""


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


FromNode: TypeAlias = AttachedReport | DetachedReport | ParentLost | ChildLost | Report | Leave
"""What follows Join or Rejoin on the control link, from the node."""
FromServer: TypeAlias = (
    Offer
    | Candidates
    | Standby
    | Redirect
    | Serve
    | Clock
    | Announce
    | Closed
    | Dismiss
    | MakeWay
    | Refused
)
"""What the server proxy sends on the control link."""
FromProbed: TypeAlias = HelloReply | Refused
"""What a node answers to Hello."""
