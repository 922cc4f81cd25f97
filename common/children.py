"""Whom a parent takes: slots, splices, redirects (design 5; Zebra 2.4 and 3.3).

Rules
-----
1. A free slot is given to whoever asks.
2. Without one, a newcomer that will serve this stripe takes the place of a leaf child: it comes in
   as the one excess and, once it has caught up, the leaf is redirected to it. Above a user's hard
   limit nobody comes in before the leaf has been sent away. The server proxy may say whose place
   it takes (`make_way`): then also that of a child that is no leaf, and where it serves another.
3. Without one, an orphan may be the one excess of an `auto` node. Of the server proxy, where there
   is an excess already, one that serves this stripe takes the place of a leaf, which goes first.
4. All others are redirected to the children that serve this stripe, or refused as full.
   With `join: redirect` an `AddPolicy` says to which of them, and whether a newcomer takes a
   child's place like a leaf's; rule 3 is then for orphans that there is nobody to send to.
5. A standby takes no slot. When it resumes it is an orphan that asks: rules 1 to 4.
6. A child that is stalled takes no slot either, and nobody is sent to it: its own children, who
   have found it silent, come here. Should it go on after all, it is one too many.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from common.attach import Attach
from common.child import Child, candidate, slots_for
from common.fields import MAX_CANDIDATES, Candidate, ServeFrame
from common.ids import NodeId, Stripe
from common.messages import Offer
from common.policies import AddPolicy, Directory, add_policy

MAX_STANDBYS = 64
"""Nodes for which one parent stands by, in all stripes together; more are refused."""

MAX_WAYS = 16
"""Nodes for which one parent knows whose place they shall take; then the first is forgotten."""
WAY_HOLDS = 10.0
"""Seconds for which it knows that: a move that is still wanted is asked for again each second."""


@dataclass(frozen=True, slots=True)
class Admit:
    """Decision: take it, `instead_of` a leaf child that is redirected to it at once."""

    instead_of: NodeId | None = None


@dataclass(frozen=True, slots=True)
class SendAway:
    """Decision: redirect it to these children."""

    targets: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Refuse:
    """Decision: no, with the reason of a Refused message."""

    reason: str
    sentence: str


class Children:
    """The children of one node, or of the server proxy, in all stripes of a channel."""

    __slots__ = ("_children", "_per_stripe", "_policy", "_spare", "_standbys", "_ways", "slots")

    def __init__(
        self,
        *,
        slots: int,
        spare: int = 1,
        per_stripe: bool = False,
        policy: AddPolicy | None = None,
    ) -> None:
        """Give `slots` in all stripes together, or in each (`per_stripe`: the server proxy).

        `spare` is how many may be taken above that while a tree changes; 0 is a hard limit.
        `policy` is an own instance, None that of `join: directory`.
        """
        self.slots = slots
        self._policy = Directory() if policy is None else policy
        self._spare, self._per_stripe = spare, per_stripe
        self._children: dict[tuple[Stripe, NodeId], Child] = {}
        self._standbys: dict[tuple[Stripe, NodeId], Attach] = {}
        self._ways: dict[tuple[Stripe, NodeId], tuple[NodeId, float]] = {}
        """Whose place is meant and until when, by the node that is to come."""

    def limit(self, *, hard: bool) -> None:
        """Take the slots as a user's limit from now on, or as a node's own; nobody is sent away."""
        self._spare = 0 if hard else 1

    def follow(self, policy: AddPolicy) -> None:
        """Go by another policy from now on; nobody is sent away."""
        self._policy = policy

    def __iter__(self) -> Iterator[Child]:
        return iter(list(self._children.values()))

    def of(self, stripe: Stripe) -> list[Child]:
        """Return the children in a stripe, longest there first."""
        return [child for child in self._children.values() if child.stripe == stripe]

    def free(self, stripe: Stripe) -> int:
        """Return the free slots for a stripe; below zero with an excess."""
        used = self.of(stripe) if self._per_stripe else self._children.values()
        return self.slots - sum(not child.stalled for child in used)

    def ask(self, request: Attach, path: Collection[NodeId]) -> Admit | SendAway | Refuse:
        """Decide on a request; an admitted child is counted from now on. `path`: own ancestors."""
        stripe, node = Stripe(request.stripe), NodeId(request.node)
        if node in path:
            return Refuse("loop", "you are among my ancestors in this stripe")
        slots = slots_for(request, stripe)
        child = Child(node, stripe, slots, request.addresses, request.rtt_us)
        child.displaces, _ = self._ways.pop((stripe, node), (None, 0.0))
        if not request.slots or not request.addresses:
            child.displaces = None
        known = self._children.get((stripe, node))
        if (known is not None and not known.stalled) or self.free(stripe) > 0:
            return self._take(child)
        # Where it was it is not sent again: the way down ends at the latest when all were asked.
        others = [
            one
            for one in self.of(stripe)
            if not one.leaf and not one.stalled and one.node not in request.visited
        ]
        excess = request.orphan and (self._policy.overcommits or not others)
        if self.slots and (taken := self._squeeze(child, orphan=request.orphan, excess=excess)):
            return taken
        if not others:
            return Refuse("full", "no slot is free, and no child could take you")
        targets = self._policy.targets(child, others)
        return SendAway(tuple(map(candidate, targets[:MAX_CANDIDATES])))

    def hold(self, request: Attach, path: Collection[NodeId]) -> Admit | Refuse:
        """Decide whether to stand by for a node; `path`: own ancestors."""
        key = (Stripe(request.stripe), NodeId(request.node))
        if key[1] in path:
            return Refuse("loop", "you are among my ancestors in this stripe")
        if key in self._children:
            return Refuse("bad_request", "you are my child in this stripe")
        if key not in self._standbys and len(self._standbys) >= MAX_STANDBYS:
            return Refuse("full", f"I stand by for {MAX_STANDBYS} nodes already")
        self._standbys[key] = request
        return Admit()

    def resume(
        self, node: NodeId, stripe: Stripe, path: Collection[NodeId]
    ) -> Admit | SendAway | Refuse:
        """Decide on the RESUME of a node that is held; admitted, it is a child from now on."""
        request = self._standbys[stripe, node]
        return self.ask(msgspec.structs.replace(request, orphan=True), path)

    def make_way(self, stripe: Stripe, node: NodeId, child: NodeId, now: float) -> None:
        """Note whose place a node is to take if it comes soon: the server proxy alone says that."""
        self._ways.pop((stripe, node), None)
        self._ways[stripe, node] = child, now + WAY_HOLDS
        if len(self._ways) > MAX_WAYS:
            del self._ways[next(iter(self._ways))]

    def tick(self, now: float) -> None:
        """Forget whose place was meant by a move that has not happened: it was given up."""
        for key in [key for key, (_, until) in self._ways.items() if now >= until]:
            del self._ways[key]

    def served(self, node: NodeId, stripe: Stripe, now: ServeFrame) -> None:
        """Note that a child, or a node that is held, serves another stripe now."""
        if (request := self._standbys.get((stripe, node))) is not None:
            self._standbys[stripe, node] = msgspec.structs.replace(
                request, serve=now.serve, slots=now.slots, addresses=now.addresses
            )
        if (child := self._children.get((stripe, node))) is not None:
            child.slots, child.addresses = slots_for(now, stripe), now.addresses

    def _squeeze(self, child: Child, *, orphan: bool, excess: bool) -> Admit | None:
        """Take one more than there are slots, if that is legal."""
        free = self.free(child.stripe)
        # Who serves another stripe takes somebody under itself too if the server proxy says so.
        useful = not child.leaf or child.displaces is not None
        # Above the server proxy there is nobody to ask: leaves there must not keep a tree out.
        last = self._per_stripe and orphan and free <= -self._spare
        place = None
        if last and not child.leaf:
            # Not whom it names: it goes at once, and so would a whole tree with it.
            place = self._leaf(child.stripe)
            if place is None and not self._spare:
                place = self._place(child, orphan=orphan)  # there is no other way in
        elif free >= 0 and useful:
            place = self._place(child, orphan=orphan)
        if place is not None and (last or not self._spare):
            if not place.fresh:
                return None
            self.gone(place.node, place.stripe)
            self._take(child)
            return Admit(instead_of=place.node)
        if free <= -self._spare or (place is None and not excess):
            return None
        child.splicing = place is not None
        child.displaces = None if place is None or place.leaf else place.node
        return self._take(child)

    def _place(self, child: Child, *, orphan: bool) -> Child | None:
        """Return whose place a child can take that will take it under itself."""
        if child.displaces is not None:
            named = self._children.get((child.stripe, child.displaces))
            if named is not None and not named.leaving and not named.stalled:
                return named
        leaf = self._leaf(child.stripe)
        if leaf is not None or orphan:
            return leaf
        staying = [o for o in self.of(child.stripe) if not o.leaving and not o.stalled]
        return self._policy.displaced(child, staying)

    def caught_up(self, node: NodeId, stripe: Stripe) -> NodeId | None:
        """Note that a child has all there is; return whom to redirect to it, if it splices."""
        if (child := self._children.get((stripe, node))) is None:
            return None
        child.fresh = True
        if not child.splicing:
            return None
        place = None if child.displaces is None else self._children.get((stripe, child.displaces))
        if place is None or place.leaving or place.stalled:
            place = self._leaf(stripe)
        if place is not None and self.free(stripe) < 0 and not place.fresh:
            return None  # it lacks what the newcomer never had: asked again at the next heartbeat
        child.splicing = False
        if place is None or self.free(stripe) >= 0:
            return None
        place.leaving = True
        return place.node

    def stayed(self, node: NodeId, stripe: Stripe) -> None:
        """Note that a redirected child did not leave in time: it may be asked again."""
        if (child := self._children.get((stripe, node))) is not None:
            child.leaving = False

    def stalled(self, node: NodeId, stripe: Stripe, *, stalled: bool) -> list[Candidate]:
        """Note that a child is stalled, or goes on; return where to send it if it has no slot."""
        if (child := self._children.get((stripe, node))) is None:
            return []
        child.stalled = stalled
        if stalled or self.free(stripe) >= -self._spare:
            return []
        others = [one for one in self.of(stripe) if not one.leaf and one is not child]
        return [candidate(one) for one in others[:MAX_CANDIDATES]]

    def farewell(
        self, stripe: Stripe, above: Sequence[Candidate]
    ) -> list[tuple[NodeId, tuple[Candidate, ...]]]:
        """Return where to each child goes when this node leaves: to its parent, or to a sibling.

        A child is sent only to siblings that come before it: no two of them to each other.
        """
        sent: list[tuple[NodeId, tuple[Candidate, ...]]] = []
        before: list[Candidate] = []
        for child in sorted(self.of(stripe), key=lambda one: one.leaf or one.stalled):
            sent.append((child.node, (*above, *before)[:MAX_CANDIDATES]))
            if not child.leaf and not child.stalled:
                before.append(candidate(child))
        return sent

    def gone(self, node: NodeId, stripe: Stripe) -> None:
        """Note that the link of a child, or of a node that is held, ended."""
        self._children.pop((stripe, node), None)
        self._standbys.pop((stripe, node), None)

    def target(self, node: NodeId, stripe: Stripe) -> Candidate | None:
        """Return a child as the target of a redirect."""
        child = self._children.get((stripe, node))
        return None if child is None else candidate(child)

    def _take(self, child: Child) -> Admit:
        self._children[child.stripe, child.node] = child
        self._standbys.pop((child.stripe, child.node), None)
        return Admit()

    def _leaf(self, stripe: Stripe) -> Child | None:
        here = [one for one in self.of(stripe) if not one.leaving and not one.stalled]
        leaves = [one for one in here if one.leaf]
        return min(leaves, key=lambda one: not one.fresh, default=None)


def children_of(offer: Offer, randrange: Callable[[int], int], *, hard_limit: bool) -> Children:
    """Return the children, none yet, of a node with this place; `hard_limit`: a user's number."""
    spare = 0 if hard_limit else 1
    return Children(slots=offer.slots, spare=spare, policy=policy_of(offer, randrange))


def policy_of(offer: Offer, randrange: Callable[[int], int]) -> AddPolicy:
    """Return the policy of the children of a node with this place."""
    return add_policy(offer.add_policy if offer.join == "redirect" else None, randrange)
