"""Which of the remedies is given back first (design 5, "Slots run out")."""

import pytest

from common.ids import ROOT, NodeId
from serverproxy.core.tree import Trees
from tests.support.built_trees import S0, S1, moves, one_tree, two_trees

A, B, C, D, E, F = (NodeId(name) for name in "abcdef")


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


def after_the_first_node_died() -> Trees:
    """B and C have resumed at the server proxy, their standby; D, with the most below it, not yet.

    In the simulator (100 nodes, seed 7) the whole tree hung below B and C both, at depth 4.
    """
    rows = [(A, ROOT, 3), (B, A, 3), (C, A, 3), (D, A, 3), (E, B, 3), (F, C, 3)]
    chain = [NodeId(f"d{index}") for index in range(6)]
    trees = one_tree(*rows, *((one, up, 2) for one, up in zip(chain, (D, *chain), strict=False)))
    for node in (B, C, D):
        trees.hold_standby(node, S0, ROOT)
    trees.remove(A)
    for node in (B, C):
        trees.attach(node, S0, ROOT)
    return trees


def test_nobody_is_carried_down_by_who_has_to_leave_a_standby() -> None:
    """D asks the server proxy and is redirected to B or C, wherever these are by then."""
    trees = after_the_first_node_died()
    assert trees.excess(ROOT) == 1
    assert moves(trees) == []
    trees.absent(D, absent=True)
    assert moves(trees) == [(B, ROOT, [C])], "nobody waits for whom nothing can be said to"


def test_who_carries_the_tree_does_not_leave_first() -> None:
    trees = after_the_first_node_died()
    trees.attach(D, S0, B)
    assert moves(trees)[0][:2] == (C, ROOT)


def test_who_carries_the_tree_leaves_where_nobody_else_can() -> None:
    """Two chains of nodes with one slot: the only free one is at the end of the second."""
    first, second = ([NodeId(f"{name}{index}") for index in range(9)] for name in "bc")
    rows = [
        (one, up, 1)
        for chain in (first, second)
        for one, up in zip(chain, (ROOT, *chain), strict=False)
    ]
    trees = one_tree(*rows, (D, first[-1], 0))
    assert trees.excess(ROOT) == 1
    assert moves(trees) == [(first[0], ROOT, [second[-1]])]


def test_a_look_plans_for_a_few_nodes_and_the_others_come_first_at_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A's shared children can go nowhere, however often it is looked at; C has one too many."""
    trees = two_trees(
        (A, S0, 8, ROOT, B),
        (B, S1, 1, A, ROOT),
        (C, S0, 1, A, A),
        (D, S0, 0, C, A),
        (E, S0, 0, C, A),
    )
    monkeypatch.setattr("serverproxy.core.remedies.MOST_UNBURDENED", 1)
    assert moves(trees) == []
    assert moves(trees) == [(D, C, [A])]
