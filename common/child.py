"""One child as its parent knows it: its room for a stripe, and whether it stays."""

from dataclasses import dataclass

from common.attach import Attach
from common.fields import Candidate, ServeFrame
from common.ids import NodeId, Stripe


@dataclass(slots=True)
class Child:
    """One stripe link to a child."""

    node: NodeId
    stripe: Stripe
    slots: int
    """Slots that it has for this stripe: 0 unless it serves it."""
    addresses: tuple[str, ...]
    rtt_us: int | None = None
    """Round trip that it measured before it came, if the add policy asks for it."""
    splicing: bool = False
    """It waits for the place of a leaf, or of `displaces`."""
    displaces: NodeId | None = None
    leaving: bool = False
    """It has been redirected."""
    fresh: bool = False
    """It has had all there is: from now on it lacks only what is new."""
    stalled: bool = False
    """It says nothing, or does not take what is sent: dead for all that can be seen."""

    @property
    def leaf(self) -> bool:
        """Nobody can be sent to it."""
        return self.slots == 0 or not self.addresses


def slots_for(said: Attach | ServeFrame, stripe: Stripe) -> int:
    """Return the slots that a child has for a stripe."""
    return said.slots if said.serve == stripe and said.addresses else 0


def candidate(child: Child) -> Candidate:
    """Return a child as others may be sent to it."""
    return Candidate(child.node, child.addresses, 0.0, available=True)
