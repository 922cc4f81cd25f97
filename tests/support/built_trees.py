"""Trees as a few rows of a table, and what they answer in short."""

from collections.abc import Sequence

from common.ids import NodeId, Stripe
from serverproxy.core.tree import Move, Placement, Trees

S0, S1 = Stripe(0), Stripe(1)


def one_tree(*rows: tuple[NodeId, NodeId, int]) -> Trees:
    """One stripe with (node, parent, slots) as reported."""
    trees = Trees(stripes=1)
    for node, parent, slots in rows:
        trees.add(node, slots=slots, hard_limit=False)
        trees.attach(node, S0, parent)
    return trees


def two_trees(*rows: tuple[NodeId, Stripe, int, NodeId, NodeId]) -> Trees:
    """Two stripes with (node, stripe it serves, slots, parent in 0, parent in 1) as reported."""
    trees = Trees(stripes=2)
    for node, stripe, slots, *_ in rows:
        trees.add(node, slots=slots, hard_limit=False)
        if slots:
            trees.serve(node, stripe)
    for node, _, _, *parents in rows:
        for stripe, parent in zip((S0, S1), parents, strict=True):
            trees.attach(node, stripe, parent)
    return trees


def parents(placement: Placement | None) -> list[NodeId]:
    assert placement is not None
    return [one.parent for one in placement.candidates]


def moves(trees: Trees) -> list[tuple[NodeId, NodeId, Sequence[NodeId]]]:
    return [
        (one.node, one.source, parents(one.placement))
        for one in trees.remedies()
        if isinstance(one, Move)
    ]
