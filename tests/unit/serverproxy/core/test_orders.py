"""What an operator wants of a node happens, as failures are repaired, or is refused with why."""

from collections.abc import Sequence

import pytest

from common.fields import KICKED, ServeFrame
from common.ids import ROOT, NodeId, Stripe
from common.messages import Closed, Serve
from serverproxy.core import orders
from serverproxy.core.members import Command, Forgotten, Send
from serverproxy.core.orders import OrderError
from tests.support.overlay_model import STRIPES, Model, ModelNode

S0, S1 = STRIPES


class Ordered(Model):
    """A whole overlay whose operator has wishes."""

    def __init__(self, size: int = 12) -> None:
        super().__init__()
        self.forgotten: list[NodeId] = []
        for _ in range(size):
            self.join(None)
            self.run()
        self.wait(5.0)
        assert self.homeless() == []

    def _do(self, commands: Sequence[Command]) -> None:
        self.forgotten += [one.node for one in commands if isinstance(one, Forgotten)]
        for one in commands:
            if isinstance(one, Send) and isinstance(one.message, Closed):
                assert one.message.reason == KICKED
                self.leave(one.node)
        super()._do(commands)

    def _take(self, node: ModelNode) -> None:
        """Let a node that serves something else tell its parents so (SERVE frame)."""
        message = node.inbox[0]
        super()._take(node)
        if isinstance(message, Serve):
            frame = ServeFrame(message.serve, message.slots, message.addresses)
            for stripe in STRIPES:
                if (parent := node.search.parent(stripe)) is not None:
                    self._children(parent).served(node.name, stripe, frame)

    def move(self, node: NodeId, stripe: Stripe, parent: NodeId | None = None) -> NodeId:
        to, commands = orders.move(self.membership, node, stripe, parent)
        self._do(commands)
        self.run()
        return to

    def drain(self, node: NodeId, *, drained: bool = True) -> None:
        self._do(orders.drain(self.membership, node, drained=drained))
        self.wait(15.0)

    def kick(self, node: NodeId) -> None:
        self._do(orders.kick(self.membership, node, "go", 0.0))
        self.wait(5.0)

    def children(self, node: NodeId) -> list[NodeId]:
        return [child for stripe in STRIPES for child in self.trees.children(node, stripe)]

    def interior(self) -> NodeId:
        """Return a node with children that is not the first one of its tree."""
        return next(
            node
            for node in self.nodes
            if self.children(node) and ROOT not in {self.trees.parent(node, s) for s in STRIPES}
        )


def test_a_node_moves_to_the_parent_that_is_named_or_it_is_said_why_not() -> None:
    overlay, asked, there = Ordered(), 0, 0
    for node in list(overlay.nodes):
        for parent in [ROOT, *overlay.nodes]:
            for stripe in STRIPES:
                before = overlay.trees.parent(node, stripe)
                try:
                    assert overlay.move(node, stripe, parent) == parent != before
                except OrderError:
                    assert overlay.trees.parent(node, stripe) == before
                else:
                    asked += 1
                    there += overlay.trees.parent(node, stripe) == parent
                assert overlay.homeless() == []
    # A parent above its slots may send it on at once.
    assert there > 20
    assert there > asked * 0.5


def test_a_node_moves_to_the_best_other_parent_where_none_is_named() -> None:
    overlay = Ordered()
    before = overlay.trees.parent(NodeId("n10"), S0)
    to = overlay.move(NodeId("n10"), S0)
    assert overlay.trees.parent(NodeId("n10"), S0) == to != before


@pytest.mark.parametrize(
    ("node", "parent", "why"),
    [
        ("n10", "nobody", "there is no node nobody"),
        ("n10", "its own", "is the parent of n10 in stripe 0 already"),
        ("n1", "below", "hangs below n1"),
        ("n10", "away", "is away"),
        ("n10", "a leaf", "has no slot for n10"),
    ],
)
def test_what_cannot_be_is_refused_with_a_sentence(node: str, parent: str, why: str) -> None:
    overlay = Ordered()
    name, trees = NodeId(node), overlay.trees
    if parent == "its own":
        parent = str(trees.parent(name, S0))
    elif parent == "below":
        parent = trees.children(name, S0)[0]
    elif parent == "away":
        parent = next(n for n in overlay.nodes if n not in (name, trees.parent(name, S0)))
        overlay.lose_control(NodeId(parent))
    elif parent == "a leaf":
        parent = overlay.join(0)
        overlay.run()
    with pytest.raises(OrderError, match=why):
        overlay.move(name, S0, NodeId(parent))


def test_an_orphan_and_who_is_away_cannot_be_moved() -> None:
    overlay = Ordered()
    overlay.trees.detach(NodeId("n10"), S0)
    with pytest.raises(OrderError, match="no parent in stripe 0: it is looking for one already"):
        overlay.move(NodeId("n10"), S0)
    overlay.lose_control(NodeId("n9"))
    with pytest.raises(OrderError, match="n9 is away"):
        overlay.move(NodeId("n9"), S0)
    with pytest.raises(OrderError, match="n9 is away"):
        overlay.drain(NodeId("n9"))
    with pytest.raises(OrderError, match="n9 is away"):
        overlay.kick(NodeId("n9"))


def test_a_node_without_another_place_stays() -> None:
    overlay = Ordered(1)
    with pytest.raises(OrderError, match="nobody else has a slot for n1 in stripe 0"):
        overlay.move(NodeId("n1"), S0)
    assert overlay.trees.parent(NodeId("n1"), S0) == ROOT


def test_a_drained_node_loses_its_children_and_gets_none_until_it_is_filled_again() -> None:
    overlay = Ordered()
    node = overlay.interior()
    overlay.drain(node)
    assert overlay.children(node) == []
    assert overlay.membership.is_drained(node)
    assert overlay.trees.slots(node) == overlay.nodes[node].children.slots == 0
    for _ in range(4):
        overlay.join(None)
    overlay.wait(15.0)
    assert overlay.children(node) == []
    assert overlay.homeless() == []
    overlay.drain(node, drained=False)
    assert overlay.trees.slots(node) == overlay.nodes[node].children.slots == 3
    assert not overlay.membership.is_drained(node)


def test_every_node_can_be_drained_also_at_the_top_of_a_tree() -> None:
    overlay = Ordered()
    tops = [overlay.trees.children(ROOT, stripe)[0] for stripe in STRIPES]
    for node in [*tops, *overlay.nodes]:
        overlay.drain(node)
        overlay.wait(15.0)
        assert overlay.children(node) == [], node
        assert overlay.homeless() == []
        overlay.drain(node, drained=False)


def test_a_node_stays_drained_when_it_comes_back() -> None:
    overlay = Ordered()
    node = overlay.interior()
    overlay.drain(node)
    overlay.lose_control(node)
    overlay.rejoin(node)
    overlay.wait(15.0)
    assert overlay.trees.slots(node) == 0
    assert overlay.children(node) == []


def test_who_is_sent_away_hands_its_children_over_and_goes() -> None:
    overlay = Ordered()
    node = overlay.interior()
    overlay.kick(node)
    assert node not in overlay.nodes
    assert overlay.forgotten == [node]
    assert overlay.homeless() == []
    overlay.trees.check()
