"""What nodes are told of each other: candidates, and whom to hold ready as the next parent.

Rules
-----
1. A candidate is named as others can find it: its addresses, and how far behind the source it is.
2. A standby is named when it is another one than before, to a bounded number of nodes at each look.
   The grandparent needs no naming: a node knows it from the path, also without the server proxy.
"""

from common.fields import Candidate, StripeCandidates
from common.ids import ROOT, NodeId, Stripe
from common.messages import Standby
from serverproxy.core.members import Command, Send
from serverproxy.core.roster import Roster
from serverproxy.core.tree import Placement

STANDBYS_AT_ONCE = 100
"""Nodes whose standby is looked at in one look, at most."""


class Directory(Roster):
    """The nodes of one channel, as other nodes are told of them."""

    def candidates(self, stripe: Stripe, placement: Placement) -> StripeCandidates:
        """Return the parents of a placement as a node can ask them."""
        found = (self._known(c.parent, free=c.displaced is None) for c in placement.candidates)
        return StripeCandidates(stripe, tuple(one for one in found if one is not None))

    def _known(self, node: NodeId, *, free: bool) -> Candidate | None:
        """Return a parent as others can find it."""
        if node == ROOT:
            return Candidate(ROOT, (), 0.0, available=free)
        member = self.members.get(node)
        found = None if member is None else (member.addresses, member.delay)
        return None if found is None else Candidate(node, *found, free)

    def standbys(self, now: float) -> list[Command]:
        """Name another standby to some of those who need one; nobody: its grandparent will do."""
        commands, unfit = list[Command](), set(self.suspects)
        for node, stripe in self.trees.stale_standbys(STANDBYS_AT_ONCE):
            chosen = self.trees.standby(node, stripe, avoid=unfit)
            self.trees.hold_standby(node, stripe, chosen)
            named = None if chosen == self._grandparent(node, stripe) else chosen
            member = self.members[node]
            if member.standbys.get(stripe) != named or stripe in member.inherits:
                member.inherits.discard(stripe)
                member.standbys[stripe] = named
                commands.append(self.standby(node, stripe, named))
        return commands

    def _grandparent(self, node: NodeId, stripe: Stripe) -> NodeId | None:
        parent = self.trees.parent(node, stripe)
        return None if parent is None or parent == ROOT else self.trees.parent(parent, stripe)

    def standby(self, node: NodeId, stripe: Stripe, standby: NodeId | None) -> Send:
        """Tell a node whom to hold ready; None: whom the path of its parent says."""
        one = None if standby is None else self._known(standby, free=False)
        return Send(node, Standby(stripe=stripe, candidates=() if one is None else (one,)))
