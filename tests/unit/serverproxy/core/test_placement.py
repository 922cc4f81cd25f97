"""Where newcomers and orphans go, and what is done when slots run out (Z9, Z18-Z20, Z25, Z29)."""

from collections.abc import Sequence

from common.ids import ROOT, NodeId, Stripe
from serverproxy.core.tree import Move, Placement, Policy, ServeNow, Trees

S0, S1 = Stripe(0), Stripe(1)
A, B, C, D, E, F = (NodeId(name) for name in "abcdef")


def hang(trees: Trees, node: NodeId, stripe: Stripe, parent: NodeId) -> None:
    trees.attach(node, stripe, parent)


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
    placement = trees.place(D, S0)
    assert parents(placement) == [B]
    assert placement is not None
    assert not placement.candidates[0].settled


def test_whom_the_node_tried_it_does_not_get_again() -> None:
    trees = one_tree((A, ROOT, 3), (B, A, 3), (C, A, 3))
    trees.add(D, slots=0, hard_limit=True)
    assert parents(trees.place(D, S0, avoid=[A])) == [B, C]
    assert parents(trees.place(D, S0, avoid=[A, B, ROOT])) == [C]
    assert trees.place(D, S0, avoid=[A, B, C, ROOT]) is None


def test_a_full_node_with_a_hard_limit_is_never_asked_for_one_more() -> None:
    """The newcomer uses a repair slot, and gives it back by taking the other under it (Z29)."""
    trees = Trees(stripes=1)
    for node, parent, slots in ((A, ROOT, 1), (B, A, 0)):
        trees.add(node, slots=slots, hard_limit=True)
        trees.attach(node, S0, parent)
    trees.add(C, slots=1, hard_limit=True)
    placements = trees.join(C)
    assert placements is not None
    assert parents(placements[S0]) == [ROOT]
    trees.attach(C, S0, ROOT)
    trees.check()
    assert moves(trees) == [(A, ROOT, [C])]
    trees.attach(A, S0, C)
    assert moves(trees) == []
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
    assert parents(trees.place(E, S0, avoid=[C])) == [A]
    trees.attach(E, S0, A)
    assert (B, A, [C]) in moves(trees)


def test_a_leaf_does_not_shut_a_subtree_out_of_the_server_proxy() -> None:
    trees = one_tree((A, ROOT, 2), (B, A, 0), (C, A, 1), (D, C, 0))
    orphans = trees.remove(A)
    assert orphans == [(C, S0), (B, S0)]
    assert trees.place(B, S0) is None
    assert parents(trees.place(C, S0)) == [ROOT]
    trees.attach(C, S0, ROOT)
    assert parents(trees.place(B, S0)) == [C]


# --- slots run out


def test_a_node_without_children_serves_the_stripe_that_has_no_slot() -> None:
    """C serves stripe 0 and is not needed there; the newcomer D gets in under it in stripe 1."""
    trees = two_trees((A, S0, 3, ROOT, B), (B, S1, 2, A, ROOT), (C, S0, 2, A, B))
    trees.add(D, slots=0, hard_limit=True)
    placements = trees.join(D)
    assert placements is not None
    assert placements[S1].serve == C
    assert parents(placements[S1]) == [C]
    assert trees.serves(C) == S1
    trees.check()


def test_a_join_that_fails_changes_nobody() -> None:
    trees = two_trees((A, S0, 1, ROOT, B), (B, S1, 1, A, ROOT))
    trees.add(C, slots=0, hard_limit=True)
    assert trees.join(C) is None
    assert trees.moving_to(C, S0) is None
    assert trees.moving_to(C, S1) is None
    assert (trees.serves(A), trees.serves(B)) == (S0, S1)


def test_a_stripe_that_is_short_gets_a_node_whose_children_were_moved_first() -> None:
    """Serve comes when the last child has left."""
    trees = two_trees(
        (A, S0, 3, ROOT, B),
        (B, S1, 2, A, ROOT),
        (C, S0, 3, A, B),
        (D, S0, 3, A, C),
        (E, S0, 3, C, C),
        (F, S0, 3, D, C),
    )
    trees.serve(E, S0)
    trees.attach(E, S0, D)
    for node in (E, F):
        trees.set_slots(node, 0, hard_limit=True)
    assert trees.serves(C) == S0
    due = trees.remedies()
    assert ServeNow(C, S1) in due
    trees.check()


def test_a_node_with_leaves_yields_them_and_then_serves_the_short_stripe() -> None:
    trees = two_trees(
        (A, S0, 6, ROOT, B),
        (B, S1, 1, A, ROOT),
        (C, S0, 3, A, ROOT),
        (D, S0, 0, A, A),
        (E, S0, 0, C, A),
    )
    told: list[ServeNow] = []
    for _ in range(10):
        due = trees.remedies()
        told += [one for one in due if isinstance(one, ServeNow)]
        for one in due:
            if isinstance(one, Move):
                trees.attach(one.node, one.stripe, one.placement.candidates[0].parent)
    assert told == [ServeNow(C, S1)]
    assert trees.parent(E, S0) == A
    trees.check()


def test_shared_children_are_given_back_at_the_first_free_slot() -> None:
    trees = two_trees((A, S0, 4, ROOT, ROOT))
    trees.add(B, slots=0, hard_limit=True)
    placements = trees.join(B)
    assert placements is not None
    assert placements[S1].shared
    assert not placements[S0].shared
    hang(trees, B, S0, A)
    hang(trees, B, S1, A)
    assert trees.shared(A) == 1
    trees.add(C, slots=2, hard_limit=False)
    placements = trees.join(C)
    assert placements is not None
    hang(trees, C, S0, A)
    hang(trees, C, S1, ROOT)
    assert moves(trees) == [(A, ROOT, [C]), (B, A, [C])]
    hang(trees, A, S1, C)
    hang(trees, B, S1, C)
    assert (trees.shared(A), moves(trees)) == (0, [])
    trees.check()


def test_the_last_repair_slot_is_kept_for_who_can_take_others() -> None:
    """Two nodes that nobody can reach would else shut everybody out."""
    trees = Trees(stripes=2)
    results = []
    for node, slots in ((A, 0), (B, 0), (C, 3)):
        trees.add(node, slots=slots, hard_limit=not slots)
        placements = trees.join(node)
        results.append(placements is not None)
        if placements is None:
            trees.remove(node)
            continue
        for stripe in (S0, S1):
            trees.attach(node, stripe, placements[stripe].candidates[0].parent)
        for one in trees.remedies():
            if isinstance(one, Move):
                trees.attach(one.node, one.stripe, one.placement.candidates[0].parent)
    assert results == [True, False, True]
    trees.check()


def test_the_server_proxy_sends_more_copies_where_it_is_told_so() -> None:
    trees = Trees(stripes=1, children_per_stripe=3)
    for node in (A, B, C):
        trees.add(node, slots=2, hard_limit=False)
        assert parents(trees.place(node, S0)) == [ROOT]
        trees.attach(node, S0, ROOT)
    trees.check()


# --- depth


def test_a_tree_deeper_than_it_need_be_is_lowered_move_by_move() -> None:
    names = [NodeId(f"n{index}") for index in range(12)]
    rows = [(name, above, 2) for name, above in zip(names, (ROOT, *names), strict=False)]
    trees = one_tree(*rows)
    assert trees.tree_depth(S0) == 12
    for _ in range(30):
        for one in trees.remedies():
            assert isinstance(one, Move)
            trees.attach(one.node, one.stripe, one.placement.candidates[0].parent)
        trees.check()
    assert trees.tree_depth(S0) <= 6


def test_the_papers_policy_grows_deeper_trees() -> None:
    """A free slot first, wherever it is: with two slots each a chain (S33)."""

    def depth(policy: Policy) -> int:
        trees = Trees(stripes=2, policy=policy)
        for index in range(60):
            node = NodeId(f"n{index}")
            trees.add(node, slots=2, hard_limit=False)
            placements = trees.join(node)
            assert placements is not None
            for stripe, placement in placements.items():
                trees.attach(node, stripe, placement.candidates[0].parent)
            for one in trees.remedies():
                if isinstance(one, Move):
                    trees.attach(one.node, one.stripe, one.placement.candidates[0].parent)
        trees.check()
        return max(trees.tree_depth(S0), trees.tree_depth(S1))

    assert depth("shallow") <= 7
    assert depth("zebra") >= 20
