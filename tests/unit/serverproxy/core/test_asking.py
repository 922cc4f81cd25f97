"""In which order nodes are asked for moves (Z34; design 5, "Depth")."""

from common.ids import ROOT, NodeId
from common.messages import Redirect
from serverproxy.core.asking import MAX_ASKED, Asking
from serverproxy.core.members import Command, Send
from serverproxy.core.tree import Move, Trees
from tests.support.built_trees import S0, one_tree

A, B, C, D, E = (NodeId(name) for name in "abcde")


def asking_for_two_moves() -> tuple[Trees, Asking]:
    """C shall rise from B to A, and D, which hangs below A, go under C."""
    trees = one_tree((A, ROOT, 3), (B, A, 3), (C, B, 3), (D, A, 3), (E, D, 3))
    assert trees.place(C, S0, avoid=[ROOT, B, D, E])
    assert trees.place(D, S0, avoid=[ROOT, A, B, E])
    assert [trees.moving_to(node, S0) for node in (C, D)] == [A, C]
    return trees, Asking(trees, redirect)


def redirect(move: Move) -> list[Command]:
    return [Send(move.node, Redirect(stripe=S0, parent=move.source, targets=()))]


def moves(trees: Trees) -> list[Move]:
    return [one for one in trees.remedies() if isinstance(one, Move) and one.node in {C, D}]


def asked(commands: list[Command]) -> list[NodeId]:
    return [one.node for one in commands if isinstance(one, Send)]


def test_who_shall_go_under_a_node_waits_until_that_has_come() -> None:
    """It would hang below B else, with all that hangs below it."""
    trees, asking = asking_for_two_moves()
    assert asked(asking.ask(moves(trees))) == [C]
    assert asking.arrived(C, S0) == []
    trees.attach(C, S0, A)
    assert asked(asking.arrived(C, S0)) == [D]
    assert asking.arrived(C, S0) == []
    assert asked(asking.ask(moves(trees))) == [D]


def test_who_waits_stays_where_the_other_does_not_come() -> None:
    trees, asking = asking_for_two_moves()
    for _ in range(MAX_ASKED):
        assert asked(asking.ask(moves(trees))) == [C]
    assert asking.ask(moves(trees)) == []
    assert [trees.moving_to(node, S0) for node in (C, D)] == [None, None]
    trees.check()


def test_who_waits_stays_where_the_other_goes_elsewhere() -> None:
    trees, asking = asking_for_two_moves()
    asking.ask(moves(trees))
    trees.attach(C, S0, E)
    assert asking.arrived(C, S0) == []
    assert trees.moving_to(D, S0) is None
    trees.check()


def test_nobody_is_asked_who_has_gone_meanwhile() -> None:
    trees, asking = asking_for_two_moves()
    asking.ask(moves(trees))
    trees.attach(C, S0, A)
    trees.remove(D)
    assert asking.arrived(C, S0) == []


def test_who_shall_have_the_slot_of_a_leaf_waits_until_that_has_left() -> None:
    """A and B have as many children as their users allow; C goes up to A when E has left it."""
    trees = one_tree((A, ROOT, 2), (B, A, 2), (E, A, 0), (C, B, 2), (D, B, 2))
    assert trees.place(E, S0, avoid=[ROOT, B, C])
    assert trees.place(C, S0, avoid=[ROOT, B, D])
    for node in (A, B):
        trees.set_slots(node, 2, hard_limit=True)
    assert [trees.moving_to(node, S0) for node in (E, C)] == [D, A]
    due = [one for one in trees.remedies() if isinstance(one, Move) and one.node in {C, E}]
    asking = Asking(trees, redirect)
    assert asked(asking.ask(due)) == [E]
    trees.attach(E, S0, D)
    assert asked(asking.arrived(E, S0)) == [C]
