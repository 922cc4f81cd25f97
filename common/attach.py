"""How a child comes to a parent: Probe and Attach, and what a parent answers.

Redirect and Refused, which a parent may answer too, are in `common.messages`.
"""

from typing import Annotated, TypeAlias

from msgspec import Meta

from common.fields import (
    U64,
    Addresses,
    Count,
    Name,
    NodeName,
    NodeNames,
    Path,
    Seconds,
    Slots,
    StripeNumber,
)
from common.messages import Message, Redirect, Refused


class Probe(Message, frozen=True, tag="Probe"):
    """How far, how fresh, how full are you? Attach may follow on the same link."""

    version: Count
    channel: Name
    group_key: Name


class ProbeReply(Message, frozen=True, tag="ProbeReply"):
    """What a candidate says of itself."""

    stripes: Annotated[tuple[StripeNumber, ...], Meta(max_length=16)]
    """Stripes in which it has a parent, or is the server proxy."""
    newest: U64
    delay: Seconds
    free_slots: Slots


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
    """False: as a standby, which is fed nothing but heartbeats until it asks with RESUME."""
    visited: NodeNames = ()
    rtt_us: U64 | None = None
    """Round trip of a Probe to this parent, where the add policy asks for it."""


class Attached(Message, frozen=True, tag="Attached"):
    """The parent's yes; frames follow."""

    first: U64
    """First sequence number to come. Later than asked means a hole."""
    newest: U64
    keyframe: U64
    """Newest sequence number that starts a keyframe; 0: none."""
    path: Path
    """From the server proxy to the parent itself."""


FromParent: TypeAlias = ProbeReply | Attached | Redirect | Refused
"""What a candidate answers."""
FromProber: TypeAlias = Attach | Probe
"""What may follow a Probe on its link."""
