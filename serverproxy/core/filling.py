"""The place of a dead interior node, filled by one from below (design 5, "Depth").

An interior node without interior children goes up in front of another node, its leaves to free
slots first; under it go that node, with its subtree, and one that would else hang too deep. So a
whole subtree finds a place high up for five moves at most, whatever its size.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from common.ids import Stripe
from serverproxy.core.graph import Graph, height
from serverproxy.core.moves import Mover, Remedy
from serverproxy.core.placement import Planner
from serverproxy.core.places import Found, Query
from serverproxy.core.shelves import Member

LOOKED_AT = 32
"""Nodes of one depth that are looked at for one that can fill a place."""
UNDER_IT = 2
"""Children that whoever fills a place gets there."""
MOST_TRIED = 100
"""Pairs, of who could fill a place and whose place it could be, that are tried for one who owes a
move, and for a tree that is too deep, in one look; at the next look others come first."""


@dataclass(slots=True)
class Survey:
    """A tree as it was in one look: who is at which depth, and how many levels hang below each.

    What was planned since is seen in whoever is chosen, not in the others: the next look has it.
    """

    changes: int
    """After how many changes of the graph it was made."""
    levels: list[list[Member]]
    """By depth: who has anybody below."""
    heights: dict[Member, int]
    """Of those."""
    risers: list[Member]
    """Who could go up, the deepest first."""
    left: int = 0
    """Pairs that may yet be tried."""
    ways: dict[int, list[Member]] = field(default_factory=dict)
    """By depth, as far as anybody has asked: in front of whom somebody could go up, those with the
    fewest levels below last."""


class Filling(Mover):
    """Plans how a subtree comes to hang higher."""

    def __init__(self, graph: Graph, planner: Planner) -> None:
        super().__init__(graph, planner)
        self._surveys: dict[Stripe, Survey | None] = {}
        self._seen = set[Stripe]()
        """Stripes whose survey is of this look."""

    def begin(self) -> None:
        """Begin a look: a tree that has changed since may be walked over again, once."""
        self._seen.clear()

    def survey(self, stripe: Stripe) -> Survey | None:
        """Walk over a tree, once in a look and only after a change; None: nobody could go up.

        Whoever asks may try `MOST_TRIED` pairs.
        """
        survey = self._surveys.get(stripe)
        if stripe not in self._seen:
            self._seen.add(stripe)
            risers = self._risers(stripe)
            if not risers:
                survey = None
            elif survey is None or survey.changes != self._graph.changes:
                survey = self.walk(risers, stripe)
            else:
                survey.risers = risers
            self._surveys[stripe] = survey
        if survey is not None:
            survey.left = MOST_TRIED
        return survey

    def walk(self, risers: list[Member], stripe: Stripe) -> Survey:
        """Walk over all of a tree but its leaves; `risers` could go up in it."""
        levels, heights = list[list[Member]](), dict[Member, int]()
        level = [self._graph.root]
        while level:
            levels.append(level)
            level = [
                one for each in level for one in each.links[stripe].down if one.links[stripe].down
            ]
        for level in reversed(levels):
            for one in level:
                below = [heights.get(child, 0) for child in one.links[stripe].down]
                heights[one] = max(below, default=-1) + 1
        return Survey(self._graph.changes, levels, heights, risers)

    def _risers(self, stripe: Stripe) -> list[Member]:
        """Return who could go up, the deepest first; at each look others come first."""
        interior, risers = self._graph.shelves[stripe].interior, list[Member]()
        for depth in reversed(interior.levels()):
            looked_at = list(islice(interior.at(depth), LOOKED_AT))
            risers += [one for one in looked_at if self._can_rise(one, stripe)]
            for one in looked_at:
                interior.used(one)
        return risers

    def _ways(self, level: int, stripe: Stripe, survey: Survey) -> list[Member]:
        if level not in survey.ways:
            there = [one for one in survey.levels[level] if self._makes_way(one, stripe)]
            there.sort(key=lambda one: survey.heights[one], reverse=True)
            survey.ways[level] = there
        return survey.ways[level]

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
        here = top.links[stripe].depth is not None and self._is_here(top, stripe)
        if survey.left <= 0 or not here:
            return []
        for other in self._others(top, stripe, lowest, survey):
            one = self._from_below(top, other, stripe, survey)
            if one is not None and (moves := self._make(one, other, top, stripe)):
                survey.risers.remove(one)
                return moves
        return []

    def _others(self, top: Member, stripe: Stripe, lowest: int, survey: Survey) -> Iterator[Member]:
        """Yield who can hang a level lower beside `top`, with what hangs below; the lowest first.

        Nobody above `top` is among them: what hangs there is too deep already.
        """
        home, depth = top.links[stripe].parent, top.links[stripe].depth or 0
        excess = home is not None and self._graph.free(home, stripe) < 0
        highest = min(lowest - 1 - height(top, stripe), len(survey.levels) - 1)
        for level in range(highest if excess else min(highest, depth - 2), 0, -1):
            ways = self._ways(level, stripe, survey)
            for at in range(len(ways) - 1, -1, -1):
                other = ways[at]
                if level + 1 + survey.heights[other] > lowest:
                    break
                if other is top or (excess and self._graph.is_below(other, top, stripe)):
                    continue
                if self._is_as_seen(other, level, stripe, survey):
                    yield other
                    break
                del ways[at]

    def _is_as_seen(self, other: Member, level: int, stripe: Stripe, survey: Survey) -> bool:
        """Whether a node has not moved since the survey, nor anybody to below it."""
        if other.links[stripe].depth != level or not self._makes_way(other, stripe):
            return False
        return height(other, stripe) <= survey.heights[other]

    def _from_below(
        self, top: Member, other: Member, stripe: Stripe, survey: Survey
    ) -> Member | None:
        """Return one of the deepest interior nodes that have no interior children."""
        graph, level = self._graph, other.links[stripe].depth or 0
        for one in survey.risers:
            if (one.links[stripe].depth or 0) <= level + 1 or survey.left <= 0:
                break
            survey.left -= 1
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
