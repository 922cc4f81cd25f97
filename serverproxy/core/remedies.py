"""What the trees owe, and the moves that pay it.

In this order: moves that are under way, the server proxy's repair slots, excess and shared
children, a Serve for a stripe that is short, moves towards a lower tree (`lowering`).
"""

from collections.abc import Iterator
from itertools import islice

from common.ids import Stripe
from serverproxy.core.graph import Graph, depth_bound, height
from serverproxy.core.lowering import Lowering
from serverproxy.core.moves import Move, Mover, Remedy, ServeNow
from serverproxy.core.placement import Planner
from serverproxy.core.places import Candidate, Found, Placement, Query
from serverproxy.core.shelves import Member

TRIES = 8
"""How many nodes are looked at before no one is found whose children can be moved first."""
TOO_DEEP = 1
"""Levels below the bound to which no subtree is sent while anything else can be done."""
MOST_UNBURDENED = 100
"""Nodes with an excess or shared children whose moves are planned in one look; the others come
first at the next. So a look is short however many nodes have died at once."""
MOST_AWAITED = 64
"""Of those for whom a node stands by, how many are looked at."""


class Remedies(Mover):
    """Plans moves; reserves each of them."""

    def __init__(self, graph: Graph, planner: Planner, *, lower: bool = True) -> None:
        super().__init__(graph, planner)
        self._lowering = Lowering(graph, planner) if lower else None

    def due(self) -> list[Remedy]:
        """Return every move that is asked for and not reported, and every new Serve."""
        if self._lowering is not None:
            self._lowering.begin()
        due: list[Remedy] = [
            self._under_way(member, stripe)
            for stripe in self._graph.stripes
            for member in self._graph.moving[stripe]
        ]
        due += self._finish_yielding()
        burdened = self._in_turn()
        for member in burdened:
            due += self._unburden(member)
        for stripe in self._graph.stripes:
            due += self._fill_up(stripe)
        if self._lowering is not None:
            for stripe in self._graph.stripes:
                due += self._lowering.due(stripe)
            for member in burdened:
                due += self._unburden(member, at_last=True)
        return due

    def _in_turn(self) -> list[Member]:
        """Return who has too many children, the server proxy first, then those who wait longest."""
        burdened, root = self._graph.burdened, self._graph.root
        turn = list(islice((one for one in burdened if one is not root), MOST_UNBURDENED))
        for one in turn:
            burdened[one] = burdened.pop(one)
        return [root, *turn] if root in burdened else turn

    def _under_way(self, member: Member, stripe: Stripe) -> Move:
        link = member.links[stripe]
        up, source = link.up, link.parent
        assert up is not None and source is not None  # noqa: PT018 (that is what moving means)
        above = up.links[stripe]
        depth = 0 if above.depth is None else above.depth
        chosen = link.displaces
        if chosen is not None and not chosen.links[stripe].down:
            chosen = None  # a leaf: which one is for the parent to decide
        displaced = None if chosen is None else chosen.id
        candidate = Candidate(up.id, depth + 1, displaced, chosen=chosen is not None)
        shared = not self._graph.serving(up, stripe)
        return Move(member.id, source.id, Placement(stripe, (candidate,), shared))

    # --- excess, shared children, repair slots

    def _unburden(self, member: Member, *, at_last: bool = False) -> list[Remedy]:
        """Move children away; those whose way down makes a tree too deep `at_last` only.

        That is when no move is left that would make it lower.
        """
        due: list[Remedy] = []
        for stripe in self._graph.stripes:
            children = self._children(member, stripe)
            tall = [child for child in children if self._is_tall(child, stripe)]
            if at_last:
                if not tall or self._graph.moving[stripe]:
                    continue
            elif self._owes(member, stripe) and self._lowering is not None:
                due += self._lowering.take_in(children, stripe)
            for child in children:
                if self._owes(member, stripe) and (at_last or child not in tall):
                    due += self._send_away(child, stripe, member)
            if tall and not at_last:
                continue
            if not due and self._owes(member, stripe):
                holes = (self._make_hole(child, stripe) for child in children)
                due += next((moves for moves in holes if moves), [])
            if not due and self._owes(member, stripe):
                due += self._lift(children, stripe)
        return due

    def _owes(self, member: Member, stripe: Stripe) -> bool:
        """Whether a child of `member` in `stripe` is shared or above its slots."""
        if member is not self._graph.root and stripe != member.serves:
            return bool(member.links[stripe].down)
        return self._graph.free(member, stripe) < 0

    def _children(self, member: Member, stripe: Stripe) -> list[Member]:
        """Return children that can be asked to leave, those without children first.

        Who is suspected is asked like anybody: rather its place comes free than a live one's.
        """
        here = [c for c in member.links[stripe].down if c.links[stripe].parent is member]
        if self._is_awaited(member, stripe):
            return [child for child in here if not child.links[stripe].down]
        return sorted(here, key=lambda child: bool(child.links[stripe].down))

    def _is_tall(self, child: Member, stripe: Stripe) -> bool:
        """Whether a tree would get too deep if a child went where there is room now."""
        graph = self._graph
        if self._lowering is None or not child.links[stripe].down:
            return False
        places = graph.shelves[stripe].free.levels()
        most = depth_bound(len(graph.members)) + TOO_DEEP - (places[0] + 1 if places else 0)
        return height(child, stripe) > most

    def _is_awaited(self, member: Member, stripe: Stripe) -> bool:
        """Whether a subtree for which `member` stands by hangs nowhere.

        It asks here, and is redirected to a child: with that one it would be carried downwards.
        """
        loose = self._graph.loose[stripe]
        return any(
            one in loose and one.links[stripe].down and not one.absent
            for one in islice(member.links[stripe].backs, MOST_AWAITED)
        )

    def _send_away(self, child: Member, stripe: Stripe, source: Member) -> list[Remedy]:
        query = Query(child, stripe, set())
        # It is fed where it is: not to those of whom nobody knows whether they are.
        found = self._sure(self._planner.regular(query), stripe)
        excess = source is not self._graph.root and self._graph.free(source, stripe) < 0
        if found is None and excess:
            shared = self._sure(self._planner.shared(query), stripe)
            found = self._planner.by_serve(query) or shared
        return [] if found is None else self._move(query, found)

    def _sure(self, found: Found | None, stripe: Stripe) -> Found | None:
        """Return what was found, None where nobody knows whether it hangs anywhere."""
        pending = found is not None and self._planner.is_pending(found.parents[0], stripe)
        return None if pending else found

    def _make_hole(self, child: Member, stripe: Stripe) -> list[Remedy]:
        """Free a slot outside of a subtree, where the only free slots are inside it."""
        graph = self._graph
        if graph.moving[stripe]:
            return []
        query = Query(child, stripe, set())
        for holder in self._holders(stripe):
            leaf = graph.leaf_of(holder, stripe, but=child)
            if leaf is None or not self._planner.fits(holder, query):
                continue
            leaf_query = Query(leaf, stripe, {holder})
            found = self._sure(self._planner.slots(leaf_query), stripe)
            return [] if found is None else self._move(leaf_query, found)
        return []

    def _lift(self, children: list[Member], stripe: Stripe) -> list[Remedy]:
        """Take a child to a repair slot: its own subtree holds all places, so this frees them."""
        for child in children:
            query = Query(child, stripe, set())
            if self._graph.serving(child, stripe) and (found := self._planner.repair(query)):
                return self._move(query, found)
        return []

    def _holders(self, stripe: Stripe) -> Iterator[Member]:
        holder = self._graph.shelves[stripe].holder
        for key in holder.levels():
            yield from holder.at(key)

    # --- stripes that are short

    def _fill_up(self, stripe: Stripe) -> list[Remedy]:
        graph = self._graph
        if graph.room(stripe) >= 0:
            return []
        one = idle_for(graph, stripe)
        if one is not None:
            graph.assign(one, stripe)
            return [ServeNow(one.id, stripe)]
        if any(one.yields == stripe for one in graph.yielding):
            return []
        for one in self._nearly_idle(stripe):
            moves = self._empty(one, stripe)
            if moves:
                return moves
        return []

    def _nearly_idle(self, stripe: Stripe) -> list[Member]:
        """Return who could serve `stripe` if its children, all of them leaves, went elsewhere."""
        graph, found = self._graph, list[Member]()
        for other in graph.stripes:
            shelf = graph.shelves[other].interior
            for key in reversed(shelf.levels()):
                for one in shelf.at(key):
                    link = one.links[other]
                    leaves = all(not child.links[other].down for child in link.down)
                    here = len(link.children) == len(link.down)
                    if leaves and here and can_serve(graph, one, stripe):
                        found.append(one)
                    if len(found) == TRIES:
                        return found
        return found

    def _empty(self, one: Member, stripe: Stripe) -> list[Remedy]:
        """Move the children of a node that shall serve another stripe; all or none."""
        graph, own = self._graph, one.serves
        if own is None:
            return []
        graph.yield_to(one, stripe)
        moves: list[Remedy] = []
        for child in list(one.links[own].down):
            query = Query(child, own, {one})
            found = self._sure(self._planner.regular(query), own)
            if found is None:
                for moved in list(one.links[own].children):
                    graph.release(moved, own)
                graph.yield_to(one, None)
                return []
            moves += self._move(query, found)
        return moves

    def _finish_yielding(self) -> list[Remedy]:
        graph, due = self._graph, list[Remedy]()
        for one in list(graph.yielding):
            own, stripe = one.serves, one.yields
            if own is None or stripe is None:
                continue
            link = one.links[own]
            stays = bool(link.down) or (bool(link.children) and not link.leaving)
            if stays or graph.room(stripe) >= 0 or graph.room(own) < one.slots:
                graph.yield_to(one, None)
            elif not link.children and not link.down:
                graph.assign(one, stripe)
                due.append(ServeNow(one.id, stripe))
        return due


def can_serve(graph: Graph, one: Member, stripe: Stripe) -> bool:
    """Whether a Serve to `one` would leave no stripe short."""
    own = one.serves
    if own is None or own == stripe:
        return False
    return graph.room(own) >= one.slots and graph.room(stripe) + one.slots >= 0


def idle_for(graph: Graph, stripe: Stripe) -> Member | None:
    """Return a node without children whose Serve would leave no stripe short."""
    for other in graph.stripes:
        idle = graph.shelves[other].idle
        for slots in idle.levels():
            one = next((one for one in idle.at(slots) if not one.suspect), None)
            if one is not None and can_serve(graph, one, stripe):
                return one
    return None
