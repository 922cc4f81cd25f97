"""No node is placed below itself, whatever is on its way."""

from common.ids import ROOT, NodeId
from tests.support.built_trees import S0, one_tree, parents

A, B, C = (NodeId(name) for name in "abc")


def test_a_child_that_is_to_leave_is_no_parent_while_it_has_not_left() -> None:
    """Else the two would hang under each other until it has."""
    trees = one_tree((A, ROOT, 3), (B, A, 2), (C, B, 2))
    assert parents(trees.place(C, S0)) == [A]
    trees.detach(B, S0)
    assert trees.moving_to(C, S0) == A
    assert trees.place(B, S0, avoid=[A, ROOT]) is None
    trees.attach(C, S0, A)
    assert parents(trees.place(B, S0, avoid=[A, ROOT])) == [C]
