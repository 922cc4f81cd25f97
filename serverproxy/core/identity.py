"""Ids of nodes: given once each, and taken back only from who was given them.

An id has the tag of the server process that gave it: what an earlier process has given never
collides, whoever comes first after a restart.
"""

from collections import OrderedDict
from collections.abc import Container

from common.ids import ROOT, NodeId

REMEMBERED = 10_000
"""Nodes whose nonce is kept; of those that are not here the longest unused is forgotten first.

It comes back as a new one. Who is here is not forgotten, however many others come.
"""
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_TAG_DIGITS = 4
_TAG_UNIT_US = 100_000


def tag_of(instance_us: int) -> str:
    """Return what tells the ids of one server process from those of another, for two days."""
    tag, number = "", instance_us // _TAG_UNIT_US
    for _ in range(_TAG_DIGITS):
        number, digit = divmod(number, len(_DIGITS))
        tag = _DIGITS[digit] + tag
    return tag


class NodeIds:
    """The ids of one channel."""

    def __init__(self, tag: str, here: Container[NodeId]) -> None:
        """Start with none given; `tag` is that of this process, `here` who is in the channel."""
        self._tag, self._count, self._here = tag, 0, here
        self._nonces: OrderedDict[NodeId, str] = OrderedDict()

    def give(self, nonce: str) -> NodeId:
        """Return a new id; `nonce` is the secret of the node that joins."""
        while True:
            self._count += 1
            node = NodeId(f"n{self._count}-{self._tag}")
            if node not in self._nonces:
                self._remember(node, nonce)
                return node

    def gave(self, node: NodeId, nonce: str) -> bool:
        """Return whether this id was given to the node with this nonce."""
        if self._nonces.get(node) != nonce:
            return False
        self._nonces.move_to_end(node)
        return True

    def claim(self, node: NodeId, nonce: str) -> bool:
        """Take an id that another process gave; of two nodes that say so the first has it."""
        if granted := self.may_claim(node, nonce):
            self._remember(node, nonce)
        return granted

    def may_claim(self, node: NodeId, nonce: str) -> bool:
        """Return whether `claim` would be granted; nothing is bound by asking."""
        return node != ROOT and self._nonces.get(node, nonce) == nonce

    def _remember(self, node: NodeId, nonce: str) -> None:
        self._nonces[node] = nonce
        self._nonces.move_to_end(node)
        for _ in range(len(self._nonces) if len(self._nonces) > REMEMBERED else 0):
            oldest, its = self._nonces.popitem(last=False)
            if oldest not in self._here:
                return
            self._nonces[oldest] = its
