"""A newcomer whose place the server proxy has named: that of a child with children of its own."""

from msgspec.structs import replace

from common.children import Admit, Children, SendAway
from common.ids import NodeId, Stripe
from common.messages import Attach
from tests.support.attach_requests import attach

S0 = Stripe(0)


def request(
    node: str, *, displaces: str | None = None, slots: int = 2, orphan: bool = False
) -> Attach:
    return replace(attach(node, slots=slots, orphan=orphan), displaces=displaces)


def full(spare: int = 1) -> Children:
    children = Children(slots=2, spare=spare)
    for node in "ab":
        assert children.ask(request(node), ()) == Admit()
        children.caught_up(NodeId(node), S0)
    return children


def test_the_child_that_was_named_goes_under_it_once_it_has_caught_up() -> None:
    children = full()
    assert children.ask(request("x", displaces="b"), ()) == Admit()
    assert children.caught_up(NodeId("x"), S0) == "b"


def test_above_a_hard_limit_the_child_that_was_named_goes_first() -> None:
    children = full(spare=0)
    assert children.ask(request("x", displaces="b"), ()) == Admit(dismiss=NodeId("b"))
    assert [child.node for child in children.of(S0)] == ["a", "x"]


def test_without_such_a_child_it_is_sent_on_as_before() -> None:
    for named in (None, "y"):
        assert isinstance(full().ask(request("x", displaces=named), ()), SendAway)


def test_who_can_take_nobody_takes_nobody_s_place() -> None:
    assert isinstance(full().ask(request("x", displaces="b", slots=0), ()), SendAway)


def test_an_orphan_cannot_have_the_top_of_a_tree_dismissed() -> None:
    """Whoever has the key of the group can name any child: only a leaf goes before it is needed."""
    root = Children(slots=1, spare=1, per_stripe=True)
    for node in ("top", "x"):
        assert root.ask(request(node, orphan=True), ()) == Admit()
        root.caught_up(NodeId(node), S0)
    assert isinstance(root.ask(request("y", displaces="top", orphan=True), ()), SendAway)
    assert [child.node for child in root.of(S0)] == ["top", "x"]


def test_the_place_of_a_child_that_is_stalled_is_no_place() -> None:
    children = full(spare=0)
    children.stalled(NodeId("b"), S0, stalled=True)
    assert children.ask(request("c"), ()) == Admit()
    assert isinstance(children.ask(request("x", displaces="b"), ()), SendAway)
