"""Which of the remedies is given back first (design 5, "Slots run out")."""

from common.ids import ROOT, NodeId
from tests.support.built_trees import S0, moves, one_tree

A, B, C, D, E = (NodeId(name) for name in "abcde")


def test_the_server_proxys_repair_slot_is_given_back_before_a_nodes_excess() -> None:
    """C has the only free slot; A has one child too many, the server proxy has E."""
    trees = one_tree((A, ROOT, 2), (B, A, 0), (C, A, 1), (D, A, 0), (E, ROOT, 0))
    assert trees.excess(A) == trees.excess(ROOT) == 1
    assert moves(trees)[0] == (E, ROOT, [C])
    trees.attach(E, S0, C)
    assert trees.excess(ROOT) == 0


def test_an_excess_is_given_back_at_the_first_free_slot() -> None:
    trees = one_tree((A, ROOT, 2), (B, A, 0), (C, A, 1), (D, A, 0))
    assert trees.excess(A) == 1
    assert moves(trees) == [(B, A, [C])]
    trees.attach(B, S0, C)
    assert (trees.excess(A), moves(trees)) == (0, [])
    trees.check()
