"""Whom each node holds ready as its next parent (design 5, "Standby").

Rules
-----
1. A standby is strictly nearer to the server proxy than its node, and not its parent: so every edge
   that failures at the same moment may bring leads to a smaller depth, and they close no cycle.
2. The first interior child of a parent has its grandparent: that parent's death frees a slot there.
   The others have the least burdened node that serves the stripe, no two siblings the same one,
   else the server proxy. Its own children have none: their parent is the last to go.
3. Whatever changes notes who may need another standby; `stale_standbys` looks at few at a time.
"""

from collections.abc import Collection, Iterator
from itertools import islice

from common.ids import ROOT, NodeId, Stripe
from serverproxy.core.graph import Graph, TreeError
from serverproxy.core.shelves import Member
from serverproxy.core.treeview import TreeView

SIBLINGS_SEEN = 32
"""Siblings, at most, that a node's standby is unlike."""
SEEN_AT_EACH_DEPTH = 6
"""How many nodes of one depth are looked at for the least burdened."""
DEPTHS_SEEN = 8
"""How many depths are looked at, from the node's own upwards."""


class Standbys(TreeView):
    """The standbys of all nodes, beside their trees."""

    def standby(
        self, node: NodeId, stripe: Stripe, *, avoid: Collection[NodeId] = ()
    ) -> NodeId | None:
        """Return who shall stand by for a node; nothing is noted until `hold_standby`.

        None: a child of the server proxy, or a node that hangs nowhere.
        """
        member = self._find(node)
        chosen = self._choose(member, stripe, {self._graph.find(n) for n in avoid if self._has(n)})
        return None if chosen is None else chosen.id

    def hold_standby(self, node: NodeId, stripe: Stripe, standby: NodeId | None) -> None:
        """Note who stands by for a node, in place of who did.

        TreeError: it is the parent, or no nearer to the server proxy than the node.
        """
        graph, member = self._graph, self._find(node)
        other = None if standby is None else graph.find(standby)
        if other is not None and not is_legal(graph, member, stripe, other):
            raise TreeError(f"{standby} is nothing that {node} could fall back on")
        graph.back(member, stripe, other)
        if other is not None:
            graph.shelves[stripe].interior.used(other)

    def standby_held(self, node: NodeId, stripe: Stripe) -> NodeId | None:
        """Return who stands by for a node."""
        standby = self._find(node).links[stripe].standby
        return None if standby is None else standby.id

    def burden(self, node: NodeId) -> int:
        """Return for how many nodes a node (or ROOT) stands by, over all stripes."""
        return self._graph.find(node).burden

    def stale_standbys(self, limit: int) -> list[tuple[NodeId, Stripe]]:
        """Return nodes that need another standby, having looked at `limit` or fewer.

        Each is named once: choose and hold one now. Not named are those that hang nowhere, are on
        their way, or cannot be told; they are when that is over.
        """
        graph, found = self._graph, list[tuple[NodeId, Stripe]]()
        for stripe in graph.stripes:
            restless, share = graph.restless[stripe], max(1, limit // len(graph.stripes))
            while restless and share > 0:
                share -= 1
                member = next(iter(restless))
                del restless[member]
                if self._needs(member, stripe):
                    found.append((member.id, stripe))
        return found

    def _needs(self, member: Member, stripe: Stripe) -> bool:
        link = member.links[stripe]
        if member.absent or link.parent is None or link.parent is not link.up:
            return False
        return not self._suits(member, stripe) and (
            self._choose(member, stripe, set()) is not link.standby
        )

    def _suits(self, member: Member, stripe: Stripe) -> bool:
        """Whether its standby may stay: there may be a less burdened one."""
        graph, held, above = self._graph, member.links[stripe].standby, _grandparent(member, stripe)
        if held is None or held is graph.root or not is_legal(graph, member, stripe, held):
            return False
        if _is_heir(member, stripe):
            return held is above or above is None or not is_legal(graph, member, stripe, above)
        alike = any(one.links[stripe].standby is held for one in _siblings(member, stripe))
        return held is not above and not alike

    def _has(self, node: NodeId) -> bool:
        return node == ROOT or node in self._graph.members

    def _choose(self, member: Member, stripe: Stripe, avoid: set[Member]) -> Member | None:
        graph, parent = self._graph, member.links[stripe].parent
        if parent is None or parent is graph.root or member.links[stripe].depth is None:
            return None
        above = _grandparent(member, stripe)
        first = above is not None and _is_heir(member, stripe) and above not in avoid
        if first and above is not None and is_legal(graph, member, stripe, above):
            return above
        taken = {one.links[stripe].standby for one in _siblings(member, stripe)} | {above}
        taken |= avoid
        found = [one for one in self._nearer(member, stripe) if one not in taken]
        return min(found, key=lambda one: self._rank(one, stripe), default=graph.root)

    def _rank(self, one: Member, stripe: Stripe) -> tuple[int, bool]:
        return one.burden, self._graph.free(one, stripe) < 1

    def _nearer(self, member: Member, stripe: Stripe) -> Iterator[Member]:
        """Yield a few of those who serve the stripe above a node, the deepest first."""
        interior, own = self._graph.shelves[stripe].interior, member.links[stripe].depth
        depths = [depth for depth in interior.levels() if own is not None and depth < own]
        for depth in depths[: -DEPTHS_SEEN - 1 : -1]:
            for seen, one in enumerate(interior.at(depth)):
                if seen == SEEN_AT_EACH_DEPTH:
                    break
                if is_legal(self._graph, member, stripe, one):
                    yield one


def is_legal(graph: Graph, member: Member, stripe: Stripe, standby: Member) -> bool:
    """Whether `standby` is nearer to the server proxy than `member`, there, and not its parent."""
    link, other = member.links[stripe], standby.links[stripe]
    if standby is link.parent or standby.absent or link.depth is None:
        return False
    if standby is graph.root:
        return True
    if other.depth is None or other.depth >= link.depth or other.pending:
        return False
    return graph.serving(standby, stripe) or standby is _grandparent(member, stripe)


def _grandparent(member: Member, stripe: Stripe) -> Member | None:
    parent = member.links[stripe].parent
    return None if parent is None else parent.links[stripe].parent


def _siblings(member: Member, stripe: Stripe) -> Iterator[Member]:
    parent = member.links[stripe].parent
    if parent is not None:
        family = islice(parent.links[stripe].children, SIBLINGS_SEEN)
        yield from (one for one in family if one is not member)


def _is_heir(member: Member, stripe: Stripe) -> bool:
    """Whether a node is the first of its parent's children that serve the stripe, if any does."""
    parent = member.links[stripe].parent
    if parent is None:
        return False
    children = parent.links[stripe].children
    first = next(iter(children))
    return member is next((one for one in children if one.serves == stripe), first)
