"""Who stands by for whom (design 5, "Standby"; S27)."""

import pytest

from common.ids import ROOT, NodeId
from serverproxy.core.tree import TreeError, Trees
from tests.support.built_trees import S0, S1, one_tree, two_trees

A, B, C, D, E, F, G, H = (NodeId(name) for name in "abcdefgh")


def settle(trees: Trees) -> dict[NodeId, NodeId | None]:
    """Give everybody the standby that it needs; return who was given which."""
    given = {}
    while stale := trees.stale_standbys(100):
        for node, stripe in stale:
            given[node] = trees.standby(node, stripe)
            trees.hold_standby(node, stripe, given[node])
        trees.check(settled=False)
    return given


def forked() -> Trees:
    """Return A under the server proxy; B and C under it; D, E, F under B."""
    return one_tree((A, ROOT, 3), (B, A, 3), (C, A, 3), (D, B, 3), (E, B, 3), (F, B, 3))


def test_a_child_of_the_server_proxy_has_none() -> None:
    assert one_tree((A, ROOT, 3)).standby(A, S0) is None


def test_who_hangs_nowhere_has_none() -> None:
    trees = one_tree((A, ROOT, 3), (B, A, 3))
    trees.detach(B, S0)
    assert trees.standby(B, S0) is None
    assert settle(trees) == {}


def test_the_first_interior_child_has_its_grandparent() -> None:
    """Its parent's death frees the slot there."""
    trees = forked()
    assert trees.standby(B, S0) == ROOT
    assert trees.standby(D, S0) == A


def test_of_leaves_the_first_one_has_the_grandparent_unless_a_sibling_is_interior() -> None:
    trees = two_trees((A, S0, 3, ROOT, ROOT), (B, S0, 3, A, A), (C, S1, 3, B, A), (D, S1, 3, B, A))
    assert (trees.standby(C, S0), trees.standby(D, S0)) == (A, ROOT)
    trees.add(E, slots=3, hard_limit=False)
    trees.serve(E, S0)
    trees.attach(E, S0, B)
    assert (trees.standby(E, S0), trees.standby(C, S0)) == (A, ROOT)


def test_siblings_have_different_ones_and_the_last_resort_is_the_server_proxy() -> None:
    assert settle(forked()) == {B: ROOT, C: ROOT, D: A, E: C, F: ROOT}


def test_the_least_burdened_is_taken() -> None:
    trees = one_tree((A, ROOT, 4), (B, A, 3), (C, A, 3), (D, A, 3), (E, B, 3), (F, B, 3))
    settle(trees)
    taken = trees.standby_held(F, S0)
    assert taken in {C, D}
    trees.add(G, slots=3, hard_limit=False)
    trees.attach(G, S0, B)
    assert trees.standby(G, S0) == ({C, D} - {taken}).pop()
    assert (trees.burden(taken or ROOT), trees.burden(ROOT)) == (1, 3)


def test_the_least_burdened_is_taken_whoever_was_taken_before() -> None:
    """C has been waiting longer to be taken again than D, but stands by for H."""
    trees = one_tree((A, ROOT, 4), (B, A, 3), (C, A, 3), (D, A, 3), (E, B, 3), (F, B, 3))
    for node, parent in ((G, C), (H, D)):
        trees.add(node, slots=3, hard_limit=False)
        trees.attach(node, S0, parent)
    trees.hold_standby(H, S0, C)
    trees.hold_standby(G, S0, D)
    trees.hold_standby(G, S0, None)
    assert (trees.burden(B), trees.burden(C), trees.burden(D)) == (0, 1, 0)
    assert trees.standby(F, S0) == D


def test_somebody_with_a_free_slot_comes_before_somebody_who_is_full() -> None:
    trees = one_tree((A, ROOT, 4), (B, A, 3), (C, A, 1), (D, A, 1), (E, B, 3), (F, B, 3), (G, C, 3))
    assert trees.standby(F, S0) == D


def test_a_standby_serves_the_stripe() -> None:
    trees = two_trees(
        (A, S0, 3, ROOT, ROOT),
        (B, S0, 3, A, A),
        (C, S1, 3, A, A),
        (D, S0, 3, B, A),
        (E, S0, 3, B, C),
    )
    assert trees.standby(E, S0) == ROOT


def test_who_is_to_be_avoided_or_absent_is_not_chosen() -> None:
    trees = forked()
    assert trees.standby(D, S0, avoid=[A, NodeId("stranger")]) == C
    assert trees.standby(D, S0, avoid=[A, C]) == ROOT
    trees.absent(A, absent=True)
    assert trees.standby(D, S0) == C


@pytest.mark.parametrize("standby", [A, D, E])
def test_neither_the_parent_nor_anybody_as_deep_can_be_held(standby: NodeId) -> None:
    trees = one_tree((A, ROOT, 2), (B, A, 2), (C, A, 2), (D, C, 2), (E, D, 2))
    with pytest.raises(TreeError):
        trees.hold_standby(B, S0, standby)
    assert trees.standby_held(B, S0) is None


def test_a_standby_that_is_gone_is_replaced() -> None:
    trees = forked()
    settle(trees)
    trees.remove(C)
    assert trees.standby_held(E, S0) is None
    assert settle(trees) == {E: ROOT}


def test_a_standby_that_has_become_absent_or_serves_another_stripe_is_replaced() -> None:
    trees = forked()
    settle(trees)
    trees.absent(C, absent=True)
    assert settle(trees) == {E: ROOT}
    trees.absent(C, absent=False)
    assert settle(trees) == {}


def test_who_has_got_another_parent_gets_another_standby() -> None:
    """The one that it had is its parent now."""
    trees = forked()
    settle(trees)
    trees.detach(E, S0)
    trees.attach(E, S0, C)
    assert settle(trees)[E] == A
    trees.check()


def test_the_next_child_inherits_the_grandparent() -> None:
    trees = forked()
    settle(trees)
    trees.remove(D)
    assert settle(trees)[E] == A


def test_each_call_looks_at_a_few() -> None:
    trees = forked()
    found = []
    for _ in range(6):
        few = trees.stale_standbys(1)
        assert len(few) <= 1
        found += few
    assert sorted(node for node, _ in found) == [B, C, D, E, F]
    assert trees.stale_standbys(10) == []


def test_an_interior_child_that_comes_later_gets_the_grandparent_of_a_leaf() -> None:
    trees = two_trees((A, S0, 3, ROOT, ROOT), (B, S0, 3, A, A), (C, S1, 3, B, A))
    settle(trees)
    assert trees.standby_held(C, S0) == A
    trees.add(E, slots=3, hard_limit=False)
    trees.serve(E, S0)
    trees.attach(E, S0, B)
    settle(trees)
    assert (trees.standby_held(E, S0), trees.standby_held(C, S0)) == (A, ROOT)
