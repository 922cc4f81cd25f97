"""Who of those on a shelf may be a node's parent."""

from collections.abc import Iterator, Sequence

from common.fields import MAX_CANDIDATES
from common.ids import Stripe
from serverproxy.core.graph import Graph
from serverproxy.core.places import Found, Query
from serverproxy.core.shelves import Member, Shelf


class Search:
    """Looks through shelves, the best first."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def is_pending(self, parent: Member, stripe: Stripe) -> bool:
        """Whether a parent waits for one of its own, or nobody knows whether it has one."""
        return parent is not self._graph.root and parent.links[stripe].pending

    def slots(self, query: Query) -> Found | None:
        """Return free slots only."""
        return self._best([self._graph.shelves[query.stripe].free], query)

    def fits(self, parent: Member, query: Query) -> bool:
        """Whether `parent` may be a parent of `query.member`: not itself, its own, or below it."""
        member, stripe = query.member, query.stripe
        link = member.links[stripe]
        if parent is member or parent is link.parent or parent in query.avoid:
            return False
        if parent.suspect and not query.last_resort:
            return False
        if not link.down and not link.children:
            return True
        below = self._graph.is_below(parent, member, stripe)
        return not below and not self._graph.hangs_below(parent, member, stripe)

    def _best(
        self, shelves: Sequence[Shelf], query: Query, *, splice: bool = False
    ) -> Found | None:
        for group in self._groups(shelves):
            parents: list[Member] = []
            for one in group:
                if self.fits(one, query):
                    parents.append(one)
                    if len(parents) == MAX_CANDIDATES:
                        break
            if parents:
                return Found(parents, splice)
        return None

    def _groups(self, shelves: Sequence[Shelf]) -> Iterator[Iterator[Member]]:
        """Yield members that are as good as each other, the best first."""
        if self._graph.policy == "zebra":
            for shelf in shelves:
                for key in shelf.levels():
                    yield shelf.at(key)
            return
        keys = {key for shelf in shelves for key in shelf.levels()}
        for key in sorted(keys):
            yield (one for shelf in shelves for one in shelf.at(key))
