"""Trees that are deeper than they need be, after churn, made lower (design 5, "Depth").

Orphans are hung where there is room, tall ones one above a node's slots. Then places are filled
from below (`filling`), or a subtree that is too deep and a leaf higher up take each other's places;
under a user's number the leaf goes first, to a free slot.
The first kind leaves fewer nodes below the bound, the second lowers the sum of all depths and puts
none below the bound: so they come to an end.
"""

from collections.abc import Iterable, Iterator
from itertools import islice

from common.ids import Stripe
from serverproxy.core.filling import Filling, Survey
from serverproxy.core.graph import depth_bound, height
from serverproxy.core.moves import Remedy
from serverproxy.core.places import Found, Query
from serverproxy.core.shelves import Member, Shelf

MOST_MOVING = 12
"""Moves under way above which no more are asked for to make a tree lower."""
FILL_ABOVE = 1
"""Levels above the bound above which a place is filled from below; up to there swaps do."""
TRIES = 8
"""How many subtrees, and at each depth how many leaves, are looked at for one move."""
MOST_RAISED = 6
"""Subtrees that are moved up at a time where the tree is too deep by more than two levels; else one
is, each time."""


class Lowering(Filling):
    """Plans the moves towards lower trees."""

    def due(self, stripe: Stripe) -> list[Remedy]:
        """Move deep nodes up where the tree is deeper than it need be, but who is on its way."""
        graph, moves = self._graph, list[Remedy]()
        if graph.policy == "zebra" or len(graph.moving[stripe]) > MOST_MOVING:
            return moves
        bound = depth_bound(len(graph.members))
        moves += self._fill(stripe, bound)
        for _ in range(MOST_RAISED):
            levels = graph.shelves[stripe].interior.levels()
            if not levels or levels[-1] + 1 <= bound + (2 if moves else 0):
                break
            if not (raised := self._raise(levels[-1], stripe)):
                break
            moves += raised
        return moves

    def take_in(self, children: Iterable[Member], stripe: Stripe) -> list[Remedy]:
        """Fill a place for one of these, one too many where they are, if all would hang too deep.

        Else whoever goes first may hang where there is room.
        """
        graph, bound = self._graph, depth_bound(len(self._graph.members))
        if graph.policy == "zebra" or not graph.shelves[stripe].free.levels():
            return []
        tall = dict[Member, int]()
        for child in children:
            found, levels = (
                self._planner.regular(Query(child, stripe, set())),
                height(child, stripe),
            )
            if found and graph.depth_below(found.parents[0], stripe) + levels <= bound:
                return []
            tall[child] = levels
        if not any(tall.values()):
            return []
        if (survey := self.survey(stripe)) is None:
            return []
        for top in sorted(tall, key=lambda one: tall[one]):
            for lowest in (bound, bound + 1):
                if tall[top] and (moves := self.fill(top, stripe, lowest, survey)):
                    return moves
        return []

    def _fill(self, stripe: Stripe, bound: int) -> list[Remedy]:
        """Fill a place higher up, so that what hangs too deep comes to hang below it."""
        levels = self._graph.shelves[stripe].interior.levels()
        if not levels or levels[-1] + 1 <= bound + FILL_ABOVE:
            return []
        if (survey := self.survey(stripe)) is None:
            return []
        for lowest in range(bound, len(survey.levels)):
            for top in self._spine(stripe, survey):
                if moves := self.fill(top, stripe, lowest, survey):
                    return moves
        return []

    def _spine(self, stripe: Stripe, survey: Survey) -> list[Member]:
        """Return who is on the way to the deepest node, the highest first."""
        spine = [self._graph.root]
        while down := spine[-1].links[stripe].down:
            spine.append(max(down, key=lambda one: survey.heights.get(one, 0)))
        return spine[1:-1]

    def _raise(self, deepest: int, stripe: Stripe) -> list[Remedy]:
        """Move one of the deepest interior nodes up, or one above it with its whole subtree."""
        graph = self._graph
        one = next(graph.shelves[stripe].interior.at(deepest))
        if not self._is_here(one, stripe):
            return []
        query = Query(one, stripe, set())
        full = graph.free(one, stripe) < 1
        found = self._planner.slots(query) if full else self._planner.regular(query)
        if found is not None and self._depth(found, stripe) < deepest:
            return self._move(query, found)
        return next(
            (moves for top in self._tops(one, stripe) if (moves := self._swap(top, stripe))), []
        )

    def _tops(self, one: Member, stripe: Stripe) -> list[Member]:
        """Return a deep node and those above it, whose rise would bring most first.

        A subtree of so many levels is taken to have twice as many nodes as one with a level less.
        """
        shelves = self._graph.shelves[stripe]
        highest = min([*shelves.leafy.levels(), *shelves.tight.levels()], default=None)
        lowest, tops = one.links[stripe].depth, list[tuple[int, int, Member]]()
        top: Member | None = one
        while highest is not None and lowest is not None and top is not None:
            depth = top.links[stripe].depth
            if depth is None or depth <= highest + 1:
                break
            tops.append(((depth - highest - 1) << (lowest - depth), -depth, top))
            top = top.links[stripe].parent
        tops.sort(key=lambda each: each[:2], reverse=True)
        return [top for _, _, top in tops[:TRIES]]

    def _swap(self, one: Member, stripe: Stripe) -> list[Remedy]:
        """Let a deep node with its subtree and a leaf higher up take each other's places.

        Each move of this kind lowers the sum of all depths, so they come to an end.
        """
        home, depth = one.links[stripe].parent, one.links[stripe].depth
        if depth is None or home is None or home is self._graph.root:
            return []
        if not self._is_here(one, stripe):
            return []
        leafy, tight = self._graph.shelves[stripe].leafy, self._graph.shelves[stripe].tight
        if self._graph.reach(home, stripe) > 0:
            for parent, leaf in self._leaves(leafy, one, stripe):
                moves = self._move(Query(one, stripe, set()), Found([parent]))
                return moves + self._move(Query(leaf, stripe, set()), Found([home]))
        for parent, leaf in self._leaves(tight, one, stripe):
            return self._follow(one, leaf, parent, stripe)
        return []

    def _leaves(self, shelf: Shelf, one: Member, stripe: Stripe) -> Iterator[tuple[Member, Member]]:
        """Yield parents with a leaf that are higher up than the parent of `one`."""
        query, depth = Query(one, stripe, set()), one.links[stripe].depth or 0
        for key in shelf.levels():
            if key + 1 >= depth:
                break
            for parent in islice(shelf.at(key), TRIES):
                leaf = self._graph.leaf_of(parent, stripe, but=one)
                here = leaf is not None and self._is_here(leaf, stripe)
                if leaf is not None and here and self._planner.fits(parent, query):
                    yield parent, leaf

    def _follow(self, one: Member, leaf: Member, parent: Member, stripe: Stripe) -> list[Remedy]:
        """Let a leaf go to a free slot, and then a subtree to the place that it had.

        So nobody is above a user's number, for a moment neither.
        """
        query, depth = Query(leaf, stripe, {parent}), one.links[stripe].depth or 0
        found, top = self._planner.slots(query), parent.links[stripe].depth or 0
        if found is None or self._planner.is_pending(found.parents[0], stripe):
            return []
        rise, nodes = depth - top - 1, len(self._below(one, stripe)) + 1
        if rise * nodes <= self._depth(found, stripe) - top - 1:
            return []
        return self._move(query, found) + self._move(Query(one, stripe, set()), Found([parent]))

    def _below(self, one: Member, stripe: Stripe) -> list[Member]:
        """Return a few of those below a node: its children and theirs."""
        down = list(one.links[stripe].down)
        return down + [child for each in down for child in each.links[stripe].down]

    def _depth(self, found: Found, stripe: Stripe) -> int:
        depth = found.parents[0].links[stripe].depth
        return 1 if depth is None else depth + 1
