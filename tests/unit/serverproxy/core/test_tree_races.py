"""Newcomers at the same moment: the server proxy's one slot a stripe goes to who serves it."""

from common.ids import ROOT, NodeId, Stripe
from serverproxy.core.tree import Move, Trees

S0, S1 = Stripe(0), Stripe(1)
A, B = NodeId("a"), NodeId("b")


def _add(trees: Trees, node: NodeId) -> None:
    trees.add(node, slots=3, hard_limit=False)
    assert trees.join(node) is not None


def test_a_leaf_on_its_way_to_the_server_proxy_yields_to_who_serves_the_stripe() -> None:
    """B joins before A, a leaf in B's stripe, has reported its parent there."""
    trees = Trees(stripes=2)
    _add(trees, A)
    _add(trees, B)
    assert trees.serves(B) == S1
    assert trees.moving_to(B, S1) == ROOT
    assert trees.moving_to(A, S1) == B
    trees.attach(A, S1, ROOT)
    trees.attach(B, S1, ROOT)
    assert trees.moving_to(A, S1) == B


def test_who_serves_a_stripe_below_a_leaf_is_lifted_to_the_server_proxy() -> None:
    """B hangs, shared, under A, which is a leaf but for B: B goes up, then A goes under it."""
    trees = Trees(stripes=2)
    for node in (A, B):
        trees.add(node, slots=3, hard_limit=False)
    for node, stripe, parent in ((A, S0, ROOT), (A, S1, ROOT), (B, S0, A), (B, S1, A)):
        trees.attach(node, stripe, parent)
    assert trees.shared(A) == 1
    for _ in range(2):
        for remedy in trees.remedies():
            assert isinstance(remedy, Move)
            trees.attach(remedy.node, remedy.stripe, remedy.placement.candidates[0].parent)
    assert (trees.parent(B, S1), trees.parent(A, S1)) == (ROOT, B)
    trees.check()
    assert trees.remedies() == []
