"""The membership of a channel with `join: redirect`: nodes find their way from the root down.

Rules
-----
1. Who asks for a parent is sent to the server proxy itself, as a parent: what its slots, its
   children and their policies make of it, the trees learn from the reports.
2. Who has asked there in vain asks the directory: it is placed like anybody else, or told to ask
   again. A walk ends in vain at a node that has neither a slot nor a child to name.
3. No standby is named: it is whom the delete policy says, and the nodes know who that is.
4. Nobody is moved but out of what is illegal (more children than slots, children in a stripe that
   is not one's own), and only where the nodes have not ended it by themselves within the grace.
"""

from common.fields import Candidate, StripeCandidates
from common.ids import ROOT, NodeId, Stripe
from common.messages import Candidates
from serverproxy.core.members import Command, Send
from serverproxy.core.membership import Membership
from serverproxy.core.tree import Candidate as Place
from serverproxy.core.tree import Placement, Trees


class RedirectMembership(Membership):
    """All nodes of one channel, and the trees that they build (SpreadIt)."""

    names_standbys = False
    settle_soon: float | None = None

    def __init__(self, trees: Trees, *, stripes: int, away_grace: float) -> None:
        """Start with nobody. `trees` were made with `follow=True`."""
        super().__init__(trees, stripes=stripes, away_grace=away_grace)
        self.settle_every = away_grace / 2
        self.names_standbys = False
        self._walks: dict[NodeId, bool] = {}
        """Newcomers that have no parent in some stripe yet; whether one walk ended in vain."""

    def placed(self, node: NodeId) -> None:
        """Conform to Membership: it has its way before it."""
        self._walks[node] = False

    def attached(self, node: NodeId, stripe: Stripe, parent: NodeId, now: float) -> None:
        """Conform to Roster: count the join with the last stripe."""
        super().attached(node, stripe, parent, now)
        stripes = map(Stripe, range(self._stripes))
        if node in self._walks and all(self.trees.parent(node, s) is not None for s in stripes):
            del self._walks[node]
            self.stats.joins["ok"] += 1

    def forget(self, node: NodeId) -> list[Command]:
        """Conform to Roster: count the join of who found no place."""
        self.stats.joins["full"] += self._walks.pop(node, False)
        return super().forget(node)

    def _first_places(self, node: NodeId) -> dict[Stripe, Placement] | None:
        stripes = (Stripe(number) for number in range(self._stripes))
        return {stripe: Placement(stripe, (Place(ROOT, 1),)) for stripe in stripes}

    def _candidates_for(self, node: NodeId, stripe: Stripe, tried: set[NodeId]) -> list[Command]:
        if ROOT in tried:
            if node in self._walks:
                self._walks[node] = True
            return super()._candidates_for(node, stripe, tried)
        root = StripeCandidates(stripe, (Candidate(ROOT, (), 0.0, available=True),))
        return [Send(node, Candidates(parents=root))]
