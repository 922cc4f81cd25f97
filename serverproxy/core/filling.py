"""The place of a dead interior node, filled by one from below (design 5, "Depth").

An interior node without interior children goes up in front of another node, its leaves to free
slots first; under it go that node, with its subtree, and one that would else hang too deep. So a
whole subtree finds a place high up for five moves at most, whatever its size.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from common.ids import Stripe
from serverproxy.core.graph import Graph
from serverproxy.core.moves import Mover, Remedy
from serverproxy.core.placement import Planner
from serverproxy.core.places import Found, Query
from serverproxy.core.shelves import Member

LOOKED_AT = 32
"""Nodes of one depth that are looked at for one that can fill a place."""
UNDER_IT = 2
"""Children that whoever fills a place gets there."""
MOST_TRIED = 2000
"""Pairs, of who could fill a place and whose place it could be, that are tried in one survey."""


@dataclass(slots=True)
class Survey:
    """A tree as it will be: who is at which depth, and how many levels hang below each."""

    levels: list[list[Member]]
    heights: dict[Member, int]
    ways: list[list[Member]]
    """By depth: in front of whom somebody could go up."""
    least: list[int]
    """By depth: the fewest levels below one of `ways`."""
    risers: list[Member]
    """Who could go up, the deepest first."""
    left: int
    """Pairs that may yet be tried."""


class Filling(Mover):
    """Plans how a subtree comes to hang higher."""

    def __init__(self, graph: Graph, planner: Planner) -> None:
        super().__init__(graph, planner)
        self._surveys: dict[Stripe, tuple[int, Survey | None]] = {}
        """The last one of each tree, and after how many changes of the graph."""

    def survey(self, stripe: Stripe) -> Survey | None:
        """Walk over a tree, unless nothing has changed since; None: nobody could go up."""
        graph = self._graph
        at, survey = self._surveys.get(stripe, (-1, None))
        if at != graph.changes:
            survey = self.walk(risers, stripe) if (risers := list(self._risers(stripe))) else None
            self._surveys[stripe] = graph.changes, survey
        return survey

    def walk(self, risers: list[Member], stripe: Stripe) -> Survey:
        """Walk over a whole tree; `risers` could go up in it."""
        levels, heights = [[self._graph.root]], dict[Member, int]()
        while below := [one for each in levels[-1] for one in each.links[stripe].down]:
            levels.append(below)
        for level in reversed(levels):
            for one in level:
                below_it = [heights[child] for child in one.links[stripe].down]
                heights[one] = max(below_it, default=-1) + 1
        ways = [[one for one in level if self._makes_way(one, stripe)] for level in levels]
        least = [min((heights[one] for one in way), default=len(levels)) for way in ways]
        return Survey(levels, heights, ways, least, risers, MOST_TRIED)

    def _risers(self, stripe: Stripe) -> Iterator[Member]:
        interior = self._graph.shelves[stripe].interior
        for depth in reversed(interior.levels()):
            for one in islice(interior.at(depth), LOOKED_AT):
                if self._can_rise(one, stripe):
                    yield one

    def _makes_way(self, other: Member, stripe: Stripe) -> bool:
        """Whether its parent could take somebody in front of it."""
        link, graph = other.links[stripe], self._graph
        above = link.parent
        if above is None or not link.down or not self._is_here(other, stripe):
            return False
        if above.absent or above.suspect or not graph.serving(above, stripe):
            return False
        return graph.reach(above, stripe) > 0

    def fill(self, top: Member, stripe: Stripe, lowest: int, survey: Survey) -> list[Remedy]:
        """Let `top` hang so high that nothing below it is deeper than `lowest`; else []."""
        depth, height = top.links[stripe].depth, survey.heights.get(top)
        if depth is None or height is None or not self._is_here(top, stripe):
            return []
        if survey.left <= 0:
            return []
        for other in self._others(top, stripe, lowest, survey):
            one = self._from_below(top, other, stripe, survey)
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
            if level + 1 + survey.least[level] > lowest:
                continue
            for other in survey.ways[level]:
                if other is top or level + 1 + survey.heights[other] > lowest:
                    continue
                if not (excess and self._graph.is_below(other, top, stripe)):
                    yield other
                    break

    def _from_below(
        self, top: Member, other: Member, stripe: Stripe, survey: Survey
    ) -> Member | None:
        """Return one of the deepest interior nodes that have no interior children."""
        graph, level = self._graph, other.links[stripe].depth or 0
        for one in survey.risers:
            if (one.links[stripe].depth or 0) <= level + 1 or survey.left <= 0:
                break
            survey.left -= 1
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
