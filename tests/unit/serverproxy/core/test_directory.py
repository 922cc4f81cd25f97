"""Whom nodes are told to hold ready (S27)."""

from collections.abc import Sequence

import pytest

from common.fields import LostReason, StripeState
from common.ids import ROOT, NodeId, Stripe
from common.messages import AttachedReport, Standby
from serverproxy.core import directory
from serverproxy.core.members import Command, ControlLost, Joined, Rejoined, Send, Told
from serverproxy.core.membership import SETTLE_EVERY, Membership
from serverproxy.core.redirection import RedirectMembership
from serverproxy.core.tree import Trees

S0 = Stripe(0)
TREE = {"a": ROOT, "b": "a", "c": "a", "d": "b", "e": "b", "f": "b", "g": "c"}
"""One stripe, which all serve: node and parent."""

Named = dict[str, list[str]]


class Tree:
    """A membership with `TREE`."""

    def __init__(self, kind: type[Membership] = Membership) -> None:
        self.trees = Trees(stripes=1)
        self.core = kind(self.trees, stripes=1, away_grace=10.0)
        self.now = 0.0
        for name, parent in TREE.items():
            state = StripeState(S0, True, parent, (), 0)
            self.core.handle(
                Rejoined(
                    node=NodeId(name), addresses=(f"{name}:1",), max_children=4, stripes=(state,)
                ),
                self.now,
            )
        for member in self.core.members.values():
            member.inherits.clear()  # no process before this one has named anybody
        self.now = 10.0

    def attach(
        self, name: str, parent: str, lost: str | None = None, reason: LostReason | None = None
    ) -> None:
        report = AttachedReport(stripe=S0, parent=parent, first=0, lost=lost, reason=reason)
        self.core.handle(Told(NodeId(name), report), self.now)

    def settle(self) -> Named:
        self.now += SETTLE_EVERY
        self.trees.check(settled=False)
        return named(self.core.expire(self.now))


def named(commands: Sequence[Command]) -> Named:
    return {
        c.node: [one.node for one in c.message.candidates]
        for c in commands
        if isinstance(c, Send) and isinstance(c.message, Standby)
    }


def test_who_has_its_grandparent_needs_no_naming() -> None:
    """b, d and g are the first of their parents' children; c has nobody but the server proxy."""
    told = Tree().settle()
    assert set(told) == {"e", "f"}
    assert told["e"] != told["f"]
    assert [one for names in told.values() for one in names if one not in {"c", ROOT}] == []


def test_nobody_is_told_twice() -> None:
    tree = Tree()
    assert tree.settle()
    assert tree.settle() == tree.settle() == {}


def test_what_a_death_costs_is_in_proportion_to_the_children_of_the_dead() -> None:
    tree = Tree()
    tree.settle()
    for name in ("d", "e", "f"):
        tree.attach(name, "c", "b", "closed")
    tree.core.handle(ControlLost(NodeId("b")), tree.now)
    told = tree.settle() | tree.settle()
    assert set(told) <= {"d", "e", "f", "g"}
    for name, names in told.items():
        assert "b" not in names, f"{name} holds a dead node"


def test_a_suspect_is_nobodys_standby() -> None:
    tree = Tree()
    tree.attach("g", "b", "c", "silent")
    assert ["c"] not in tree.settle().values()


def test_so_many_are_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "STANDBYS_AT_ONCE", 2)
    tree = Tree()
    looks = [tree.settle() for _ in range(5)]
    assert max(map(len, looks)) <= 2
    assert {name for look in looks for name in look} == {"e", "f"}


def test_who_comes_back_is_told_again() -> None:
    """What was said while its control link was dying may have been lost."""
    tree = Tree()
    told = tree.settle()["e"]
    tree.core.handle(ControlLost(NodeId("e")), tree.now)
    state = StripeState(S0, True, "b", (), 0)
    commands = tree.core.handle(
        Rejoined(node=NodeId("e"), addresses=("e:1",), max_children=4, stripes=(state,)), tree.now
    )
    assert named(commands) == {"e": told}


def test_with_join_redirect_the_delete_policy_says_it() -> None:
    assert Tree(RedirectMembership).settle() == {}


def test_a_newcomer_is_told_once_it_hangs() -> None:
    tree = Tree()
    tree.settle()
    node = NodeId("x")
    tree.core.handle(Joined(node=node, addresses=("x:1",), max_children=4), tree.now)
    assert "x" not in tree.settle()
    tree.attach("x", "b")
    assert tree.settle()["x"]


def test_whom_an_earlier_process_has_named_a_node_does_not_hold_for_ever() -> None:
    """Who comes back is told once, whoever it is; whose parent is the server proxy, at once."""
    tree = Tree()
    for name, parent in (("a", ROOT), ("d", "b")):
        state = StripeState(S0, True, parent, (), 0)
        tree.core.handle(ControlLost(NodeId(name)), tree.now)
        tree.core.members[NodeId(name)].inherits.add(S0)
        event = Rejoined(
            node=NodeId(name), addresses=(f"{name}:1",), max_children=4, stripes=(state,)
        )
        said = named(tree.core.handle(event, tree.now))
        assert said == ({"a": []} if name == "a" else {})
    assert tree.settle()["d"] == [], "its grandparent is on the path that it knows"
    assert "d" not in tree.settle()


def test_who_comes_back_to_a_new_process_may_hold_somebody() -> None:
    core = Membership(Trees(stripes=1), stripes=1, away_grace=10.0)
    state = StripeState(S0, True, ROOT, (), 0)
    event = Rejoined(node=NodeId("a"), addresses=("a:1",), max_children=4, stripes=(state,))
    assert named(core.handle(event, 0.0)) == {"a": []}
