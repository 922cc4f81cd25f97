"""Whom a parent takes, and whom it names, with the policies of `join: redirect`."""

import pytest
from msgspec.structs import replace

from common.attach import Attach
from common.children import Admit, Children, Refuse, SendAway
from common.ids import NodeId, Stripe
from common.policies import AddPolicy, KnockDown, RoundRobin, SmartBandwidth, SmartPlacement
from tests.support.attach_requests import attach, sent_to

S0 = Stripe(0)
A, B, C, D = (NodeId(name) for name in "abcd")
FULL = Refuse("full", "no slot is free, and no child could take you")


def request(
    node: str,
    *,
    slots: int = 2,
    orphan: bool = False,
    visited: tuple[str, ...] = (),
    rtt_us: int | None = None,
) -> Attach:
    return replace(attach(node, slots=slots, orphan=orphan), visited=visited, rtt_us=rtt_us)


def parent(*requests: Attach, policy: AddPolicy, spare: int = 1) -> Children:
    """Return a parent that these have filled up, and that have caught up."""
    children = Children(slots=len(requests), spare=spare, policy=policy)
    for one in requests:
        assert children.ask(one, ()) == Admit()
        assert children.caught_up(NodeId(one.node), S0) is None
    return children


def test_a_free_slot_is_given_before_any_policy_is_asked() -> None:
    children = Children(slots=2, policy=SmartBandwidth())
    assert children.ask(request("a", slots=1), ()) == Admit()
    assert children.ask(request("b", slots=9), ()) == Admit()
    assert children.caught_up(B, S0) is None
    assert children.free(S0) == 0


def test_a_saturated_parent_names_whom_the_policy_says() -> None:
    children = parent(request("a"), request("b"), policy=RoundRobin())
    assert [children.ask(request("c"), ()) for _ in range(3)] == [sent_to(one) for one in "aba"]
    nearest = parent(request("a"), request("b"), policy=SmartPlacement())
    assert nearest.ask(request("c"), ()) == sent_to("a", "b")


def test_nobody_is_sent_where_it_was() -> None:
    children = parent(request("a"), request("b"), policy=RoundRobin())
    assert children.ask(request("c", visited=("a",)), ()) == sent_to("b")
    assert children.ask(request("c", visited=("a",)), ()) == sent_to("b")
    assert children.ask(request("c", visited=("b", "a")), ()) == FULL


def test_an_orphan_is_sent_on_like_a_newcomer_and_one_too_many_where_nobody_is_left() -> None:
    children = parent(request("a"), request("b"), policy=RoundRobin())
    assert children.ask(request("c", orphan=True), ()) == sent_to("a")
    assert children.ask(request("c", orphan=True, visited=("a", "b")), ()) == Admit()
    assert children.free(S0) == -1
    assert children.ask(request("d", orphan=True, visited=("a", "b", "c")), ()) == FULL


def test_in_a_directory_an_orphan_is_one_too_many_at_once() -> None:
    children = Children(slots=1)
    children.ask(request("a"), ())
    assert children.ask(request("b", orphan=True), ()) == Admit()


def test_who_is_nearer_takes_the_place_of_the_farthest_once_it_has_caught_up() -> None:
    near, far = request("a", rtt_us=20_000), request("b", rtt_us=90_000)
    children = parent(near, far, policy=KnockDown())
    assert children.ask(request("c", rtt_us=10_000), ()) == Admit()
    assert children.free(S0) == -1
    assert children.caught_up(C, S0) == B
    assert children.caught_up(C, S0) is None
    children.gone(B, S0)
    assert [child.node for child in children.of(S0)] == [A, C]
    # B comes back, as a newcomer: it is farther than both.
    assert children.ask(request("b", rtt_us=90_000), ()) == sent_to("a", "c")


def test_only_one_place_at_a_time_is_taken() -> None:
    children = parent(request("a", slots=1), request("b", slots=1), policy=SmartBandwidth())
    assert children.ask(request("c", slots=4), ()) == Admit()
    assert isinstance(children.ask(request("d", slots=8), ()), SendAway)
    assert children.caught_up(C, S0) == A
    # Until A has left there are three: the next may come then.
    assert isinstance(children.ask(request("d", slots=8), ()), SendAway)
    children.gone(A, S0)
    assert children.ask(request("d", slots=8), ()) == Admit()
    assert children.caught_up(D, S0) == B


def test_a_child_that_is_gone_before_its_place_was_taken_leaves_its_slot() -> None:
    children = parent(request("a", slots=1), request("b", slots=2), policy=SmartBandwidth())
    assert children.ask(request("c", slots=4), ()) == Admit()
    children.gone(A, S0)
    assert children.caught_up(C, S0) is None
    assert [child.node for child in children.of(S0)] == [B, C]


def test_an_orphan_takes_nobodys_place() -> None:
    children = parent(request("a", slots=1), policy=SmartBandwidth())
    assert children.ask(request("c", slots=9, orphan=True), ()) == sent_to("a")


@pytest.mark.parametrize("fresh", [True, False])
def test_above_a_hard_limit_the_child_goes_first_if_it_has_all_there_is(fresh: bool) -> None:
    children = Children(slots=1, spare=0, policy=SmartBandwidth())
    children.ask(request("a", slots=1), ())
    if fresh:
        children.caught_up(A, S0)
    answer = children.ask(request("b", slots=2), ())
    assert answer == (Admit(instead_of=A) if fresh else sent_to("a"))
    assert [child.node for child in children.of(S0)] == [B if fresh else A]
