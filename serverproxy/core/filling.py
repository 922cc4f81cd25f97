"""The place of a dead interior node, filled by one from below (design 5, "Depth").

An interior node without interior children goes up in front of another node, its leaves to free
slots first; under it go that node, with its subtree, and one that would else hang too deep. So a
whole subtree finds a place high up for five moves at most, whatever its size.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from common.ids import Stripe
from serverproxy.core.moves import Mover, Remedy
from serverproxy.core.places import Found, Query
from serverproxy.core.shelves import Member

LOOKED_AT = 32
"""Nodes of one depth that are looked at for one that can fill a place."""
UNDER_IT = 2
"""Children that whoever fills a place gets there."""


@dataclass(slots=True)
class Survey:
    """A tree as it will be: who is at which depth, and how many levels hang below each."""

    levels: list[list[Member]]
    heights: dict[Member, int]


class Filling(Mover):
    """Plans how a subtree comes to hang higher."""

    def survey(self, top: Member, stripe: Stripe) -> Survey:
        """Walk over all that will hang under `top`; its levels begin with itself."""
        levels, heights = [[top]], dict[Member, int]()
        while below := [one for each in levels[-1] for one in each.links[stripe].down]:
            levels.append(below)
        for level in reversed(levels):
            for one in level:
                below_it = [heights[child] for child in one.links[stripe].down]
                heights[one] = max(below_it, default=-1) + 1
        return Survey(levels, heights)

    def fill(self, top: Member, stripe: Stripe, lowest: int, survey: Survey) -> list[Remedy]:
        """Let `top` hang so high that nothing below it is deeper than `lowest`; else []."""
        depth, height = top.links[stripe].depth, survey.heights.get(top)
        if depth is None or height is None or not self._is_here(top, stripe):
            return []
        for other in self._others(top, stripe, lowest, survey):
            one = self._from_below(top, other, stripe)
            if one is not None and (moves := self._make(one, other, top, stripe)):
                return moves
        return []

    def _others(self, top: Member, stripe: Stripe, lowest: int, survey: Survey) -> Iterator[Member]:
        """Yield who can hang a level lower beside `top`, with what hangs below; the lowest first.

        Nobody above `top` is among them: what hangs there is too deep already.
        """
        home, depth = top.links[stripe].parent, top.links[stripe].depth or 0
        excess = home is not None and self._graph.free(home, stripe) < 0
        highest = min(lowest - 1 - survey.heights[top], len(survey.levels) - 1)
        for level in range(highest if excess else min(highest, depth - 2), 0, -1):
            for other in survey.levels[level]:
                link = other.links[stripe]
                above = link.parent
                if above is None or other is top or level + 1 + survey.heights[other] > lowest:
                    continue
                if not link.down or not self._is_here(other, stripe):
                    continue
                if excess and self._graph.is_below(other, top, stripe):
                    continue
                if above.absent or above.suspect or not self._graph.serving(above, stripe):
                    continue
                if self._graph.reach(above, stripe) > 0:
                    yield other
                    break

    def _from_below(self, top: Member, other: Member, stripe: Stripe) -> Member | None:
        """Return one of the deepest interior nodes that have no interior children."""
        graph, interior = self._graph, self._graph.shelves[stripe].interior
        level = other.links[stripe].depth or 0
        for depth in reversed(interior.levels()):
            if depth <= level + 1:
                break
            for one in islice(interior.at(depth), LOOKED_AT):
                # In this order: of many nodes few can rise, and the ways up are long.
                if not self._can_rise(one, stripe):
                    continue
                if not (graph.is_below(one, top, stripe) or graph.is_below(one, other, stripe)):
                    return one
        return None

    def _can_rise(self, one: Member, stripe: Stripe) -> bool:
        link = one.links[stripe]
        if one.absent or one.hard_limit or one.slots < UNDER_IT or one.yields is not None:
            return False
        if not self._is_here(one, stripe) or one.load != len(link.children):
            return False
        return all(self._is_leaf(child, one, stripe) for child in link.down)

    def _is_leaf(self, child: Member, parent: Member, stripe: Stripe) -> bool:
        link = child.links[stripe]
        return link.parent is parent and not link.down and not link.children

    def _make(self, one: Member, other: Member, top: Member, stripe: Stripe) -> list[Remedy]:
        graph, above = self._graph, other.links[stripe].parent
        if above is None:
            return []
        leaves = list(one.links[stripe].down)
        rise = self._move(Query(one, stripe, set()), Found([above], before=other))
        under = self._move(Query(top, stripe, set()), Found([one]))
        away = list[Remedy]()
        for leaf in leaves:
            if graph.free(one, stripe) >= 0:
                break
            query = Query(leaf, stripe, {one})
            found = self._planner.slots(query)
            if found is None:
                for each in (top, one, *leaves):
                    graph.release(each, stripe)
                graph.flush()
                return []
            away += self._move(query, found)
        return [*away, *rise, *under]

    def _is_here(self, one: Member, stripe: Stripe) -> bool:
        link = one.links[stripe]
        there = link.parent is not None and link.parent is link.up
        return there and not one.absent and not one.suspect
