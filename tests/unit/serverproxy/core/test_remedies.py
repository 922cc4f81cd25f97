"""What is done when slots run out, and where a tree is too deep (Z29, Z30, S33)."""

from common.ids import ROOT, NodeId
from serverproxy.core.tree import Move, Policy, ServeNow, Trees
from tests.support.built_trees import S0, S1, moves, one_tree, parents, two_trees

A, B, C, D, E, F = (NodeId(name) for name in "abcdef")


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


def test_a_node_that_served_for_a_join_that_failed_serves_what_it_did() -> None:
    """D could make room in stripe 0, but in stripe 1 all slots are in a detached subtree."""
    trees = two_trees(
        (A, S0, 3, ROOT, ROOT), (B, S1, 4, A, ROOT), (C, S0, 0, A, B), (D, S1, 1, A, ROOT)
    )
    trees.attach(A, S1, B)
    trees.detach(B, S1)
    trees.add(E, slots=0, hard_limit=True)
    assert trees.join(E) is None
    assert trees.serves(D) == S1
    assert trees.moving_to(E, S0) is None


def test_a_newcomer_with_a_slot_to_spare_shares_it_rather_than_be_refused() -> None:
    """C serves stripe 0; in stripe 1 it takes the place of the leaf A, and A under it."""
    trees = two_trees((A, S0, 1, ROOT, B), (B, S1, 1, A, ROOT))
    assert trees.add(C, slots=2, hard_limit=False) == S0
    placements = trees.join(C)
    assert placements is not None
    (one,) = placements[S1].candidates
    assert (one.parent, one.displaced, placements[S1].shared) == (B, A, True)
    for stripe, placement in placements.items():
        trees.attach(C, stripe, placement.candidates[0].parent)
    for node, _, (target, *_) in moves(trees):
        trees.attach(node, S0 if node == B else S1, target)
    assert trees.shared(C) == 1
    trees.check()


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
    trees.attach(B, S0, A)
    trees.attach(B, S1, A)
    assert trees.shared(A) == 1
    trees.add(C, slots=2, hard_limit=False)
    placements = trees.join(C)
    assert placements is not None
    trees.attach(C, S0, A)
    trees.attach(C, S1, ROOT)
    assert moves(trees) == [(A, ROOT, [C]), (B, A, [C])]
    trees.attach(A, S1, C)
    trees.attach(B, S1, C)
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
