"""All distribution trees of one channel: one per stripe, each rooted at the server proxy.

Rules
-----
1. Parents decide, reports follow: `attach` and `detach` are facts and win over every plan.
2. `join` and `place` leave a reservation: the node, and the leaf in whose place it comes, count
   where they are going until they report it, or `release` or `remove` drops it.
3. `remedies` says what the trees owe (excess, shared children, repair slots, short stripes, depth).
   Call it after every join, report and end, and now and then; it may be called at any time.
4. `check` states the invariants; tests call it after every step.

No socket, no clock, no randomness: of equals the longest unused comes first.
"""

from collections.abc import Collection
from dataclasses import replace
from itertools import islice

from common.ids import ROOT, NodeId, Stripe
from serverproxy.core.arrivals import Arrivals
from serverproxy.core.graph import Graph, LoopError, Policy, TreeError, UnknownNodeError
from serverproxy.core.invariants import InvariantError, check
from serverproxy.core.moves import Move, Remedy, ServeNow
from serverproxy.core.placement import Planner
from serverproxy.core.places import Candidate, Found, Placement, Query
from serverproxy.core.remedies import Remedies
from serverproxy.core.shelves import Member
from serverproxy.core.standbys import Standbys

__all__ = [
    "Candidate",
    "InvariantError",
    "LoopError",
    "Move",
    "Placement",
    "Policy",
    "Remedy",
    "ServeNow",
    "TreeError",
    "Trees",
    "UnknownNodeError",
]

MOST_DROPPED = 16
"""Moves that yield at most for one place."""
MAX_STRIPES = 2
"""Design, section 5: more is refused until an issue asks for it."""


class Trees(Standbys):
    """All stripes of one channel; `check()` is the class invariant."""

    def __init__(
        self,
        *,
        stripes: int,
        children_per_stripe: int = 1,
        repair_slots: int = 1,
        policy: Policy = "shallow",
        follow: bool = False,
    ) -> None:
        """Begin without nodes; ValueError with a sentence where a number is out of range.

        `follow`: nodes find their parents by themselves. No splice is foreseen then, and of the
        moves only those are left that end what is illegal: none towards a lower tree.
        """
        if not 1 <= stripes <= MAX_STRIPES:
            raise ValueError(f"stripes is {stripes}: trees are built for 1 or 2 stripes")
        if children_per_stripe < 1:
            raise ValueError(f"children_per_stripe is {children_per_stripe}: it takes at least 1")
        if repair_slots < 0:
            raise ValueError(f"repair_slots is {repair_slots}: it takes at least 0")
        super().__init__(Graph(stripes, children_per_stripe, repair_slots, policy))
        self._planner = Planner(self._graph)
        self._arrivals = Arrivals(self._graph)
        self._remedies = Remedies(self._graph, self._planner, lower=not follow)
        self._follow = follow

    # --- nodes come and go

    def add(self, node: NodeId, *, slots: int, hard_limit: bool) -> Stripe | None:
        """Take a node in; return the stripe that it shall serve, None for one without slots.

        It is in no tree yet: `join` or `attach` follows. UnknownNodeError where it is in already.
        """
        member = self._graph.enter(node, slots, hard_limit=hard_limit)
        self._graph.assign(member, self._stripe_to_serve() if slots else None)
        return member.serves

    def set_slots(self, node: NodeId, slots: int, *, hard_limit: bool) -> Stripe | None:
        """Change how many children a node can have; return the stripe that it serves now.

        Slots that it has too few are excess: `remedies` says who shall leave.
        """
        member = self._find(node)
        member.hard_limit = hard_limit
        serves = member.serves if slots else None
        if slots and serves is None:
            serves = self._stripe_to_serve()
        self._graph.assign(member, serves, slots)
        return serves

    def serve(self, node: NodeId, stripe: Stripe) -> None:
        """Let `node` serve `stripe`, as it says or was told; children elsewhere become `shared`."""
        self._graph.assign(self._find(node), stripe)

    def remove(self, node: NodeId) -> list[tuple[NodeId, Stripe]]:
        """Forget a node; return its children, the roots of detached subtrees now.

        Each asks for a place by itself, in whatever order.
        """
        graph, member = self._graph, self._find(node)
        orphans = list[tuple[NodeId, Stripe]]()
        for stripe in graph.stripes:
            link = member.links[stripe]
            for child in list(link.children):
                orphans.append((child.id, stripe))
                graph.hang(child, stripe, None)
            for comer in list(link.down):
                graph.release(comer, stripe)
            graph.release(member, stripe)
            graph.hang(member, stripe, None)
            graph.expect(member, stripe, None)
        graph.flush()
        graph.clear(member)
        graph.flush()
        return orphans

    def absent(self, node: NodeId, *, absent: bool) -> None:
        """Note that a node cannot be told anything for now, or can again; its links may live.

        Nobody is sent to it, what it was on its way to is free for others, and nobody waits for it.
        """
        graph, member = self._graph, self._find(node)
        member.absent = absent
        for stripe in graph.stripes:
            if absent:
                graph.release(member, stripe)
            graph.touch(member, stripe)
            graph.stir(member, stripe)
        graph.flush()

    def suspect(self, node: NodeId, *, suspected: bool) -> None:
        """Note that a node may be dead: others come first as parents, and it is asked nothing."""
        graph, member = self._graph, self._find(node)
        (graph.suspects.add if suspected else graph.suspects.discard)(member)
        graph.suspect(member, suspected=suspected)
        graph.flush()

    def join(self, node: NodeId) -> dict[Stripe, Placement] | None:
        """Place a newcomer in all stripes, or in none (None: full)."""
        member = self._find(node)
        own = member.serves
        placed: dict[Stripe, Placement] = {}
        for stripe in sorted(self._graph.stripes, key=lambda stripe: stripe != own):
            placement = self.place(node, stripe)
            if placement is None:
                self._undo(node, placed)
                return None
            placed[stripe] = placement
        member.admitted = True
        return placed

    def place(
        self, node: NodeId, stripe: Stripe, *, avoid: Collection[NodeId] = ()
    ) -> Placement | None:
        """Find parents for a newcomer or an orphan with its subtree, and reserve the first.

        A reservation that it has is dropped. Where no place is left, moves that only make the trees
        better yield theirs. None: there is no place now.
        """
        member = self._find(node)
        self._graph.release(member, stripe)
        self._graph.flush()
        query = Query(member, stripe, self._known(avoid))
        found = self._search(query)
        if found is None and self._drop_moves(stripe):
            found = self._search(query)
        return None if found is None else self._planner.reserve(query, found)

    def _search(self, query: Query) -> Found | None:
        found = self._planner.find(query)
        fed = query.member.links[query.stripe].parent is not None
        if found is None and self._graph.suspects and not fed:
            found = self._planner.find(replace(query, last_resort=True))
        return found

    def _drop_moves(self, stripe: Stripe) -> bool:
        """Let nodes stay that are asked to move; they are asked again later. Return if any is."""
        graph = self._graph
        moving = list(islice(graph.moving[stripe], MOST_DROPPED))
        for one in moving:
            graph.release(one, stripe)
        graph.flush()
        return bool(moving)

    def release(self, node: NodeId, stripe: Stripe) -> None:
        """Drop the reservation of a node that is not going there."""
        self._graph.release(self._find(node), stripe)
        self._graph.flush()

    # --- reports

    def attach(self, node: NodeId, stripe: Stripe, parent: NodeId) -> None:
        """Note that `node` hangs under `parent` now, with its whole subtree. Idempotent.

        UnknownNodeError, LoopError: it cannot be so; nothing has changed.
        """
        graph, member, above = self._graph, self._find(node), self._graph.find(parent)
        member_link = member.links[stripe]
        if member_link.parent is above:
            return
        self._arrivals.break_loop(member, stripe, above)
        leaf = member_link.displaces
        if member_link.up is above:
            member_link.displaces = None
            planned = True
        else:
            planned = member_link.displaces is not None
            graph.release(member, stripe)
        graph.hang(member, stripe, above)
        member.admitted = True
        self._arrivals.send_away(above, stripe, member, leaf)
        self._arrivals.crowd_out(above, stripe)
        if not self._follow and (planned or graph.serving(member, stripe)):
            self._arrivals.expect_splice(member, stripe, above)
        graph.flush()

    def detach(self, node: NodeId, stripe: Stripe) -> None:
        """Note that `node` has lost its parent: it is the root of a detached subtree now."""
        self._graph.hang(self._find(node), stripe, None)
        self._graph.flush()

    # --- what is owed

    def remedies(self) -> list[Remedy]:
        """Say who shall move where and who shall serve what; a Move is listed until it is reported.

        A Move is reserved. A ServeNow is in force at once and listed once: tell the node.
        """
        return self._remedies.due()

    def check(self, *, settled: bool = True) -> None:
        """Raise InvariantError unless the invariants of design 5 hold.

        `settled=False` asks only for what holds at once, whatever was reported: 1.
        """
        check(self._graph, settled=settled)

    # --- inside

    def _known(self, nodes: Collection[NodeId]) -> set[Member]:
        members = self._graph.members
        known = {members[node] for node in nodes if node in members}
        return known | {self._graph.root} if ROOT in nodes else known

    def _stripe_to_serve(self) -> Stripe:
        """Return the stripe with the least room; of equals the one with fewer interior nodes."""
        graph = self._graph
        return min(graph.stripes, key=lambda stripe: (graph.room(stripe), graph.interior[stripe]))

    def _undo(self, node: NodeId, placed: dict[Stripe, Placement]) -> None:
        for stripe, placement in placed.items():
            self.release(node, stripe)
            if placement.serve is not None:
                others = (other for other in self._graph.stripes if other != stripe)
                self.serve(placement.serve, next(others))
