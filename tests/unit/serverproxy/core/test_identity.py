"""Who may come back under an id."""

from common.ids import NodeId
from serverproxy.core.identity import REMEMBERED, NodeIds


def test_an_id_is_given_once_and_known_by_its_nonce() -> None:
    ids = NodeIds("tag")
    first, second = ids.give("secret"), ids.give("other")
    assert first != second
    assert ids.gave(first, "secret")
    assert not ids.gave(first, "other")
    assert not ids.gave(NodeId("n3"), "secret")


def test_only_so_many_are_remembered_the_longest_unused_goes_first() -> None:
    ids = NodeIds("tag")
    first, second = ids.give("a"), ids.give("b")
    for _ in range(REMEMBERED - 2):
        ids.give("x")
    assert ids.gave(first, "a")
    ids.give("y")
    assert ids.gave(first, "a")
    assert not ids.gave(second, "b")
