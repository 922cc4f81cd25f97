"""The second parent: whom a node holds, and when it asks."""

from itertools import pairwise

import pytest

from clientproxy.core.join import ParentSearch
from clientproxy.core.joining import (
    ANSWER_WAIT,
    ASK_AGAIN,
    RESUME_WAIT,
    STARVED_AFTER,
    STARVED_ASK,
    Ask,
    Command,
    Drop,
    Hold,
    LeaveParent,
    Probe,
    Release,
    Resume,
    Tell,
)
from clientproxy.core.standby import HOLD_AFTER, PASSED_OVER
from common.errors import BadMessageError
from common.fields import Candidate, LostReason, PathEntry
from common.ids import ROOT, NodeId, Stripe
from common.messages import AttachedReport, ParentLost

S0, S1 = Stripe(0), Stripe(1)
A, B, C, D, P = (NodeId(name) for name in "abcdp")
NEWEST = (1000,)


def entry(name: str) -> PathEntry:
    return PathEntry(name, () if name == ROOT else (f"{name}:7855",))


def path(*names: str) -> tuple[PathEntry, ...]:
    return tuple(entry(name) for name in (ROOT, *names))


def ancestor(name: str) -> Candidate:
    return Candidate(name, entry(name).addresses, 0.0, available=False)


def named(name: str) -> Candidate:
    return Candidate(name, entry(name).addresses, 0.0, available=True)


def report(parent: NodeId, lost: NodeId | None = None, reason: LostReason | None = None) -> Tell:
    return Tell(AttachedReport(stripe=0, parent=parent, first=7, lost=lost, reason=reason))


def asked(*tried: str, reason: LostReason = "closed", parent: NodeId | None = P) -> Tell:
    return Tell(ParentLost(stripe=0, parent=parent, reason=reason, newest=NEWEST[0], tried=tried))


def attached(*above: str) -> ParentSearch:
    """Return a search under p, which hangs under `above`."""
    search = ParentSearch(1)
    search.candidates(S0, [named("p")], 1.0, 0.0)
    search.accepted(S0, P, 7)
    assert search.path_told(S0, P, path(*above, "p"), 0.0) == []
    return search


def holding(*above: str, standby: str | None = None) -> ParentSearch:
    """Return the same with its grandparent, or another node, standing by."""
    search = attached(*above)
    if standby is not None:
        search.standby(S0, [named(standby)], 0.0)
    held = standby or (above[-1] if above else ROOT)
    wanted = named(held) if standby else ancestor(held)
    assert search.expire(NEWEST, HOLD_AFTER) == [Hold(S0, wanted)]
    assert search.path_told(S0, NodeId(held), path(), HOLD_AFTER) == []
    assert search.standbys.ready(S0) == wanted
    return search


# --- who stands by


def test_the_grandparent_stands_by_a_little_after_the_parent_is_there() -> None:
    search = attached("b", "a")
    assert search.next_deadline() == HOLD_AFTER
    assert search.expire(NEWEST, HOLD_AFTER - 0.01) == []
    assert search.expire(NEWEST, HOLD_AFTER) == [Hold(S0, ancestor("a"))]


def test_under_the_server_proxy_there_is_nobody_nearer() -> None:
    search = ParentSearch(1)
    search.candidates(S0, [named(ROOT)], 1.0, 0.0)
    search.accepted(S0, ROOT, 7)
    search.path_told(S0, ROOT, path(), 0.0)
    assert search.expire(NEWEST, HOLD_AFTER) == []
    assert search.next_deadline() is None


def test_whom_the_server_proxy_names_comes_first_and_replaces_the_grandparent() -> None:
    search = holding("a")
    search.standby(S0, [named("d")], 5.0)
    assert search.expire(NEWEST, 5.0) == [Hold(S0, named("d"))]
    assert search.path_told(S0, D, path("d"), 5.1) == [Release(S0, A)]
    search.standby(S0, [], 6.0)
    assert search.expire(NEWEST, 6.0) == [Hold(S0, ancestor("a"))]
    assert search.path_told(S0, A, path("a"), 6.1) == [Release(S0, D)]


def test_the_parent_itself_is_no_standby() -> None:
    search = attached("a")
    search.standby(S0, [named("p")], 0.0)
    assert search.expire(NEWEST, HOLD_AFTER) == [Hold(S0, ancestor("a"))]


def test_who_refuses_is_passed_over_for_a_while() -> None:
    search = attached("b", "a")
    search.expire(NEWEST, 1.0)
    assert search.standby_lost(S0, A, 1.0) == []
    assert search.expire(NEWEST, 1.0) == [Hold(S0, ancestor("b"))]
    search.path_told(S0, B, path("b"), 1.1)
    assert search.next_deadline() == 1.0 + PASSED_OVER
    assert search.expire(NEWEST, 1.0 + PASSED_OVER) == [Hold(S0, ancestor("a"))]
    assert search.path_told(S0, A, path("b", "a"), 6.1) == [Release(S0, B)]


def failing(search: ParentSearch, node: NodeId, until: float) -> tuple[list[float], list[Command]]:
    """Let a node refuse when asked; return when that was, and what else was to be done."""
    times, others = list[float](), list[Command]()
    while (due := search.next_deadline()) is not None and due <= until:
        for command in search.expire(NEWEST, due):
            if isinstance(command, Hold) and command.candidate.node == node:
                times.append(due)
                search.standby_lost(S0, node, due)
            else:
                others.append(command)
    return times, others


def test_who_is_ready_stays_while_a_better_one_refuses_ever_more_seldom() -> None:
    search = holding("a")
    search.standby(S0, [named("d")], 10.0)
    times, others = failing(search, D, 300.0)
    pauses = [after - before for before, after in pairwise(times)]
    assert pauses == [5, 10, 20, 40, 60, 60, 60]
    assert others == []
    assert search.standbys.ready(S0) == ancestor("a")
    assert search.ended(S0, P, "closed", 1000, 300.0) == [Resume(S0, A)]


def test_the_parent_dies_while_a_better_standby_is_asked() -> None:
    """The ready one takes over; the other is looked at again, or used as any candidate."""
    search = holding("a")
    search.standby(S0, [named("d")], 10.0)
    assert search.expire(NEWEST, 10.0) == [Hold(S0, named("d"))]
    assert search.ended(S0, P, "closed", 1000, 10.1) == [Resume(S0, A)]
    assert search.sent_on(S0, A, [named("d")], 10.2) == [
        Release(S0, D),
        Ask(S0, named("d"), True, (P, A)),
    ]


def test_who_asks_twice_in_haste_is_not_taken_for_late() -> None:
    search = attached("a")
    search.standby(S0, [named("d")], 1.0)
    assert search.expire(NEWEST, 1.0) == [Hold(S0, named("d"))]
    search.standby(S0, [named("d")], 1.1)
    assert search.expire(NEWEST, 1.1) == []
    assert search.next_deadline() == 1.0 + ANSWER_WAIT
    search.standby(S0, [named("c")], 1.2)
    assert search.expire(NEWEST, 1.2) == [Release(S0, D), Hold(S0, named("c"))]


def test_a_ready_standby_that_is_too_deep_for_the_new_parent_goes() -> None:
    search = holding("b", "a", standby="d")
    search.path_told(S0, D, path("b", "d"), 1.0)
    search.path_told(S0, P, path("p"), 2.0)
    assert search.expire(NEWEST, 2.0 + HOLD_AFTER) == [Release(S0, D), Hold(S0, ancestor(ROOT))]


def test_who_does_not_answer_in_time_is_passed_over() -> None:
    search = attached("b", "a")
    search.expire(NEWEST, 1.0)
    assert search.next_deadline() == 1.0 + ANSWER_WAIT
    late = search.expire(NEWEST, 1.0 + ANSWER_WAIT)
    assert late == [Release(S0, A), Hold(S0, ancestor("b"))]


def test_who_is_not_nearer_to_the_root_is_let_go() -> None:
    """A standby in its own subtree, say: only links to a smaller depth close no cycle."""
    search = attached("a")
    search.standby(S0, [named("d")], 0.0)
    search.expire(NEWEST, 0.0)
    assert search.path_told(S0, D, path("x", "y", "d"), 0.1) == [Release(S0, D)]
    assert search.standbys.held(S0) is None
    assert search.expire(NEWEST, HOLD_AFTER) == [Hold(S0, ancestor("a"))]


def test_a_standby_that_sinks_is_let_go() -> None:
    search = holding("a", standby="d")
    assert search.path_told(S0, D, path("x", "y", "d"), 3.0) == [Release(S0, D)]


def test_a_stripe_that_there_is_not_is_refused() -> None:
    with pytest.raises(BadMessageError, match="stripe 1"):
        ParentSearch(1).standby(Stripe(1), [], 0.0)


# --- the parent's link ends


def test_when_the_parent_dies_the_standby_is_asked_and_nobody_else() -> None:
    search = holding("a")
    assert search.ended(S0, P, "closed", 1000, 9.0) == [Resume(S0, A)]
    assert search.accepted(S0, A, 7) == [report(A, P, "closed")]
    assert search.parent(S0) == A
    assert search.standbys.held(S0) is None


def test_a_standby_that_sends_on_is_followed() -> None:
    search = holding("a")
    search.ended(S0, P, "closed", 1000, 9.0)
    assert search.sent_on(S0, A, [named("p"), named("c")], 9.1) == [
        Ask(S0, named("c"), True, (P, A))
    ]
    assert search.accepted(S0, C, 7) == [report(C, P, "closed")]


def test_a_standby_that_does_not_answer_costs_half_a_second() -> None:
    search = holding("a")
    search.ended(S0, P, "closed", 1000, 9.0)
    assert search.next_deadline() == 9.0 + RESUME_WAIT
    late = search.expire(NEWEST, 9.0 + RESUME_WAIT)
    assert late == [Drop(S0, A), asked("p", "a")]


def test_a_standby_that_dies_with_the_parent_leaves_the_server_proxy() -> None:
    search = holding("a")
    search.standby_lost(S0, A, 9.0)
    assert search.ended(S0, P, "closed", 1000, 9.0) == [asked("p")]


def test_a_standby_that_ends_while_it_is_asked_leaves_the_server_proxy() -> None:
    search = holding("a")
    search.ended(S0, P, "closed", 1000, 9.0)
    search.standby_lost(S0, A, 9.1)
    assert search.expire(NEWEST, 9.1)[-1] == asked("p", "a")


def test_without_the_server_proxy_the_other_ancestors_are_asked() -> None:
    """Parent and grandparent die, and nobody answers ParentLost."""
    search = holding("b", "a")
    search.standby_lost(S0, A, 9.0)
    search.ended(S0, P, "closed", 1000, 9.0)
    alone = [c for c in search.expire(NEWEST, 9.0 + ASK_AGAIN) if not isinstance(c, Hold)]
    probed = {
        c.candidate.node
        for c in alone
        if not isinstance(c, Tell | Resume | Release | Drop) and not isinstance(c, LeaveParent)
    }
    assert probed == {"a", "b", ROOT}


def at_the_top(*, feeds: bool = False, reason: LostReason = "silent") -> list[Command]:
    """Let a child of the server proxy in one stripe, deep in the other, ask it in vain."""
    search = ParentSearch(2, feeds=lambda stripe: feeds and stripe == S0)
    for stripe, parent in ((S0, ROOT), (S1, P)):
        search.candidates(stripe, [Candidate(parent, (), 0.0, available=True)], 1.0, 0.0)
        search.accepted(stripe, parent, 7)
    search.path_told(S0, ROOT, path(), 0.1)
    search.path_told(S1, P, path("a", "p"), 0.1)
    if reason == "closed":
        search.ended(S0, ROOT, reason, 1000, 9.0)
    else:
        search.silent(S0, ROOT, 1000, 9.0, reason)
    commands = search.expire((1000, 1001), 9.0 + ASK_AGAIN)
    return [one for one in commands if not isinstance(one, Hold | Release)]


def test_a_leaf_at_the_top_asks_who_is_above_it_in_another_stripe() -> None:
    """Its way to the server proxy is cut; nobody there has it below, so no cycle is closed."""
    assert at_the_top() == [Probe(S0, ancestor("p")), Probe(S0, ancestor("a"))]


def test_who_has_children_or_whose_server_proxy_is_gone_stays_at_the_top() -> None:
    """Its children can help it; and where the server proxy is gone nobody has the stripe."""
    assert at_the_top(feeds=True) == [asked(ROOT, parent=ROOT, reason="silent")]
    assert at_the_top(reason="closed") == [asked(ROOT, parent=ROOT)]


def test_a_standby_that_is_full_costs_no_wait() -> None:
    """The server proxy is asked at once; the ancestors, where it is known not to answer."""
    for answers in (True, False):
        search = holding("b", "a")
        search.served(8.9, answers=answers)
        search.ended(S0, P, "closed", 1000, 9.0)
        assert search.standby_lost(S0, A, 9.1) == []
        assert search.next_deadline() == 9.1
        at_once = search.expire(NEWEST, 9.1)
        if answers:
            assert at_once == [asked("p", "a")]
        else:
            assert at_once == [Probe(S0, ancestor("b")), Probe(S0, ancestor(ROOT))]


def test_an_answer_of_the_server_proxy_comes_before_the_ancestors() -> None:
    search = holding("b", "a")
    search.standby_lost(S0, A, 9.0)
    search.ended(S0, P, "closed", 1000, 9.0)
    assert search.candidates(S0, [named("c")], 1.0, 9.1) == [Ask(S0, named("c"), True, (P,))]


# --- the parent is silent


def test_a_silent_parent_is_left_only_when_the_standby_delivers() -> None:
    search = holding("a")
    assert search.silent(S0, P, 1000, 9.0) == [Resume(S0, A)]
    assert search.parent(S0) == P
    assert search.accepted(S0, A, 7) == [report(A, P, "silent")]
    assert search.delivered(S0, A) == [LeaveParent(S0, P)]


def test_a_silent_parent_without_standby_is_reported_and_kept() -> None:
    search = attached()
    assert search.silent(S0, P, 1000, 9.0) == [asked("p", reason="silent")]
    assert search.silent(S0, P, 1000, 9.1) == []
    assert search.candidates(S0, [named("c")], 1.0, 9.2) == [Ask(S0, named("c"), True, (P,))]
    search.accepted(S0, C, 7)
    assert search.delivered(S0, C) == [LeaveParent(S0, P)]


def test_a_parent_that_is_heard_again_stays_and_the_server_proxy_is_told() -> None:
    search = attached()
    search.silent(S0, P, 1000, 9.0)
    assert search.heard_again(S0, P, 6) == [report(P)]
    assert search.candidates(S0, [named("c")], 1.0, 9.2) == []
    assert search.heard_again(S0, P, 6) == []


def test_both_fall_silent_and_the_older_parent_still_delivers() -> None:
    search = holding("a")
    search.silent(S0, P, 1000, 9.0)
    search.accepted(S0, A, 7)
    search.ended(S0, A, "closed", 1000, 9.5)
    assert search.parent(S0) == P


def test_a_node_that_is_not_the_parent_may_be_silent() -> None:
    search = holding("a")
    assert search.silent(S0, C, 1000, 9.0) == []


# --- the parent is starved


def starve(
    search: ParentSearch, since: float, until: float, *, silent: bool = False
) -> list[Command]:
    """Let heartbeats of p say that it is starved, ten a second; the standby a is heard, or not."""
    commands: list[Command] = []
    for tenth in range(round((until - since) * 10) + 1):
        now = since + tenth / 10
        if tenth and not silent:
            commands += search.beat(S0, A, 1000, now, starved=False)
        commands += search.beat(S0, P, 1000, now, starved=True)
    return commands


def test_a_starved_parent_is_waited_for() -> None:
    search = holding("a")
    assert starve(search, 9.0, 9.0 + STARVED_AFTER - 0.1) == []
    search.beat(S0, P, 1000, 11.0, starved=False)
    assert starve(search, 12.0, 12.0 + STARVED_AFTER - 0.1) == []


def test_a_parent_that_stays_starved_is_passed_by() -> None:
    search = holding("a")
    assert starve(search, 9.0, 9.1 + STARVED_AFTER) == [Resume(S0, A)]


def test_a_starved_standby_is_not_asked() -> None:
    search = holding("a")
    search.beat(S0, A, 1000, 9.0, starved=True)
    assert starve(search, 9.0, 9.0 + STARVED_AFTER + 0.5, silent=True) == []
    assert starve(search, 11.1, 9.0 + STARVED_ASK, silent=True) == [asked("p", reason="silent")]


def test_a_standby_that_is_silent_as_well_is_not_asked_for_a_starved_parent() -> None:
    """The server proxy is stopped: it is the standby, and what the parent lacks comes from it."""
    search = holding("a")
    search.beat(S0, A, 1000, 8.9, starved=False)
    search.served(8.9, answers=False)
    assert starve(search, 9.0, 9.0 + 2 * STARVED_ASK, silent=True) == []
    search.beat(S0, A, 1000, 17.1, starved=False)
    assert search.beat(S0, P, 1000, 17.2, starved=True) == [Resume(S0, A)]


def test_while_the_server_proxy_does_not_answer_a_starved_parent_is_kept() -> None:
    """What has died may be the server proxy: all would leave trees that work again with it."""
    search = attached("a")
    search.served(8.9, answers=False)
    assert starve(search, 9.0, 9.0 + 3 * STARVED_ASK) == []
    search.served(25.0, answers=True)
    assert starve(search, 25.0, 25.0 + STARVED_ASK - 0.1) == []
    assert starve(search, 25.0 + STARVED_ASK, 25.1 + STARVED_ASK) == [asked("p", reason="silent")]


# --- under the server proxy itself: no standby, but children


def top() -> ParentSearch:
    """Return a search under the server proxy, from which nothing has come since 9.0."""
    search = ParentSearch(1)
    search.candidates(S0, [ancestor(ROOT)], 1.0, 0.0)
    search.accepted(S0, ROOT, 7)
    assert search.path_told(S0, ROOT, path(), 0.0) == []
    assert search.expire(NEWEST, HOLD_AFTER) == []
    assert search.silent(S0, ROOT, 1000, 9.0) == [asked(ROOT, reason="silent", parent=ROOT)]
    return search


def test_who_is_cut_from_the_server_proxy_asks_the_child_that_has_passed_it_by() -> None:
    search = top()
    assert search.left_by(S0, ancestor("c"), 1000, 10.0) == [
        Ask(S0, ancestor("c"), True, (ROOT,)),
    ]
    assert search.accepted(S0, C, 7, now=10.0) == [report(C, ROOT, "silent")]
    assert search.delivered(S0, C) == [LeaveParent(S0, ROOT)]


def test_a_child_that_goes_while_the_parent_is_well_is_not_asked() -> None:
    search = attached()
    assert search.left_by(S0, ancestor("c"), 1000, 8.0) == []
    assert search.silent(S0, P, 1000, 9.0) == [asked("p", reason="silent")]
    assert search.left_by(S0, Candidate("d", (), 0.0, available=False), 1000, 9.1) == []


def test_children_that_go_while_somebody_is_asked_are_asked_after_that() -> None:
    search = top()
    search.left_by(S0, ancestor("c"), 1000, 10.0)
    assert search.left_by(S0, ancestor("d"), 1000, 10.1) == []
    search.failed(S0, C, 10.2)
    assert search.expire(NEWEST, 10.2) == [Ask(S0, ancestor("d"), True, (ROOT, C))]


def test_while_the_server_proxy_does_not_answer_they_are_asked_again() -> None:
    """The first one still hung below this node, or had no slot."""
    search = top()
    search.left_by(S0, ancestor("c"), 1000, 10.0)
    search.failed(S0, C, 10.1)
    assert search.expire(NEWEST, 10.1) == [asked(ROOT, reason="silent", parent=ROOT)]
    assert search.expire(NEWEST, 10.1 + ASK_AGAIN) == [Ask(S0, ancestor("c"), True, (ROOT,))]


def test_they_are_forgotten_once_there_is_a_parent() -> None:
    search = top()
    search.left_by(S0, ancestor("c"), 1000, 10.0)
    search.failed(S0, C, 10.1)
    search.heard_again(S0, ROOT, 1000)
    again = asked(ROOT, reason="silent", parent=ROOT)
    assert search.silent(S0, ROOT, 1000, 12.0) == [again]
    search.expire(NEWEST, 12.0 + ASK_AGAIN)
    search.left_by(S0, ancestor("d"), 1000, 14.0)
    search.accepted(S0, D, 7)
    assert search.silent(S0, D, 1000, 15.0) == [asked(D, reason="silent", parent=D)]


# --- a redirect to the standby


def test_a_redirect_to_the_standby_needs_no_new_link() -> None:
    search = holding("a")
    assert search.redirected(S0, P, [named("a")], 9.0) == [Resume(S0, A)]
    assert search.accepted(S0, A, 7) == [report(A)]
    assert search.delivered(S0, A) == [LeaveParent(S0, P)]


def test_a_redirect_to_who_is_asked_to_stand_by_begins_anew() -> None:
    search = attached("a")
    search.expire(NEWEST, HOLD_AFTER)
    assert search.redirected(S0, P, [named("a")], 1.0) == [
        Release(S0, A),
        Ask(S0, named("a"), False, (P,)),
    ]


# --- what comes in between


def test_a_wish_that_comes_while_the_standby_is_asked_waits() -> None:
    search = holding("a")
    search.ended(S0, P, "closed", 1000, 9.0)
    search.standby(S0, [named("d")], 9.0)
    assert search.expire(NEWEST, 9.01) == []
    assert search.accepted(S0, A, 7) == [report(A, P, "closed")]


def test_who_is_slow_stays_suspected_though_it_is_heard() -> None:
    search = attached()
    search.silent(S0, P, 1000, 9.0, "slow")
    assert search.beat(S0, P, 1000, 9.1, starved=False) == []
    assert search.suspects(S0)
    assert search.candidates(S0, [named("c")], 1.0, 9.2) == [Ask(S0, named("c"), True, (P,))]


def test_a_redirect_while_the_parent_is_suspected_leaves_no_deadline_in_the_past() -> None:
    search = attached()
    search.expire(NEWEST, HOLD_AFTER)
    search.standby_lost(S0, ROOT, HOLD_AFTER)
    search.expire(NEWEST, HOLD_AFTER)
    search.silent(S0, P, 1000, 1.0)
    search.redirected(S0, P, [named("c")], 1.5)
    asked_again = 1.0 + ASK_AGAIN
    search.expire(NEWEST, asked_again)
    deadline = search.next_deadline()
    assert deadline is not None
    assert deadline > asked_again


def test_whom_the_node_is_just_leaving_is_no_refuge() -> None:
    """The parent before is still a link; asking it again and again would turn in a circle."""
    search = holding("a")
    search.silent(S0, P, 1000, 9.0)
    search.accepted(S0, A, 7)
    search.silent(S0, A, 1000, 9.6)
    assert search.candidates(S0, [named("p")], 1.0, 9.7) == []
    deadline = search.next_deadline()
    assert deadline is not None
    assert deadline > 9.7


def test_resume_that_nobody_asked_for_leaves_no_standby_that_is_none() -> None:
    search = holding("a")
    assert search.accepted(S0, A, 7) == [LeaveParent(S0, A)]
    assert search.standbys.held(S0) is None
