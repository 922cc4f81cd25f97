"""Who may come back under an id."""

import pytest

from common.ids import ROOT, NodeId
from serverproxy.core import identity
from serverproxy.core.identity import REMEMBERED, NodeIds, tag_of


def test_an_id_is_given_once_and_known_by_its_nonce() -> None:
    ids = NodeIds("tag", ())
    first, second = ids.give("secret"), ids.give("other")
    assert first != second
    assert ids.gave(first, "secret")
    assert not ids.gave(first, "other")
    assert not ids.gave(NodeId("n3"), "secret")


def test_only_so_many_are_remembered_the_longest_unused_goes_first() -> None:
    ids = NodeIds("tag", ())
    first, second = ids.give("a"), ids.give("b")
    for _ in range(REMEMBERED - 2):
        ids.give("x")
    assert ids.gave(first, "a")
    ids.give("y")
    assert ids.gave(first, "a")
    assert not ids.gave(second, "b")


def test_who_is_here_is_known_however_many_others_come(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who stays longest is the longest unused too: a node comes back only when its link breaks."""
    monkeypatch.setattr(identity, "REMEMBERED", 4)
    here = set[NodeId]()
    ids = NodeIds("tag", here)
    nodes = [ids.give("a") for _ in range(3)]
    here.update(nodes)
    others = [ids.give("x") for _ in range(9)]
    assert all(ids.gave(node, "a") for node in nodes)
    assert [node for node in others if ids.gave(node, "x")] == others[-1:]
    here.remove(nodes[0])
    ids.give("x")
    ids.give("x")
    assert [ids.gave(node, "a") for node in nodes] == [False, True, True]
    here.update(ids.give("b") for _ in range(4))
    assert ids.gave(nodes[1], "a")


def test_another_process_gives_other_ids() -> None:
    """Whoever joins it before the nodes of the old one are back takes nobody's."""
    instance = 1_795_239_291_857_510
    tags = {tag_of(instance + 100_000 * tenths) for tenths in range(1000)}
    assert len(tags) == 1000
    assert not {NodeIds(tag, ()).give("x") for tag in tags} & {
        NodeIds(tag_of(instance - 100_000), ()).give("x")
    }


def test_an_id_of_another_process_belongs_to_the_first_that_says_so() -> None:
    ids = NodeIds("new", ())
    old = NodeId("n7-old")
    assert ids.claim(old, "secret")
    assert ids.claim(old, "secret"), "it comes back once more"
    assert not ids.claim(old, "other")
    assert ids.gave(old, "secret")


def test_nobody_is_the_server_proxy() -> None:
    assert not NodeIds("new", ()).claim(ROOT, "secret")


def test_an_id_that_somebody_has_is_not_given() -> None:
    ids = NodeIds("new", ())
    assert ids.claim(NodeId("n1-new"), "liar")
    assert ids.give("honest") == "n2-new"


def test_to_ask_whether_an_id_may_be_claimed_binds_nothing() -> None:
    ids, old = NodeIds("new", ()), NodeId("n1-old")
    assert ids.may_claim(old, "liar")
    assert ids.claim(old, "secret")
    assert not ids.may_claim(old, "liar")
    assert not ids.may_claim(ROOT, "secret")
