"""Whom a parent takes."""

import pytest
from msgspec.structs import replace

from common.attach import Attach
from common.children import MAX_STANDBYS, Admit, Children, Refuse
from common.fields import MAX_CANDIDATES, Candidate, ServeFrame
from common.ids import NodeId, Stripe
from tests.support.attach_requests import attach, sent_to

S0, S1 = Stripe(0), Stripe(1)
A, B, C, D, E = (NodeId(name) for name in "abcde")


def request(
    node: str,
    *,
    stripe: int = 0,
    serve: int | None = None,
    slots: int = 2,
    orphan: bool = False,
    reachable: bool = True,
) -> Attach:
    return replace(
        attach(node, serve=serve, slots=slots, orphan=orphan, reachable=reachable), stripe=stripe
    )


def interior(node: str, *, stripe: int = 0, orphan: bool = False) -> Attach:
    return request(node, stripe=stripe, serve=stripe, orphan=orphan)


def names(children: Children, stripe: Stripe = S0) -> list[NodeId]:
    return [child.node for child in children.of(stripe)]


def parent(*requests: Attach, slots: int = 2, spare: int = 1) -> Children:
    """Return a parent that has taken these."""
    children = Children(slots=slots, spare=spare)
    for one in requests:
        assert children.ask(one, ()) == Admit()
    return children


# --- rule 1: free slots


def test_a_free_slot_is_given_to_whoever_asks() -> None:
    children = parent(request("a"), request("b", reachable=False), slots=2)
    assert names(children) == [A, B]
    assert children.free(S0) == 0


def test_slots_are_shared_by_all_stripes() -> None:
    children = parent(request("a"), request("b", stripe=1), slots=3)
    assert children.free(S0) == children.free(S1) == 1
    assert (names(children, S0), names(children, S1)) == ([A], [B])
    assert [child.node for child in children] == [A, B]


def test_the_server_proxy_has_slots_in_each_stripe() -> None:
    children = Children(slots=1, per_stripe=True)
    assert children.ask(request("a"), ()) == Admit()
    assert children.ask(request("a", stripe=1), ()) == Admit()
    assert children.free(S0) == children.free(S1) == 0


def test_a_child_that_asks_again_is_counted_once() -> None:
    children = parent(request("a"), slots=1)
    assert children.ask(interior("a"), ()) == Admit()
    assert children.free(S0) == 0
    assert children.target(A, S0) == Candidate("a", ("a:7855",), 0.0, available=True)


def test_an_ancestor_is_refused() -> None:
    children = Children(slots=2)
    decision = children.ask(request("a"), {NodeId("root"), A})
    assert isinstance(decision, Refuse)
    assert decision.reason == "loop"
    assert names(children) == []


def test_a_child_that_is_gone_frees_its_slot() -> None:
    children = parent(request("a"), slots=1)
    children.gone(A, S1)
    assert names(children) == [A]
    children.gone(A, S0)
    children.gone(A, S0)
    assert children.free(S0) == 1
    assert children.target(A, S0) is None


# --- rule 2: splices


def test_a_newcomer_that_serves_takes_the_place_of_the_oldest_leaf_once_it_has_caught_up() -> None:
    children = parent(request("a"), request("b"))
    assert children.ask(interior("c"), ()) == Admit()
    assert children.free(S0) == -1
    assert children.caught_up(A, S0) is None
    assert children.caught_up(C, S0) == A
    assert children.caught_up(C, S0) is None
    children.gone(A, S0)
    assert children.free(S0) == 0


def test_a_leaf_that_lags_is_not_handed_to_a_newcomer_that_never_had_what_it_lacks() -> None:
    """The newcomer is asked again at each heartbeat, and the first leaf that has all goes."""
    children = parent(request("a"), request("b"), interior("c"))
    assert children.caught_up(C, S0) is None
    assert children.caught_up(B, S0) is None
    assert children.caught_up(C, S0) == B


def test_a_child_that_does_not_splice_displaces_nobody() -> None:
    children = parent(request("a"), request("b"))
    assert children.caught_up(A, S0) is None
    assert children.caught_up(E, S0) is None


def test_nobody_is_sent_away_when_a_slot_has_come_free_meanwhile() -> None:
    children = parent(request("a"), request("b"), interior("c"))
    children.gone(B, S0)
    assert children.caught_up(C, S0) is None
    assert names(children) == [A, C]


def test_nobody_is_sent_away_when_no_leaf_is_left() -> None:
    children = parent(request("a"), request("b", stripe=1), interior("c"))
    children.gone(A, S0)
    children.ask(interior("d"), ())
    assert children.caught_up(C, S0) is None


def test_a_second_newcomer_is_redirected_to_the_first() -> None:
    children = parent(request("a"), request("b"), interior("c"))
    assert children.ask(interior("d"), ()) == sent_to("c")


def test_a_leaf_that_was_redirected_and_stayed_may_be_asked_again() -> None:
    children = parent(request("a"), interior("b"), interior("c"))
    children.caught_up(A, S0)
    assert children.caught_up(C, S0) == A
    children.gone(B, S0)
    assert children.ask(interior("d"), ()) == sent_to("c")
    children.stayed(A, S0)
    children.stayed(E, S0)
    assert children.ask(interior("e"), ()) == Admit()
    assert children.caught_up(E, S0) == A


def test_a_newcomer_without_an_address_or_for_another_stripe_splices_nothing() -> None:
    children = parent(request("a"), request("b"))
    for one in (
        request("c", serve=0, reachable=False),
        request("c", serve=1),
        request("c", serve=0, slots=0),
        request("c"),
    ):
        decision = children.ask(one, ())
        assert isinstance(decision, Refuse)
        assert decision.reason == "full"


def test_above_a_hard_limit_the_leaf_goes_first() -> None:
    children = parent(request("a"), request("b"), spare=0)
    assert isinstance(children.ask(interior("c"), ()), Refuse), "no leaf has all there is"
    children.caught_up(A, S0)
    assert children.ask(interior("c"), ()) == Admit(instead_of=A)
    assert names(children) == [B, C]
    assert children.free(S0) == 0


def test_above_a_hard_limit_nobody_comes_in_where_there_is_no_leaf() -> None:
    children = parent(interior("a"), interior("b"), spare=0)
    assert children.ask(interior("c", orphan=True), ()) == sent_to("a", "b")
    assert children.free(S0) == 0


def test_a_limit_that_a_user_sets_or_lifts_holds_from_then_on() -> None:
    children = parent(interior("a"), interior("b"))
    children.limit(hard=True)
    assert children.ask(request("c", orphan=True), ()) == sent_to("a", "b")
    children.limit(hard=False)
    assert children.ask(request("c", orphan=True), ()) == Admit()


# --- rule 3: orphans


def test_an_orphan_may_be_the_excess() -> None:
    children = parent(interior("a"), interior("b"))
    assert children.ask(request("c", orphan=True), ()) == Admit()
    assert children.free(S0) == -1
    assert children.ask(request("d", orphan=True), ()) == sent_to("a", "b")


def test_leaves_at_the_server_proxy_do_not_keep_a_tree_out() -> None:
    """Two leaves were quicker: all others hang below the one that comes now."""
    children = Children(slots=1, spare=1, per_stripe=True)
    for leaf in (A, B):
        assert children.ask(request(leaf, orphan=True), ()) == Admit()
    tree = interior(C, orphan=True)
    assert isinstance(children.ask(tree, ()), Refuse), "neither leaf has what the tree may lack"
    children.caught_up(B, S0)
    assert isinstance(children.ask(interior(D), ()), Refuse), "a newcomer can go elsewhere"
    assert isinstance(children.ask(request(E, orphan=True), ()), Refuse), "a leaf can help nobody"
    assert children.ask(tree, ()) == Admit(instead_of=B)
    assert names(children) == [A, C]


def test_a_node_without_slots_takes_nobody() -> None:
    decision = Children(slots=0).ask(request("a", orphan=True), ())
    assert isinstance(decision, Refuse)
    assert decision.reason == "full"


@pytest.mark.parametrize("spare", [1, 2, 3])
def test_no_more_are_taken_than_there_are_to_spare(spare: int) -> None:
    children = parent(request("a"), slots=1, spare=spare)
    for at in range(10):
        children.ask(request(f"n{at}", orphan=True), ())
    assert children.free(S0) == -spare


def test_slots_that_were_taken_away_are_not_filled() -> None:
    children = parent(interior("a"), request("b"), slots=2)
    children.slots = 1
    assert children.ask(interior("c", orphan=True), ()) == sent_to("a")


# --- rule 4: redirects


def test_others_are_sent_to_the_children_that_serve_this_stripe() -> None:
    children = parent(interior("a"), request("b"), interior("c", stripe=1), slots=3)
    assert children.ask(request("d"), ()) == sent_to("a")


def test_others_are_refused_where_no_child_serves() -> None:
    children = parent(request("a"), request("b"))
    assert isinstance(children.ask(request("c"), ()), Refuse)


def test_a_redirect_names_no_more_targets_than_a_message_may() -> None:
    """With an eleventh the message would be refused, and the newcomer with it."""
    children = parent(*(interior(f"n{at}") for at in range(40)), slots=40)
    decision = children.ask(request("x"), ())
    assert decision == sent_to(*(f"n{at}" for at in range(MAX_CANDIDATES)))


def test_a_child_is_a_target_of_the_stripe_that_it_hangs_in() -> None:
    children = parent(interior("a"))
    assert children.target(A, S0) == Candidate("a", ("a:7855",), 0.0, available=True)
    assert children.target(A, S1) is None


# --- rule 5: standbys


def test_a_standby_takes_no_slot_until_it_resumes() -> None:
    children = parent(request("a"))
    assert children.hold(request("b"), ()) == Admit()
    assert children.free(S0) == 1
    assert children.resume(B, S0, ()) == Admit()
    assert children.free(S0) == 0
    assert names(children) == [A, B]


def test_a_standby_that_resumes_may_be_one_too_many_but_not_above_a_hard_limit() -> None:
    full = (interior("a"), interior("b"))
    children = parent(*full)
    children.hold(request("c"), ())
    assert children.resume(C, S0, ()) == Admit()
    children.hold(request("d"), ())
    assert children.resume(D, S0, ()) == sent_to("a", "b")
    limited = parent(*full, spare=0)
    limited.hold(request("c"), ())
    assert limited.resume(C, S0, ()) == sent_to("a", "b")
    assert limited.resume(C, S0, ()) == sent_to("a", "b"), "it stays a standby"


def test_nobody_stands_by_for_an_ancestor_or_a_child() -> None:
    children = parent(request("a"))
    assert isinstance(children.hold(request("b"), {B}), Refuse)
    assert isinstance(children.hold(request("a"), ()), Refuse)
    children.hold(request("c"), ())
    answer = children.resume(C, S0, {C})
    assert isinstance(answer, Refuse)
    assert answer.reason == "loop"


def test_standbys_are_bounded_and_an_end_makes_room() -> None:
    children = parent()
    for number in range(MAX_STANDBYS):
        assert children.hold(request(f"s{number}"), ()) == Admit()
    assert children.hold(request("s0"), ()) == Admit(), "the same one again"
    refused = children.hold(request("late"), ())
    assert isinstance(refused, Refuse)
    assert refused.reason == "full"
    children.gone(NodeId("s0"), S0)
    assert children.hold(request("late"), ()) == Admit()


def test_a_standby_that_attaches_is_none_any_more() -> None:
    children = parent()
    children.hold(request("a"), ())
    children.ask(request("a"), ())
    children.gone(A, S0)
    assert children.hold(request("a"), ()) == Admit()


# --- what a child says of itself later


def test_a_child_that_serves_the_stripe_now_is_somebody_to_send_others_to() -> None:
    children = parent(request("a"), slots=1, spare=0)
    assert isinstance(children.ask(request("b"), ()), Refuse)
    children.served(A, S0, ServeFrame(0, 2, ("a:7855",)))
    assert children.ask(request("b"), ()) == sent_to("a")
    children.served(A, S0, ServeFrame(1, 2, ("a:7855",)))
    assert isinstance(children.ask(request("b"), ()), Refuse)


def test_a_standby_resumes_as_what_it_serves_by_then() -> None:
    children = parent(request("a"), slots=1)
    children.hold(request("b"), ())
    children.served(B, S0, ServeFrame(0, 2, ("b:7855",)))
    assert children.resume(B, S0, ()) == Admit()
    assert children.caught_up(A, S0) is None
    assert children.caught_up(B, S0) == A, "it has slots now, and takes the leaf's place"


def test_who_is_unknown_says_nothing() -> None:
    parent().served(A, S0, ServeFrame(0, 2, ("a:7855",)))


# --- rule 6: children that are stalled


def test_the_slot_of_a_stalled_child_is_free_and_nobody_is_sent_to_it() -> None:
    children = parent(interior("a"), interior("b"), spare=0)
    assert children.stalled(A, S0, stalled=True) == []
    assert children.ask(request("c", orphan=True), ()) == Admit()
    assert children.ask(request("d", orphan=True), ()) == sent_to("b")


def test_a_stalled_child_that_goes_on_has_its_slot_or_is_sent_elsewhere() -> None:
    children = parent(interior("a"), interior("b"), spare=0)
    children.stalled(A, S0, stalled=True)
    assert children.stalled(A, S0, stalled=False) == []
    children.stalled(A, S0, stalled=True)
    children.ask(request("c"), ())
    assert children.stalled(A, S0, stalled=False) == list(sent_to("b").targets)
    assert children.stalled(NodeId("x"), S0, stalled=True) == []


def test_a_stalled_leaf_has_no_slot_to_give_away() -> None:
    children = parent(request("a"), slots=1, spare=0)
    children.caught_up(A, S0)
    children.stalled(A, S0, stalled=True)
    assert children.ask(request("b"), ()) == Admit()
    assert isinstance(children.ask(interior("c"), ()), Refuse), "b has not all there is"
    children.caught_up(B, S0)
    assert children.ask(interior("c"), ()) == Admit(instead_of=B)
    assert children.free(S0) == 0


# --- leaving


def test_who_leaves_sends_no_two_children_to_each_other() -> None:
    children = parent(request("a"), interior("b"), interior("c"), slots=3)
    above = Candidate("up", ("up:1",), 0.0, available=False)
    b, c = sent_to("b", "c").targets
    assert children.farewell(S0, [above]) == [
        (B, (above,)),
        (C, (above, b)),
        (A, (above, b, c)),
    ]
    assert children.farewell(S1, [above]) == []


def test_a_stalled_child_that_comes_back_on_another_link_needs_a_slot() -> None:
    children = parent(interior("a"), interior("b"), spare=0)
    children.stalled(A, S0, stalled=True)
    children.ask(request("c"), ())
    assert children.ask(interior("a"), ()) == sent_to("b")
