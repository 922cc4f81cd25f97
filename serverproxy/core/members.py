"""What happens to the members of a channel, and what `Membership` says is to be done."""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import TypeAlias

from common.fields import StripeCandidates, StripeState
from common.ids import NodeId, Stripe
from common.messages import FromNode, Message

AUTO_SLOTS_PER_STRIPE = 1.5
SUSPICIOUS = frozenset({"silent", "closed"})
"""Reasons for which a parent that was lost is nobody's candidate for now."""
STILL_THERE = frozenset({"slow", "refused", "loop"})
"""Reasons to leave a parent that say nothing against its being alive."""
MOST_ACCUSED = 8
"""Parents that one node's word may have suspected, forgotten or lowered in `ACCUSED_WITHIN`."""
ACCUSED_WITHIN = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A node asks for its place; it has been dialled back."""

    node: NodeId
    addresses: tuple[str, ...]
    """Where it can be reached; empty: nowhere."""
    max_children: int | None
    dialling: bool = False
    """It may be reached yet: where there is only room for a node with slots, nothing is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejoined:
    """A node comes back under its id; the server process that gave it may have been another."""

    node: NodeId
    addresses: tuple[str, ...]
    max_children: int | None
    stripes: tuple[StripeState, ...]
    reached: tuple[str, ...] = ()
    """Where it was reached before, as it says."""
    restarted: bool = True
    """Whether another server process gave the id: others may still be about to come back."""


@dataclass(frozen=True, slots=True)
class Told:
    """A message on a node's control link."""

    node: NodeId
    message: FromNode


@dataclass(frozen=True, slots=True)
class ControlLost:
    """A node's control link has ended."""

    node: NodeId


@dataclass(frozen=True, slots=True)
class Reached:
    """A late dial-back succeeded."""

    node: NodeId
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unreached:
    """A node that said where it was reached before cannot be reached there now."""

    node: NodeId


Event: TypeAlias = Joined | Rejoined | Told | ControlLost | Reached | Unreached


@dataclass(frozen=True, slots=True)
class MakeOffer:
    """Command: send the node its Offer."""

    node: NodeId
    serve: Stripe | None
    slots: int
    addresses: tuple[str, ...]
    parents: tuple[StripeCandidates, ...]


@dataclass(frozen=True, slots=True)
class Refuse:
    """Command: refuse a join."""

    node: NodeId
    reason: str
    sentence: str
    retry_after: float


@dataclass(frozen=True, slots=True)
class Send:
    """Command: send a message to a node, if its control link is up."""

    node: NodeId
    message: Message


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Command: the node is in no tree any more."""

    node: NodeId


Command: TypeAlias = MakeOffer | Refuse | Send | Forgotten


@dataclass(slots=True)
class Member:
    """What is known of one node."""

    addresses: tuple[str, ...]
    max_children: int | None
    delay: float = 0.0
    players: int = 0
    delivered: int = 0
    lost: int = 0
    away_since: float | None = None
    named_at: float = float("-inf")
    """When a node that is here last named it as its parent or child."""
    standbys: dict[Stripe, NodeId | None] = field(default_factory=dict)
    """Whom it was told to hold ready; None: whom the path of its parent says."""
    inherits: set[Stripe] = field(default_factory=set)
    """Stripes in which an earlier server process may have told it to hold somebody else ready."""
    placeholder: bool = False
    """Known only by name: a child says that it hangs there."""
    accused_at: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_ACCUSED))
    """When its word last had a parent suspected, forgotten or lowered."""

    def may_accuse(self, now: float) -> bool:
        """Whether its word about the parent that it had counts; if so it has been given.

        Two messages would else be enough to have any node suspected, again and again: that it is
        the parent, and that it is lost. Who loses so many parents is in trouble itself.
        """
        past = self.accused_at
        if len(past) == MOST_ACCUSED and now - past[0] < ACCUSED_WITHIN:
            return False
        past.append(now)
        return True


@dataclass(slots=True)
class MembershipStats:
    """Counts since the start."""

    joins: dict[str, int] = field(default_factory=lambda: {"ok": 0, "full": 0})
    parents_lost: dict[str, int] = field(default_factory=dict)


def slots_of(
    max_children: int | None, addresses: Collection[str], stripes: int
) -> tuple[int, bool]:
    """Return a node's slots and whether they are a hard limit: none for one nobody can reach."""
    if not addresses:
        return 0, True
    if max_children is not None:
        return max_children, True
    return max(2, int(AUTO_SLOTS_PER_STRIPE * stripes + 0.5)), False
