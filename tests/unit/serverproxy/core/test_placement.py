"""Where newcomers and orphans go, and what is done when slots run out (Z9, Z18-Z20, Z25, Z29)."""

from common.ids import ROOT, NodeId
from serverproxy.core.tree import Candidate, Trees
from tests.support.built_trees import S0, S1, moves, one_tree, parents, two_trees

A, B, C, D, E, F = (NodeId(name) for name in "abcdef")


# --- joining


def test_the_first_node_hangs_under_the_server_proxy_in_every_stripe() -> None:
    trees = Trees(stripes=2)
    trees.add(A, slots=3, hard_limit=False)
    placements = trees.join(A)
    assert placements is not None
    assert {stripe: parents(one) for stripe, one in placements.items()} == {S0: [ROOT], S1: [ROOT]}
    assert placements[S0].candidates[0].depth == 1


def test_a_leaf_takes_the_shallowest_free_slot() -> None:
    trees = one_tree((A, ROOT, 2), (B, A, 2), (C, B, 2))
    trees.add(D, slots=0, hard_limit=True)
    placement = trees.place(D, S0)
    assert parents(placement) == [A]
    assert placement is not None
    assert placement.candidates[0].depth == 2


def test_a_newcomer_that_serves_takes_the_place_of_a_leaf_higher_up() -> None:
    """C is a leaf at depth 2, a free slot only at depth 3: D goes in front of C."""
    trees = one_tree((A, ROOT, 2), (B, A, 2), (C, A, 0))
    trees.add(D, slots=2, hard_limit=False)
    placement = trees.place(D, S0)
    assert placement is not None
    (one,) = placement.candidates
    assert (one.parent, one.depth, one.displaced) == (A, 2, C)
    assert trees.moving_to(C, S0) == D


def test_at_most_ten_candidates_of_the_same_depth_the_longest_unused_first() -> None:
    names = [NodeId(f"n{index}") for index in range(12)]
    trees = one_tree((A, ROOT, 12), *((name, A, 2) for name in names))
    trees.add(B, slots=0, hard_limit=True)
    first = trees.place(B, S0)
    assert parents(first) == names[:10]
    assert first is not None
    assert {one.depth for one in first.candidates} == {3}
    trees.add(C, slots=0, hard_limit=True)
    assert parents(trees.place(C, S0))[0] == names[1]


def test_a_node_whose_own_parent_is_not_reported_is_a_candidate_only_at_need() -> None:
    trees = one_tree((A, ROOT, 2), (C, A, 2))
    trees.add(B, slots=2, hard_limit=False)
    assert trees.join(B) is not None
    for name in ("x", "y"):
        trees.add(NodeId(name), slots=0, hard_limit=True)
        assert parents(trees.place(NodeId(name), S0)) == [C]
    trees.add(D, slots=0, hard_limit=True)
    assert parents(trees.place(D, S0)) == [B]


def test_whom_the_node_tried_it_does_not_get_again() -> None:
    trees = one_tree((A, ROOT, 3), (B, A, 3), (C, A, 3))
    trees.add(D, slots=0, hard_limit=True)
    assert parents(trees.place(D, S0, avoid=[A])) == [B, C]
    assert parents(trees.place(D, S0, avoid=[A, B, ROOT])) == [C]
    assert trees.place(D, S0, avoid=[A, B, C, ROOT]) is None


def test_a_full_node_with_a_hard_limit_is_never_asked_for_one_more() -> None:
    """Its leaf is no help before it has come: the newcomer uses a repair slot (Z29).

    That is given back: the newcomer takes the other under it.
    """
    trees = Trees(stripes=1)
    for node, slots in ((A, 1), (B, 0)):
        trees.add(node, slots=slots, hard_limit=True)
        trees.join(node)
    trees.attach(A, S0, ROOT)
    trees.add(C, slots=1, hard_limit=True)
    placements = trees.join(C)
    assert placements is not None
    assert placements[S0].candidates == (Candidate(ROOT, 1),)
    trees.attach(B, S0, A)
    trees.attach(C, S0, ROOT)
    trees.check()
    assert moves(trees) == [(A, ROOT, [C])]
    trees.attach(A, S0, C)
    assert moves(trees) == []
    trees.check()


def test_a_full_node_with_a_hard_limit_sends_a_leaf_away_before_it_takes_a_newcomer() -> None:
    """Its number is never passed, in the trees neither; the leaf is on its way to the newcomer."""
    trees = two_trees((A, S0, 3, ROOT, D), (B, S1, 1, A, ROOT), (C, S1, 1, A, B), (D, S1, 2, A, C))
    for node in (A, B, C):
        trees.set_slots(node, trees.slots(node), hard_limit=True)
    trees.add(E, slots=2, hard_limit=True)
    placements = trees.join(E)
    assert placements is not None
    assert placements[S0].candidates == (Candidate(A, 2, displaced=B),)
    trees.attach(E, S0, A)
    assert trees.children(A, S0) == (C, D, E)
    assert (trees.parent(B, S0), trees.moving_to(B, S0)) == (None, E)
    trees.check(settled=False)
    trees.attach(B, S0, E)
    trees.check()


def test_a_parent_with_a_hard_limit_may_send_another_leaf_away_than_was_supposed() -> None:
    """What the nodes say puts it right."""
    trees = two_trees((A, S0, 3, ROOT, D), (B, S1, 1, A, ROOT), (C, S1, 1, A, B), (D, S1, 2, A, C))
    trees.set_slots(A, 3, hard_limit=True)
    trees.add(E, slots=2, hard_limit=True)
    assert trees.join(E) is not None
    trees.attach(E, S0, A)
    trees.attach(C, S0, E)
    trees.attach(B, S0, A)
    assert (trees.children(A, S0), trees.children(E, S0)) == ((D, E, B), (C,))
    trees.check()


def test_where_the_only_free_slots_are_below_a_shared_child_a_leaf_makes_room_for_it() -> None:
    """A is full and its limit is hard: its leaf B goes under D, then D takes B's place."""
    trees = two_trees(
        (A, S0, 2, ROOT, C),
        (C, S1, 4, A, ROOT),
        (B, S0, 0, A, C),
        (D, S0, 1, C, C),
    )
    for node in (A, B, C, D):
        trees.set_slots(node, trees.slots(node), hard_limit=True)
    assert trees.shared(C) == 1
    assert moves(trees) == [(B, A, [D])]
    trees.attach(B, S0, D)
    assert moves(trees) == [(D, C, [A])]
    trees.attach(D, S0, A)
    assert (trees.shared(C), moves(trees)) == (0, [])
    trees.check()


# --- orphans


def test_an_orphan_never_hangs_inside_its_own_subtree() -> None:
    trees = one_tree((A, ROOT, 1), (B, A, 1), (C, B, 3))
    trees.detach(B, S0)
    trees.remove(A)
    assert parents(trees.place(B, S0)) == [ROOT]
    moved = one_tree((A, ROOT, 2), (B, A, 1), (C, B, 3))
    assert moved.place(B, S0, avoid=[ROOT]) is None, "A is its parent, C hangs below it"


def test_an_orphan_overcommits_by_one_where_a_newcomer_is_refused() -> None:
    trees = one_tree((A, ROOT, 1), (B, A, 0))
    trees.add(C, slots=0, hard_limit=True)
    assert trees.join(C) is None
    trees.attach(C, S0, ROOT)
    trees.detach(C, S0)
    assert parents(trees.place(C, S0)) == [A]
    trees.attach(C, S0, A)
    assert trees.excess(A) == 1
    trees.check()


def test_an_orphan_with_a_subtree_goes_high_and_a_leaf_makes_room_for_it() -> None:
    trees = one_tree((A, ROOT, 2), (B, A, 0), (C, A, 2), (D, C, 1), (E, D, 1), (F, E, 0))
    trees.detach(D, S0)
    trees.attach(E, S0, C)
    trees.detach(E, S0)
    trees.attach(F, S0, E)
    trees.add(NodeId("g"), slots=0, hard_limit=True)
    trees.attach(NodeId("g"), S0, E)
    assert parents(trees.place(E, S0)) == [A], "C has a free slot, but lower down"
    trees.attach(E, S0, A)
    assert (B, A, [C]) in moves(trees)


def test_a_subtree_takes_the_place_of_a_leaf_at_the_server_proxy_where_there_is_no_other() -> None:
    """Both leaves came there by themselves, and all slots hang below the one that waits."""
    trees = one_tree((A, ROOT, 2), (B, A, 0), (C, A, 0), (D, A, 2))
    trees.remove(A)
    for leaf in (B, C):
        trees.attach(leaf, S0, ROOT)
    placement = trees.place(D, S0)
    assert placement is not None
    assert placement.candidates == (Candidate(ROOT, 1, displaced=B),)
    trees.attach(D, S0, ROOT)
    trees.attach(B, S0, D)
    assert (C, ROOT, [D]) in moves(trees)
    trees.attach(C, S0, D)
    trees.check()


def test_who_is_fed_is_not_sent_to_a_server_proxy_that_is_full() -> None:
    """It is no orphan: it would be refused."""
    trees = one_tree((A, ROOT, 1), (B, A, 1), (C, ROOT, 0))
    assert trees.place(B, S0, avoid=[A]) is None
    trees.detach(B, S0)
    assert parents(trees.place(B, S0, avoid=[A])) == [ROOT]


def test_a_leaf_does_not_shut_a_subtree_out_of_the_server_proxy() -> None:
    trees = one_tree((A, ROOT, 2), (B, A, 0), (C, A, 1), (D, C, 0))
    trees.remove(A)
    assert trees.place(B, S0) is None
    assert parents(trees.place(C, S0)) == [ROOT]
    trees.attach(C, S0, ROOT)
    assert parents(trees.place(B, S0)) == [C]
