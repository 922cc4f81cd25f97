"""What else is true when a node says that it hangs under a parent: loops, slots, who makes way."""

from common.ids import Stripe
from serverproxy.core.graph import Graph, LoopError
from serverproxy.core.shelves import Member


class Arrivals:
    """Brings the links into line with what a node has reported."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def break_loop(self, member: Member, stripe: Stripe, above: Member) -> None:
        """Make room for a report that closes a loop with moves whose reports are still to come."""
        graph = self._graph
        if graph.hangs_below(above, member, stripe) and graph.is_below(above, member, stripe):
            raise LoopError(f"{member.id} cannot hang under {above.id}, which hangs under it")
        while graph.hangs_below(above, member, stripe):
            one = graph.first_moving(above, member, stripe, reported=True)
            graph.hang(one, stripe, None)
        while graph.is_below(above, member, stripe):
            graph.release(graph.first_moving(above, member, stripe, reported=False), stripe)

    def crowd_out(self, parent: Member, stripe: Stripe) -> None:
        """Drop reservations for slots that somebody else has taken."""
        graph = self._graph
        for each in graph.stripes if parent is not graph.root else (stripe,):
            for comer in list(parent.links[each].down):
                if graph.reach(parent, each) >= 0:
                    return
                if comer.links[each].parent is not parent:
                    graph.release(comer, each)

    def send_away(self, parent: Member, stripe: Stripe, comer: Member, leaf: Member | None) -> None:
        """Suppose that a parent above a user's number sent a leaf away to the one that came."""
        graph = self._graph
        if not parent.hard_limit or not self._is_over(parent, stripe):
            return
        if leaf is None and (not graph.serving(comer, stripe) or comer.slots < 1):
            return
        if leaf is None or leaf.links[stripe].parent is not parent:
            leaf = graph.leaf_of(parent, stripe, but=comer)
        if leaf is not None:
            if graph.free(comer, stripe) > 0:
                graph.expect(leaf, stripe, comer)
            graph.hang(leaf, stripe, None)

    def _is_over(self, parent: Member, stripe: Stripe) -> bool:
        """Whether more hang under who takes none above its slots than it has of these."""
        graph = self._graph
        if parent is graph.root:
            too_many = len(parent.links[stripe].children) > graph.root_slots
            return too_many and not graph.repair_slots
        return parent.count > parent.slots

    def expect_splice(self, member: Member, stripe: Stripe, parent: Member) -> None:
        """Suppose that a parent above its slots will hand a leaf to the node that came."""
        graph = self._graph
        if graph.free(parent, stripe) >= 0 or graph.free(member, stripe) < 1:
            return
        leaf = graph.leaf_of(parent, stripe, but=member)
        if leaf is not None:
            graph.expect(leaf, stripe, member)
