"""Nodes that the server proxy cannot talk to, and moves that yield to who has no place (Z34)."""

from common.ids import ROOT, NodeId
from serverproxy.core.tree import Move, Trees
from tests.support.built_trees import S0, one_tree, parents

A, B, C, D = (NodeId(name) for name in "abcd")


def test_nobody_is_sent_to_who_is_absent_until_it_is_back() -> None:
    trees = one_tree((A, ROOT, 2), (B, A, 2))
    trees.absent(A, absent=True)
    trees.add(C, slots=2, hard_limit=False)
    assert parents(trees.place(C, S0)) == [B]
    trees.absent(A, absent=False)
    assert parents(trees.place(C, S0)) == [A]
    trees.check()


def targets(move: Move) -> list[NodeId]:
    return parents(move.placement)


def test_who_is_suspected_is_a_parent_only_where_nobody_else_is() -> None:
    trees = one_tree((A, ROOT, 2), (B, A, 2))
    trees.suspect(A, suspected=True)
    trees.add(C, slots=2, hard_limit=False)
    assert parents(trees.place(C, S0)) == [B]
    trees.suspect(B, suspected=True)
    assert parents(trees.place(C, S0, avoid=[ROOT])) == [A]
    trees.suspect(A, suspected=False)
    trees.remove(B)
    assert parents(trees.place(C, S0)) == [A]
    trees.check()


def test_who_is_fed_is_not_sent_below_somebody_who_may_be_dead() -> None:
    """A is silent, and C has come to its standby: what hangs below A gets nothing."""
    trees = one_tree((A, ROOT, 1), (B, A, 2), (C, ROOT, 0))
    trees.suspect(A, suspected=True)
    assert trees.remedies() == []
    trees.suspect(A, suspected=False)
    (move,) = (one for one in trees.remedies() if isinstance(one, Move))
    assert (move.node, targets(move)) == (C, [B])


def test_a_remedy_names_nobody_who_is_suspected() -> None:
    """It would be a move that fails; an excess can wait."""
    trees = one_tree((A, ROOT, 2), (B, A, 2), (C, A, 0), (D, A, 0))
    trees.suspect(B, suspected=True)
    assert all(at != B for one in trees.remedies() if isinstance(one, Move) for at in targets(one))
    trees.release(B, S0)
    trees.suspect(B, suspected=False)
    (move,) = (one for one in trees.remedies() if isinstance(one, Move))
    assert (move.node, targets(move)) == (C, [B])


def test_where_an_absent_node_was_going_is_free_for_others() -> None:
    trees = Trees(stripes=1, repair_slots=0)
    for node in (A, B):
        trees.add(node, slots=0, hard_limit=True)
    assert trees.join(A) is not None
    assert trees.join(B) is None
    trees.absent(A, absent=True)
    assert parents(trees.place(B, S0)) == [ROOT]


def test_a_leaf_does_not_keep_off_the_server_proxy_for_a_subtree_that_is_absent() -> None:
    """It may be dead: for `away_grace` seconds nobody would have had a place."""
    trees = one_tree((A, ROOT, 2), (B, A, 0))
    for node in (A, B):
        trees.detach(node, S0)
    assert trees.place(B, S0) is None
    trees.absent(A, absent=True)
    assert parents(trees.place(B, S0)) == [ROOT]


def test_a_move_that_makes_the_trees_better_yields_to_who_has_no_place() -> None:
    """A child above the server proxy's slots has the last slot promised; an orphan needs it."""
    trees = one_tree((A, ROOT, 1), (B, ROOT, 0), (C, B, 0))
    trees.detach(C, S0)
    assert [one.node for one in trees.remedies() if isinstance(one, Move)] == [B]
    assert trees.moving_to(B, S0) == A
    trees.set_slots(A, 1, hard_limit=True)
    assert parents(trees.place(C, S0)) == [A]
    assert trees.moving_to(B, S0) is None
    trees.check(settled=False)
