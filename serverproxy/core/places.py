"""What is asked for when a node needs a place, and what is found."""

from dataclasses import dataclass

from common.ids import NodeId, Stripe
from serverproxy.core.shelves import Member


@dataclass(frozen=True, slots=True)
class Candidate:
    """One parent that a node may choose."""

    parent: NodeId
    """ROOT for the server proxy."""
    depth: int
    """Depth that the node will have there."""
    displaced: NodeId | None = None
    """The child in whose place it comes, a leaf as the trees suppose (the parent decides), or one
    that they chose (`Found.before`). None: a slot."""
    chosen: bool = False
    """`displaced` is not for the parent to decide: it is told so (MakeWay)."""


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a node can go in one stripe."""

    stripe: Stripe
    candidates: tuple[Candidate, ...]
    """One to ten; the first is reserved."""
    shared: bool = False
    """Somebody will have a child in a stripe that is not its own."""
    serve: NodeId | None = None
    """This node serves `stripe` from now on, to make room: tell it so."""


@dataclass(slots=True)
class Query:
    """Who looks for a parent, and whom it shall not get."""

    member: Member
    stripe: Stripe
    avoid: set[Member]
    last_resort: bool = False
    """Suspected members will do."""


@dataclass(slots=True)
class Found:
    """What a search found, before it is reserved."""

    parents: list[Member]
    splice: bool = False
    """Parents that are full hand over a leaf."""
    shared: bool = False
    serve: Member | None = None
    sent_away: Member | None = None
    """A leaf that goes before anybody comes."""
    before: Member | None = None
    """It splices in front of this child of the first parent, which goes under it."""
