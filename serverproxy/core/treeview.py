"""What the trees say to whoever asks."""

from collections.abc import Sequence

from common.ids import ROOT, NodeId, Stripe
from serverproxy.core.graph import Graph, UnknownNodeError
from serverproxy.core.shelves import Member


class TreeView:
    """All trees of one channel, read only. UnknownNodeError for a node that is not in them."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph

    def nodes(self) -> Sequence[NodeId]:
        """All nodes, in the order in which they came."""
        return tuple(self._graph.members)

    def __contains__(self, node: object) -> bool:
        return node in self._graph.members

    def __len__(self) -> int:
        return len(self._graph.members)

    def serves(self, node: NodeId) -> Stripe | None:
        """Return the interior stripe of a node."""
        return self._find(node).serves

    def slots(self, node: NodeId) -> int:
        """Return how many children a node can have, over all stripes."""
        return self._find(node).slots

    def parent(self, node: NodeId, stripe: Stripe) -> NodeId | None:
        """Return the parent that a node has reported."""
        parent = self._find(node).links[stripe].parent
        return None if parent is None else parent.id

    def moving_to(self, node: NodeId, stripe: Stripe) -> NodeId | None:
        """Return the parent for which a node is on its way."""
        link = self._find(node).links[stripe]
        return None if link.up is None or link.up is link.parent else link.up.id

    def waits_for(self, node: NodeId, stripe: Stripe) -> NodeId | None:
        """Return who has to come to its place before a node that is on its way can.

        The one that it goes under; or a child that leaves it a slot, where a user's number is full.
        """
        above = self._find(node).links[stripe].up
        if above is None:
            return None
        link = above.links[stripe]
        if link.parent is not None and link.parent is not link.up:
            return above.id
        if not link.leaving or not above.hard_limit or above.held <= above.limit:
            return None
        leaving = (child for child in link.children if child.links[stripe].up is not above)
        return next((child.id for child in leaving), None)

    def children(self, node: NodeId, stripe: Stripe) -> Sequence[NodeId]:
        """Return who has reported `node` (or ROOT) as its parent, the oldest first."""
        return tuple(child.id for child in self._graph.find(node).links[stripe].children)

    def all_children(self, node: NodeId) -> list[NodeId]:
        """Return the children of `node` (or ROOT) in all stripes, those of the first one first."""
        return [child.id for link in self._graph.find(node).links for child in link.children]

    def path(self, node: NodeId, stripe: Stripe) -> list[NodeId]:
        """Return the way down to `node` and itself; it begins with ROOT unless detached."""
        member: Member | None = self._graph.find(node)
        path: list[NodeId] = []
        while member is not None:
            path.append(member.id)
            member = member.links[stripe].parent
        return path[::-1]

    def depth(self, node: NodeId, stripe: Stripe) -> int | None:
        """Return the hops from the server proxy, None for a node in a detached subtree."""
        path = self.path(node, stripe)
        return len(path) - 1 if path[0] == ROOT else None

    def in_subtree(self, node: NodeId, top: NodeId, stripe: Stripe) -> bool:
        """Whether `node` is `top` or hangs below it."""
        return self._graph.hangs_below(self._graph.find(node), self._graph.find(top), stripe)

    def tree_depth(self, stripe: Stripe) -> int:
        """Return the depth of the deepest node under the server proxy; walks the tree."""
        return self._height(self._graph.root, stripe)

    def excess(self, node: NodeId) -> int:
        """Children that a node has beyond its slots; of ROOT, over all stripes."""
        if node == ROOT:
            root, slots = self._graph.root, self._graph.root_slots
            return sum(max(0, len(link.children) - slots) for link in root.links)
        member = self._find(node)
        return max(0, member.count - member.slots)

    def shared(self, node: NodeId) -> int:
        """Children that a node has in stripes which it does not serve."""
        member = self._find(node)
        stripes = (s for s in self._graph.stripes if s != member.serves)
        return sum(len(member.links[stripe].children) for stripe in stripes)

    def _find(self, node: NodeId) -> Member:
        if node == ROOT:
            raise UnknownNodeError("the server proxy is no node")
        return self._graph.find(node)

    def _height(self, top: Member, stripe: Stripe) -> int:
        height, level = 0, list(top.links[stripe].children)
        while level:
            height += 1
            level = [child for member in level for child in member.links[stripe].children]
        return height
