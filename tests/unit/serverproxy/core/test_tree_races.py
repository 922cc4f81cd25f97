"""Newcomers at the same moment: the server proxy's one slot a stripe goes to who serves it."""

from common.ids import ROOT, NodeId, Stripe
from serverproxy.core.tree import Move, Trees
from tests.support.built_trees import one_tree, parents

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


def test_a_way_that_is_dropped_takes_those_with_it_that_would_close_a_loop() -> None:
    """A leaves X for Y, Z comes under A, X under Z: if A stays under X the others cannot move."""
    names = [NodeId(name) for name in "xwazy"]
    x, w, a, z, y = names
    trees = one_tree((x, ROOT, 2), (w, ROOT, 2), (a, x, 2), (z, w, 2), (y, w, 2))
    for node, to in ((a, y), (z, a), (x, z)):
        others = [ROOT, *(name for name in names if name != to)]
        assert parents(trees.place(node, S0, avoid=others)) == [to]
    trees.release(a, S0)
    trees.check(settled=False)
    assert trees.moving_to(a, S0) is None
    assert {trees.moving_to(x, S0), trees.moving_to(z, S0)} != {z, a}
