"""The trees follow reports, count what is on its way, keep their promises (Z10, Z16, Z31, Z32)."""

import pytest

from common.ids import ROOT, NodeId, Stripe
from serverproxy.core.tree import (
    LoopError,
    Move,
    ServeNow,
    TreeError,
    Trees,
    UnknownNodeError,
)

S0, S1 = Stripe(0), Stripe(1)
A, B, C, D, E = (NodeId(name) for name in "abcde")


def enter(trees: Trees, node: NodeId, *, slots: int = 3, hard: bool = False) -> None:
    """Join, attach to the first candidates, and let every move be made."""
    trees.add(node, slots=slots, hard_limit=hard)
    placements = trees.join(node)
    assert placements is not None
    for stripe, placement in placements.items():
        trees.attach(node, stripe, placement.candidates[0].parent)
    settle(trees)


def settle(trees: Trees) -> list[ServeNow]:
    """Make every move that is asked for; return who was told to serve another stripe."""
    serves: list[ServeNow] = []
    for _ in range(20):
        due = trees.remedies()
        serves += [one for one in due if isinstance(one, ServeNow)]
        moves = [one for one in due if isinstance(one, Move)]
        for move in moves:
            trees.attach(move.node, move.stripe, move.placement.candidates[0].parent)
        if not moves:
            break
    trees.check()
    return serves


def chain(stripes: int, *nodes: NodeId, slots: int = 1) -> Trees:
    """Hang each node under the one before it, as reports have it."""
    trees = Trees(stripes=stripes)
    for node, parent in zip(nodes, (ROOT, *nodes), strict=False):
        trees.add(node, slots=slots, hard_limit=False)
        trees.attach(node, S0, parent)
    return trees


# --- what can be asked for


@pytest.mark.parametrize("stripes", [0, 3, 16])
def test_stripe_counts_but_one_and_two_are_refused(stripes: int) -> None:
    with pytest.raises(ValueError, match="1 or 2 stripes"):
        Trees(stripes=stripes)


def test_the_server_proxy_sends_at_least_one_copy() -> None:
    with pytest.raises(ValueError, match="children_per_stripe"):
        Trees(stripes=2, children_per_stripe=0)
    with pytest.raises(ValueError, match="repair_slots"):
        Trees(stripes=2, repair_slots=-1)


def test_a_node_enters_once_and_the_server_proxy_never() -> None:
    trees = chain(1, A)
    for node in (A, ROOT):
        with pytest.raises(UnknownNodeError):
            trees.add(node, slots=2, hard_limit=False)
    with pytest.raises(UnknownNodeError):
        trees.attach(ROOT, S0, A)


# --- which stripe


def test_nodes_serve_the_stripe_with_the_least_room() -> None:
    trees = Trees(stripes=2)
    assert [trees.add(n, slots=3, hard_limit=False) for n in (A, B, C)] == [S0, S1, S0]
    assert trees.add(D, slots=9, hard_limit=False) == S1
    assert trees.add(E, slots=3, hard_limit=False) == S0, "stripe 1 has more room now"


def test_of_two_stripes_with_equal_room_the_one_with_fewer_interior_nodes_is_served() -> None:
    trees = Trees(stripes=2)
    trees.add(A, slots=4, hard_limit=False)
    for node in (B, C):
        assert trees.add(node, slots=2, hard_limit=False) == S1
    assert trees.add(D, slots=2, hard_limit=False) == S0


def test_a_node_without_slots_serves_nothing_until_it_gets_some() -> None:
    trees = Trees(stripes=2)
    assert trees.add(A, slots=0, hard_limit=True) is None
    assert trees.set_slots(A, 3, hard_limit=False) == S0
    assert (trees.serves(A), trees.slots(A)) == (S0, 3)
    assert trees.set_slots(A, 0, hard_limit=False) is None


# --- reports


def test_a_node_moves_with_its_whole_subtree() -> None:
    trees = chain(1, A, B, C, D, slots=2)
    trees.attach(C, S0, A)
    assert trees.path(D, S0) == [ROOT, A, C, D]
    assert trees.depth(D, S0) == 3
    assert trees.tree_depth(S0) == 3
    assert set(trees.children(A, S0)) == {B, C}
    trees.check()


def test_a_report_may_come_twice() -> None:
    trees = chain(1, A, B)
    trees.attach(B, S0, A)
    assert list(trees.children(A, S0)) == [B]
    trees.check()


def test_an_impossible_report_changes_nothing() -> None:
    trees = chain(1, A, B, C)
    for node, parent, error in ((A, C, LoopError), (A, A, LoopError), (A, D, UnknownNodeError)):
        with pytest.raises(error):
            trees.attach(node, S0, parent)
    with pytest.raises(TreeError):
        trees.attach(D, S0, A)
    assert trees.path(C, S0) == [ROOT, A, B, C]
    trees.check()


def test_reports_of_two_moves_may_come_in_the_wrong_order() -> None:
    """C leaves B for A, then B goes under C; B's report is the first to be heard."""
    trees = chain(1, A, B, C, slots=2)
    assert trees.place(C, S0, avoid=[B]) is not None
    assert trees.moving_to(C, S0) == A
    trees.attach(B, S0, C)
    trees.check(settled=False)
    trees.attach(C, S0, A)
    assert trees.path(B, S0) == [ROOT, A, C, B]
    trees.check()


def test_a_node_that_lost_its_parent_is_the_root_of_a_detached_subtree() -> None:
    trees = chain(1, A, B, C)
    trees.detach(B, S0)
    assert trees.parent(B, S0) is None
    assert trees.depth(C, S0) is None
    assert trees.path(C, S0) == [B, C]
    assert trees.in_subtree(C, B, S0)
    assert not trees.in_subtree(C, A, S0)
    trees.detach(B, S0)
    trees.check(settled=False)


def test_only_the_children_of_a_dead_node_are_orphans() -> None:
    """Subtrees stay whole (Z31)."""
    trees = chain(1, A, B, slots=3)
    for node, parent in ((C, A), (D, C), (E, D)):
        trees.add(node, slots=1, hard_limit=False)
        trees.attach(node, S0, parent)
    assert trees.remove(A) == [(B, S0), (C, S0)]
    assert A not in trees
    assert len(trees) == len(trees.nodes()) == 4
    assert trees.path(E, S0) == [C, D, E]
    trees.check(settled=False)


# --- what is on its way counts


def test_two_joins_at_once_do_not_both_get_the_only_slot() -> None:
    trees = chain(1, A, slots=1)
    trees.add(B, slots=0, hard_limit=True)
    first = trees.join(B)
    trees.add(C, slots=0, hard_limit=True)
    assert first is not None
    assert first[S0].candidates[0].parent == A
    assert trees.moving_to(B, S0) == A
    assert trees.join(C) is None
    trees.release(B, S0)
    assert trees.join(C) is not None


def test_a_reservation_ends_with_its_node_or_with_the_parent() -> None:
    trees = chain(1, A, B, slots=1)
    trees.add(C, slots=1, hard_limit=False)
    assert trees.join(C) is not None
    assert trees.moving_to(C, S0) == B
    trees.remove(B)
    assert trees.moving_to(C, S0) is None
    trees.check(settled=False)
    assert trees.place(C, S0) is not None
    trees.remove(C)
    trees.check()


def test_a_slot_that_somebody_else_took_is_reserved_no_longer() -> None:
    trees = chain(1, A, slots=1)
    trees.set_slots(A, 1, hard_limit=True)
    for node in (B, C):
        trees.add(node, slots=0, hard_limit=True)
    assert trees.join(B) is not None
    assert trees.moving_to(B, S0) == A
    trees.attach(C, S0, A)
    assert trees.moving_to(B, S0) is None
    trees.check()


def test_a_splice_counts_the_newcomer_and_the_leaf_that_it_displaces() -> None:
    """B serves stripe 1 and takes the leaf A's place at the server proxy (Z25)."""
    trees = Trees(stripes=2)
    enter(trees, A)
    trees.add(B, slots=3, hard_limit=False)
    placements = trees.join(B)
    assert placements is not None
    assert placements[S1].candidates[0].displaced == A
    assert trees.moving_to(A, S1) == B
    trees.attach(B, S1, ROOT)
    trees.attach(B, S0, A)
    assert trees.excess(ROOT) == 1
    trees.check()
    trees.attach(A, S1, B)
    assert trees.excess(ROOT) == 0
    assert trees.path(A, S1) == [ROOT, B, A]
    trees.check()


@pytest.mark.parametrize("leaf_reports_first", [True, False])
def test_a_splice_may_be_reported_in_either_order(leaf_reports_first: bool) -> None:
    trees = Trees(stripes=2)
    enter(trees, A)
    trees.add(B, slots=3, hard_limit=False)
    assert trees.join(B) is not None
    reports = [(A, S1, B), (B, S1, ROOT), (B, S0, A)]
    for report in reports if leaf_reports_first else reports[::-1]:
        trees.attach(*report)
        trees.check()
    assert trees.path(A, S1) == [ROOT, B, A]


@pytest.mark.parametrize("dead", [A, B])
def test_a_splice_in_which_one_side_dies_leaves_legal_trees(dead: NodeId) -> None:
    trees = Trees(stripes=2)
    enter(trees, A)
    trees.add(B, slots=3, hard_limit=False)
    assert trees.join(B) is not None
    trees.attach(B, S1, ROOT)
    trees.remove(dead)
    trees.check()
    (other,) = trees.nodes()
    assert trees.moving_to(other, S1) is None
    assert trees.path(other, S1) == [ROOT, other]


def test_a_newcomer_that_chose_another_parent_frees_the_first_and_its_leaf() -> None:
    trees = Trees(stripes=2)
    for node in (A, B, C):
        enter(trees, node, slots=2)
    trees.add(D, slots=2, hard_limit=False)
    placements = trees.join(D)
    assert placements is not None
    stripe = trees.serves(D)
    assert stripe is not None
    first = placements[stripe].candidates[0]
    trees.release(D, stripe)
    assert all(trees.moving_to(node, stripe) is None for node in (A, B, C))
    trees.attach(D, stripe, first.parent)
    trees.check()


def test_a_full_parent_that_took_one_more_is_told_to_hand_over_a_leaf() -> None:
    """The newcomer was offered another place; the tree supposes what the parent will do (Z20)."""
    trees = Trees(stripes=2)
    for node in (A, B, C):
        enter(trees, node, slots=2)
    parent = next(n for n in (A, B, C) if len(trees.children(n, S1)) == 2)
    leaves = trees.children(parent, S1)
    trees.add(D, slots=2, hard_limit=False)
    assert trees.serves(D) == S1
    trees.attach(D, S1, parent)
    assert trees.excess(parent) == 1
    assert D in {trees.moving_to(leaf, S1) for leaf in leaves}, "at once: it is a legal excess"
    (move,) = [one for one in trees.remedies() if isinstance(one, Move) and one.source == parent]
    assert move.node in leaves
    assert move.placement.candidates[0].parent == D
    assert trees.remedies() == trees.remedies(), "listed until it is reported"
