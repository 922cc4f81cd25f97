"""Parents that a child has lost, although their own control links live (design 6).

Rule: whom a child has lost is nobody's candidate until it reports again, or `grace` is over.
"""

from collections.abc import Iterator

from common.ids import NodeId
from serverproxy.core.tree import Trees


class Suspects:
    """Who is suspected in one channel, and until when; the trees place nobody under them."""

    def __init__(self, trees: Trees, *, grace: float) -> None:
        """Suspect nobody; later each for `grace` seconds."""
        self._trees, self._grace = trees, grace
        self._until: dict[NodeId, float] = {}

    def __iter__(self) -> Iterator[NodeId]:
        return iter(self._until)

    def suspect(self, node: NodeId, now: float) -> None:
        """Note that a child has lost this parent."""
        self._until[node] = now + self._grace
        self._trees.suspect(node, suspected=True)

    def trust(self, node: NodeId) -> None:
        """Note that a node has reported."""
        if self._until.pop(node, None) is not None:
            self._trees.suspect(node, suspected=False)

    def calm_down(self, now: float) -> None:
        """Trust whoever nothing bad was heard of within the grace."""
        for node in [node for node, until in self._until.items() if until <= now]:
            self.trust(node)

    def forget(self, node: NodeId) -> None:
        """Note that a node is out of the trees."""
        self._until.pop(node, None)
