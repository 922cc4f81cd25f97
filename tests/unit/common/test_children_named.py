"""A newcomer whose place the server proxy has named: that of a child with children of its own."""

from common.children import MAX_WAYS, WAY_HOLDS, Admit, Children, Refuse, SendAway
from common.ids import NodeId, Stripe
from tests.support.attach_requests import attach

S0 = Stripe(0)


def full(spare: int = 1) -> Children:
    children = Children(slots=2, spare=spare)
    for node in "ab":
        assert children.ask(attach(node), ()) == Admit()
        children.caught_up(NodeId(node), S0)
    return children


def ask(
    children: Children, node: str, *, displaces: str, slots: int = 2, orphan: bool = False
) -> Admit | SendAway | Refuse:
    """Let the server proxy name a child, and then a node ask for its place."""
    children.make_way(S0, NodeId(node), NodeId(displaces), 0.0)
    return children.ask(attach(node, slots=slots, orphan=orphan), ())


def test_the_child_that_was_named_goes_under_it_once_it_has_caught_up() -> None:
    children = full()
    assert ask(children, "x", displaces="b") == Admit()
    assert children.caught_up(NodeId("x"), S0) == "b"


def test_above_a_hard_limit_the_child_that_was_named_goes_first() -> None:
    children = full(spare=0)
    assert ask(children, "x", displaces="b") == Admit(instead_of=NodeId("b"))
    assert [child.node for child in children.of(S0)] == ["a", "x"]


def test_without_such_a_child_it_is_sent_on_as_before() -> None:
    assert isinstance(ask(full(), "x", displaces="y"), SendAway)
    assert isinstance(full().ask(attach("x"), ()), SendAway)


def test_the_server_proxy_has_said_it_of_one_node_and_once() -> None:
    children = full()
    children.make_way(S0, NodeId("x"), NodeId("b"), 0.0)
    assert isinstance(children.ask(attach("y"), ()), SendAway)
    assert children.ask(attach("x"), ()) == Admit()
    children.gone(NodeId("x"), S0)
    assert isinstance(children.ask(attach("x"), ()), SendAway)


def test_so_many_are_expected() -> None:
    children = full()
    for number in range(MAX_WAYS + 1):
        children.make_way(S0, NodeId(f"n{number}"), NodeId("b"), 0.0)
    assert isinstance(children.ask(attach("n0"), ()), SendAway)
    assert children.ask(attach("n1"), ()) == Admit()


def test_who_comes_long_after_comes_for_its_own_reasons() -> None:
    """The move was given up: nobody is displaced for it any more."""
    children = full(spare=0)
    children.make_way(S0, NodeId("x"), NodeId("b"), 100.0)
    children.make_way(S0, NodeId("y"), NodeId("b"), 101.0)
    children.tick(100.0 + WAY_HOLDS)
    assert isinstance(children.ask(attach("x"), ()), SendAway)
    assert children.ask(attach("y"), ()) == Admit(instead_of=NodeId("b"))


def test_who_can_take_nobody_takes_nobody_s_place() -> None:
    assert isinstance(ask(full(), "x", displaces="b", slots=0), SendAway)


def test_who_serves_another_stripe_takes_the_place_that_was_named() -> None:
    """It takes a child there too, if it has a slot: the server proxy has counted them."""
    children, shared = full(spare=0), attach("x", serve=1)
    assert isinstance(children.ask(shared, ()), SendAway)
    children.make_way(S0, NodeId("x"), NodeId("b"), 0.0)
    assert children.ask(shared, ()) == Admit(instead_of=NodeId("b"))


def test_an_orphan_cannot_have_the_top_of_a_tree_dismissed() -> None:
    """Only a leaf goes before it is needed."""
    root = Children(slots=1, spare=1, per_stripe=True)
    for node in ("top", "x"):
        assert root.ask(attach(node, orphan=True), ()) == Admit()
        root.caught_up(NodeId(node), S0)
    assert isinstance(ask(root, "y", displaces="top", orphan=True), SendAway)
    assert [child.node for child in root.of(S0)] == ["top", "x"]


def test_an_orphan_can_where_the_server_proxy_keeps_no_slot_for_repair() -> None:
    """There is no other way in: no leaf is there, and nothing above its one slot."""
    root = Children(slots=1, spare=0, per_stripe=True)
    assert root.ask(attach("top"), ()) == Admit()
    root.caught_up(NodeId("top"), S0)
    assert isinstance(root.ask(attach("x", orphan=True), ()), SendAway)
    assert ask(root, "y", displaces="top", orphan=True) == Admit(instead_of=NodeId("top"))


def test_the_place_of_a_child_that_is_stalled_is_no_place() -> None:
    children = full(spare=0)
    children.stalled(NodeId("b"), S0, stalled=True)
    assert children.ask(attach("c"), ()) == Admit()
    assert isinstance(ask(children, "x", displaces="b"), SendAway)
