"""Ids of nodes: given once each, and taken back only from who was given them."""

from collections import OrderedDict

from common.ids import NodeId

REMEMBERED = 10_000
"""Nodes whose nonce is kept; the longest unused is forgotten first and comes back as a new one."""


class NodeIds:
    """The ids of one channel."""

    def __init__(self) -> None:
        """Start with none given."""
        self._count = 0
        self._nonces: OrderedDict[NodeId, str] = OrderedDict()

    def give(self, nonce: str) -> NodeId:
        """Return a new id; `nonce` is the secret of the node that joins."""
        self._count += 1
        node = NodeId(f"n{self._count}")
        self._nonces[node] = nonce
        if len(self._nonces) > REMEMBERED:
            self._nonces.popitem(last=False)
        return node

    def gave(self, node: NodeId, nonce: str) -> bool:
        """Return whether this id was given to the node with this nonce."""
        if self._nonces.get(node) != nonce:
            return False
        self._nonces.move_to_end(node)
        return True
