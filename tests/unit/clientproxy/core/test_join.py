"""Finding a parent for each stripe, as dialogues: what happens, and what is to be done."""

import random

import pytest

from clientproxy.core.join import ParentSearch
from clientproxy.core.joining import (
    ANSWER_WAIT,
    ASK_AGAIN,
    PROBE_WAIT,
    Ask,
    Command,
    Drop,
    LeaveParent,
    Probe,
    Tell,
)
from common.attach import ProbeReply
from common.errors import BadMessageError
from common.fields import MAX_REDIRECTS, Candidate, LostReason
from common.ids import ROOT, NodeId, Stripe
from common.messages import AttachedReport, ParentLost

S0, S1 = Stripe(0), Stripe(1)
A, B, C, D = (NodeId(name) for name in "abcd")
NEWEST = (1000, 1001)


def node(name: str) -> Candidate:
    return Candidate(name, (f"{name}:7855",), 0.0, available=True)


def nodes(*names: str) -> list[Candidate]:
    return [node(name) for name in names]


def reply(delay: float = 0.0, *stripes: int) -> ProbeReply:
    return ProbeReply(stripes=stripes or (0, 1), newest=1, delay=delay, free_slots=1)


def ask(name: str, *visited: str, orphan: bool = False, stripe: Stripe = S0) -> Ask:
    return Ask(stripe, node(name), orphan, tuple(NodeId(one) for one in visited))


def report(
    parent: NodeId,
    first: int = 7,
    *,
    lost: NodeId | None = None,
    reason: LostReason | None = None,
) -> Tell:
    return Tell(AttachedReport(stripe=0, parent=parent, first=first, lost=lost, reason=reason))


def lost(
    parent: NodeId | None, *tried: str, reason: LostReason = "closed", stripe: Stripe = S0
) -> Tell:
    newest = NEWEST[stripe]
    return Tell(ParentLost(stripe=stripe, parent=parent, reason=reason, newest=newest, tried=tried))


def attached(parent: str = "a", stripes: int = 1) -> ParentSearch:
    """Return a search that has found a parent for stripe 0."""
    search = ParentSearch(stripes)
    assert search.candidates(S0, nodes(parent), 1.0, 0.0) == [ask(parent)]
    assert search.accepted(S0, NodeId(parent), 7) == [report(NodeId(parent))]
    return search


def moving(search: ParentSearch, to: str, now: float = 1.0) -> None:
    """Redirect to another parent, which accepts and has delivered nothing yet."""
    parent = search.parent(S0)
    assert parent is not None
    assert search.redirected(S0, parent, nodes(to), now) == [ask(to, parent)]
    search.accepted(S0, NodeId(to), 7)


# --- rule 1: probes


def test_all_candidates_are_probed_at_once() -> None:
    search = ParentSearch(1)
    assert search.candidates(S0, nodes("a", "b", "c"), 1.0, 0.0) == [
        Probe(S0, node("a")),
        Probe(S0, node("b")),
        Probe(S0, node("c")),
    ]
    assert not search.attached


def test_a_candidate_that_is_named_twice_is_probed_once() -> None:
    """The second link would replace the first, which nobody would close."""
    search = ParentSearch(1)
    assert search.candidates(S0, nodes("a", "b", "a"), 1.0, 0.0) == [
        Probe(S0, node("a")),
        Probe(S0, node("b")),
    ]


def test_the_nearest_is_asked_when_all_have_answered() -> None:
    search = ParentSearch(1)
    search.candidates(S0, nodes("a", "b", "c"), 1.0, 0.0)
    assert search.probed(S0, A, reply(0.05), 0.08, 0.08) == []
    assert search.probed(S0, B, reply(0.07), 0.01, 0.08) == []
    assert search.probed(S0, C, reply(0.0), 0.2, 0.08) == [ask("b")]
    assert search.accepted(S0, B, 7) == [Drop(S0, A), Drop(S0, C), report(B)]
    assert search.attached
    assert search.parent(S0) == B


def test_of_equals_the_first_to_answer_is_asked() -> None:
    search = ParentSearch(1)
    search.candidates(S0, nodes("a", "b"), 1.0, 0.0)
    search.probed(S0, B, reply(), 0.01, 0.01)
    assert search.probed(S0, A, reply(), 0.01, 0.01) == [ask("b")]


def test_who_has_answered_in_time_is_chosen_from() -> None:
    search = ParentSearch(1)
    search.candidates(S0, nodes("a", "b", "c"), 1.0, 0.0)
    search.probed(S0, A, reply(), 0.05, 0.05)
    search.probed(S0, B, reply(), 0.04, 0.05)
    assert search.next_deadline() == PROBE_WAIT
    assert search.expire(NEWEST, 0.05) == []
    assert search.expire(NEWEST, PROBE_WAIT) == [ask("b")]
    assert search.accepted(S0, B, 7) == [Drop(S0, C), Drop(S0, A), report(B)]


def test_on_a_slow_network_the_first_answer_is_taken() -> None:
    search = ParentSearch(1)
    search.candidates(S0, nodes("a", "b"), 1.0, 0.0)
    assert search.next_deadline() == ANSWER_WAIT
    assert search.expire(NEWEST, 0.2) == []
    assert search.probed(S0, A, reply(), 0.3, 0.3) == [ask("a")]


def test_an_answer_behind_the_choice_is_kept_for_later() -> None:
    search = ParentSearch(1)
    search.candidates(S0, nodes("a", "b"), 1.0, 0.0)
    search.probed(S0, A, reply(), 0.3, 0.3)
    assert search.probed(S0, B, reply(), 0.4, 0.4) == []
    assert search.failed(S0, A, 0.5) == [ask("b", "a")]


def test_an_answer_behind_the_end_of_a_search_is_nothing() -> None:
    search = attached()
    assert search.probed(S0, B, reply(), 0.1, 1.0) == []
    assert search.failed(S0, B, 1.0) == []
    assert search.sent_on(S0, B, nodes("c"), 1.0) == []


def test_an_answer_that_comes_twice_counts_once() -> None:
    search = ParentSearch(1)
    search.candidates(S0, nodes("a", "b"), 1.0, 0.0)
    search.probed(S0, A, reply(5.0), 0.01, 0.01)
    assert search.probed(S0, A, reply(0.0), 0.01, 0.01) == []
    assert search.probed(S0, B, reply(1.0), 0.01, 0.01) == [ask("b")]


def test_a_single_candidate_is_asked_without_a_probe() -> None:
    assert ParentSearch(1).candidates(S0, nodes("a"), 1.0, 0.0) == [ask("a")]


def test_a_candidate_without_the_stripe_is_dropped() -> None:
    search = ParentSearch(2)
    search.candidates(S0, nodes("a", "b"), 1.0, 0.0)
    assert search.probed(S0, A, reply(0.0, 1), 0.01, 0.01) == [Drop(S0, A)]
    assert search.probed(S0, B, reply(9.0, 0), 0.01, 0.02) == [ask("b", "a")]


def test_a_negative_delay_is_no_advantage() -> None:
    search = ParentSearch(1)
    search.candidates(S0, nodes("a", "b"), 1.0, 0.0)
    search.probed(S0, A, reply(-1e9), 0.02, 0.02)
    assert search.probed(S0, B, reply(0.0), 0.01, 0.02) == [ask("b")]


def test_each_stripe_has_its_own_search() -> None:
    search = ParentSearch(2)
    search.candidates(S0, nodes("a"), 1.0, 0.0)
    assert search.candidates(S1, nodes("a"), 1.0, 0.0) == [ask("a", stripe=S1)]
    search.accepted(S0, A, 7)
    assert not search.attached
    search.accepted(S1, A, 8)
    assert search.attached


# --- rule 2: refusals and redirects


def test_who_refuses_is_passed_over() -> None:
    search = ParentSearch(1)
    search.candidates(S0, nodes("a", "b", "c"), 1.0, 0.0)
    search.probed(S0, A, reply(0.1), 0.01, 0.01)
    search.probed(S0, B, reply(0.2), 0.01, 0.01)
    assert search.failed(S0, C, 0.02) == [ask("a", "c")]
    assert search.failed(S0, A, 0.03) == [ask("b", "c", "a")]


def test_when_all_have_failed_the_server_is_asked_naming_them() -> None:
    search = ParentSearch(1)
    search.candidates(S0, nodes("a", "b"), 1.0, 0.0)
    assert search.failed(S0, A, 0.1) == []
    assert search.failed(S0, B, 0.2) == []
    assert search.next_deadline() == 0.2
    assert search.expire(NEWEST, 0.2) == [lost(None, "a", "b", reason="refused")]
    assert search.next_deadline() == 0.2 + ASK_AGAIN


def test_who_has_asked_the_server_proxy_asks_as_an_orphan() -> None:
    """It was placed as one: parents must agree."""
    search = ParentSearch(1)
    (first,) = search.candidates(S0, nodes("a"), 1.0, 0.0)
    search.failed(S0, A, 0.1)
    search.expire(NEWEST, 0.1)
    (second,) = search.candidates(S0, nodes("b"), 1.0, 0.2)
    assert isinstance(first, Ask)
    assert isinstance(second, Ask)
    assert (first.orphan, second.orphan) == (False, True)


def test_nodes_that_have_failed_are_tried_again_only_after_a_pause() -> None:
    """A server that names the same again must not be asked at the speed of the network."""
    search = ParentSearch(1)
    search.candidates(S0, nodes("a"), 1.0, 0.0)
    search.failed(S0, A, 0.1)
    assert search.expire(NEWEST, 0.1) == [lost(None, "a", reason="refused")]
    assert search.candidates(S0, nodes("a"), 0.7, 0.2) == []
    assert search.next_deadline() == pytest.approx(0.9)
    assert search.expire(NEWEST, 0.9) == [lost(None, reason="refused")]
    assert search.candidates(S0, nodes("a"), 1.0, 1.0) == [ask("a", orphan=True)]


def test_who_does_not_answer_a_probe_is_dropped() -> None:
    search = ParentSearch(1)
    search.candidates(S0, nodes("a", "b"), 1.0, 0.0)
    assert search.expire(NEWEST, ANSWER_WAIT - 0.01) == []
    assert search.expire(NEWEST, ANSWER_WAIT) == [
        Drop(S0, A),
        Drop(S0, B),
        lost(None, "a", "b", reason="refused"),
    ]


def test_who_does_not_answer_attach_is_dropped_for_the_next() -> None:
    search = ParentSearch(1)
    search.candidates(S0, nodes("a", "b"), 1.0, 0.0)
    search.probed(S0, A, reply(0.1), 0.01, 0.01)
    search.probed(S0, B, reply(0.2), 0.01, 1.0)
    assert search.next_deadline() == 1.0 + ANSWER_WAIT
    assert search.expire(NEWEST, 1.0 + ANSWER_WAIT) == [Drop(S0, A), ask("b", "a")]
    assert search.accepted(S0, A, 7) == [LeaveParent(S0, A)]
    assert search.parent(S0) is None
    assert search.accepted(S0, B, 7) == [report(B)]


def test_a_timer_that_comes_very_late_still_chooses_among_the_answers() -> None:
    search = ParentSearch(1)
    search.candidates(S0, nodes("a", "b"), 1.0, 0.0)
    search.probed(S0, A, reply(), 0.01, 0.01)
    assert search.expire(NEWEST, 60.0) == [Drop(S0, B), ask("a", "b")]


def test_a_redirect_adds_its_targets() -> None:
    search = ParentSearch(1)
    search.candidates(S0, nodes("a"), 1.0, 0.0)
    assert search.sent_on(S0, A, nodes("b", "c"), 0.1) == [
        Probe(S0, node("b")),
        Probe(S0, node("c")),
    ]
    search.probed(S0, B, reply(0.2), 0.01, 0.11)
    assert search.probed(S0, C, reply(0.1), 0.01, 0.11) == [ask("c", "a")]


def test_the_only_target_of_a_redirect_is_asked_at_once() -> None:
    search = ParentSearch(1)
    search.candidates(S0, nodes("a"), 1.0, 0.0)
    assert search.sent_on(S0, A, nodes("b"), 0.1) == [ask("b", "a")]


def test_targets_have_their_own_time_to_answer() -> None:
    search = ParentSearch(1)
    search.candidates(S0, nodes("a"), 1.0, 0.0)
    late = ANSWER_WAIT - 0.01
    search.sent_on(S0, A, nodes("b", "c"), late)
    assert search.expire(NEWEST, ANSWER_WAIT + 0.1) == []
    assert search.probed(S0, B, reply(), 0.2, ANSWER_WAIT + 0.2) == [ask("b", "a")]


def test_no_node_is_asked_twice() -> None:
    search = ParentSearch(1)
    search.candidates(S0, nodes("a"), 1.0, 0.0)
    search.sent_on(S0, A, nodes("b"), 0.1)
    assert search.sent_on(S0, B, nodes("a"), 0.2) == []
    assert search.expire(NEWEST, 0.2) == [lost(None, "a", "b", reason="refused")]


def test_a_redirect_of_somebody_who_was_not_asked_is_nothing() -> None:
    search = ParentSearch(1)
    search.candidates(S0, nodes("a"), 1.0, 0.0)
    assert search.sent_on(S0, B, nodes("c"), 0.1) == []
    assert search.accepted(S0, A, 7) == [report(A)]


def test_a_chain_of_16_redirects_is_followed_and_then_the_server_is_asked() -> None:
    search = ParentSearch(1)
    search.candidates(S0, nodes("n0"), 1.0, 0.0)
    for at in range(MAX_REDIRECTS):
        (command,) = search.sent_on(S0, NodeId(f"n{at}"), nodes(f"n{at + 1}"), 0.1 * at)
        assert isinstance(command, Ask)
        assert command.candidate == node(f"n{at + 1}")
        assert len(command.visited) == min(at + 1, MAX_REDIRECTS)
    assert search.sent_on(S0, NodeId("n16"), nodes("n17"), 2.0) == []
    told = [f"n{at}" for at in range(1, 17)]
    assert search.expire(NEWEST, 2.0) == [lost(None, *told, reason="refused")]


# --- rule 3: make before break


def test_the_old_parent_is_left_when_the_new_one_delivers() -> None:
    search = attached("a")
    assert search.redirected(S0, A, nodes("b"), 1.0) == [ask("b", "a")]
    assert search.parent(S0) == A
    assert search.accepted(S0, B, 7) == [report(B)]
    assert search.delivered(S0, A) == []
    assert search.delivered(S0, B) == [LeaveParent(S0, A)]
    assert search.delivered(S0, B) == []


def test_the_nearest_target_of_a_redirect_is_taken() -> None:
    search = attached("a")
    assert search.redirected(S0, A, nodes("b", "c"), 1.0) == [
        Probe(S0, node("b")),
        Probe(S0, node("c")),
    ]
    search.probed(S0, B, reply(0.2), 0.01, 1.01)
    assert search.probed(S0, C, reply(0.1), 0.01, 1.01) == [ask("c", "a")]


def test_a_redirect_that_is_not_from_the_parent_is_ignored() -> None:
    search = attached("a")
    assert search.redirected(S0, B, nodes("c"), 1.0) == []
    assert ParentSearch(1).redirected(S0, B, nodes("c"), 1.0) == []


def test_a_second_redirect_while_the_first_is_followed_is_ignored() -> None:
    search = attached("a")
    search.redirected(S0, A, nodes("b"), 1.0)
    assert search.redirected(S0, A, nodes("c"), 1.1) == []


def test_a_redirect_to_nobody_or_to_the_parent_itself_is_nothing() -> None:
    search = attached("a")
    assert search.redirected(S0, A, [], 1.0) == []
    assert search.redirected(S0, A, nodes("a"), 1.0) == []
    assert search.parent(S0) == A
    assert search.next_deadline() is None


def test_the_parent_is_kept_when_no_target_takes_the_node() -> None:
    search = attached("a")
    search.redirected(S0, A, nodes("b"), 1.0)
    assert search.failed(S0, B, 1.1) == []
    assert search.parent(S0) == A
    assert search.next_deadline() is None
    assert search.ended(S0, A, "closed", NEWEST[0], 9.0) == [lost(A, "a")]


def test_the_old_parent_dies_first() -> None:
    search = attached("a")
    moving(search, "b")
    assert search.ended(S0, A, "closed", 1000, 2.0) == []
    assert search.parent(S0) == B
    assert search.delivered(S0, B) == []


def test_the_new_parent_dies_before_it_delivers() -> None:
    search = attached("a")
    moving(search, "b")
    assert search.ended(S0, B, "closed", 1000, 2.0) == [report(A, first=1001)]
    assert search.parent(S0) == A
    assert search.ended(S0, A, "closed", 1000, 3.0) == [lost(A, "a")]


def test_the_parent_dies_while_a_target_is_asked() -> None:
    search = attached("a")
    search.redirected(S0, A, nodes("b"), 1.0)
    assert search.ended(S0, A, "silent", 1000, 1.1) == []
    assert search.parent(S0) is None
    assert search.accepted(S0, B, 7) == [report(B, lost=A, reason="silent")]
    assert search.delivered(S0, B) == []


def test_the_parent_dies_while_a_target_is_asked_that_then_refuses() -> None:
    search = attached("a")
    search.redirected(S0, A, nodes("b", "c"), 1.0)
    search.probed(S0, B, reply(), 0.01, 1.01)
    search.ended(S0, A, "silent", 1000, 1.02)
    assert search.probed(S0, C, reply(), 0.02, 1.03) == [ask("b", "a", orphan=True)]
    assert search.failed(S0, B, 1.1) == [ask("c", "a", "b", orphan=True)]
    search.failed(S0, C, 1.2)
    assert search.expire(NEWEST, 1.2) == [lost(A, "a", "b", "c", reason="silent")]


def test_who_is_moved_on_before_the_new_parent_delivers_keeps_the_one_that_does() -> None:
    """Else the link with the first parent would stay for ever: nobody would say bye to it."""
    search = attached("a")
    moving(search, "b")
    assert search.redirected(S0, B, nodes("c"), 2.0) == [ask("c", "b")]
    assert search.accepted(S0, C, 7) == [LeaveParent(S0, B), report(C)]
    assert search.delivered(S0, C) == [LeaveParent(S0, A)]


def test_nobody_is_redirected_to_the_parent_that_he_is_leaving() -> None:
    """Attach would go out on the link that carries its frames."""
    search = attached("a")
    moving(search, "b")
    assert search.redirected(S0, B, nodes("a"), 2.0) == []
    assert search.redirected(S0, B, nodes("a", "c"), 2.0) == [ask("c", "b")]


# --- rule 4: a lost parent


def test_a_lost_parent_is_reported_and_an_orphan_asks_as_one() -> None:
    search = attached("a")
    assert search.ended(S0, A, "silent", 1000, 5.0) == [lost(A, "a", reason="silent")]
    assert search.parent(S0) is None
    assert search.candidates(S0, nodes("a", "b"), 1.0, 5.1) == [ask("b", "a", orphan=True)]
    assert search.accepted(S0, B, 7) == [report(B, lost=A, reason="silent")]
    assert search.ended(S0, B, "closed", 1000, 6.0) == [lost(B, "b")]


def test_asking_is_repeated_with_a_pause() -> None:
    search = attached("a")
    search.ended(S0, A, "closed", 1000, 5.0)
    for turn in range(1, 100):
        at = 5.0 + turn * ASK_AGAIN
        assert search.next_deadline() == at
        assert search.expire(NEWEST, at - 0.01) == []
        assert search.expire(NEWEST, at) == [lost(A, "a")]


def test_no_candidates_means_ask_again_when_told() -> None:
    search = ParentSearch(1)
    assert search.candidates(S0, [], 3.0, 10.0) == []
    assert search.next_deadline() == 13.0
    assert search.expire(NEWEST, 13.0) == [lost(None, reason="refused")]


def test_a_pause_of_nothing_is_still_a_pause() -> None:
    search = ParentSearch(1)
    search.candidates(S0, [], 0.0, 10.0)
    assert search.next_deadline() == 10.05


def test_candidates_that_come_twice_begin_one_search() -> None:
    search = ParentSearch(1)
    assert len(search.candidates(S0, nodes("a", "b"), 1.0, 0.0)) == 2
    assert search.candidates(S0, nodes("a", "b"), 1.0, 0.1) == []
    assert search.candidates(S0, [], 1.0, 0.1) == []


def test_candidates_for_a_stripe_with_a_parent_are_nothing() -> None:
    assert attached("a").candidates(S0, nodes("b"), 1.0, 1.0) == []


def test_the_end_of_a_link_that_is_no_parent_is_nothing() -> None:
    search = attached("a")
    assert search.ended(S0, B, "closed", 1000, 1.0) == []
    assert search.parent(S0) == A


def test_whose_yes_could_not_be_taken_is_passed_over_at_once() -> None:
    """It said from which number on it has the stream, and that was absurd: its link has ended."""
    search = ParentSearch(1)
    search.candidates(S0, nodes("a", "b"), 1.0, 0.0)
    search.probed(S0, A, reply(), 0.001, 0.001)
    assert search.probed(S0, B, reply(), 0.002, 0.002) == [ask("a")]
    assert search.ended(S0, A, "closed", 1000, 0.1) == [ask("b", "a")]


def test_the_word_of_a_parent_that_nobody_asked_is_declined() -> None:
    search = ParentSearch(1)
    assert search.accepted(S0, ROOT, 7) == [LeaveParent(S0, ROOT)]
    search.candidates(S0, nodes("a"), 1.0, 0.0)
    assert search.accepted(S0, B, 7) == [LeaveParent(S0, B)]
    assert search.accepted(S0, A, 7) == [report(A)]


def test_what_lacks_a_parent_is_reported_when_the_control_link_is_up_again() -> None:
    search = attached("a", stripes=2)
    assert search.ask_again(NEWEST, 5.0) == [lost(None, reason="refused", stripe=S1)]
    search.candidates(S1, nodes("a"), 1.0, 5.1)
    assert search.ask_again(NEWEST, 5.2) == []


@pytest.mark.parametrize("stripe", [2, 15])
def test_a_stripe_that_there_is_not_is_refused(stripe: int) -> None:
    search = ParentSearch(2)
    with pytest.raises(BadMessageError, match=f"stripe {stripe} of a channel that has 2"):
        search.candidates(Stripe(stripe), nodes("a"), 1.0, 0.0)
    with pytest.raises(BadMessageError):
        search.redirected(Stripe(stripe), A, nodes("a"), 0.0)


# --- whatever happens


def happen(
    dice: random.Random, search: ParentSearch, links: set[NodeId], now: float
) -> list[Command]:
    """Let something happen that a network may do to the links that there are."""
    names = [f"n{at}" for at in range(6)]
    some = nodes(*dice.choices(names, k=dice.randrange(4)))
    one = dice.choice(sorted(links)) if links else NodeId("n0")
    events = [
        lambda: search.candidates(S0, some, dice.random(), now),
        lambda: search.redirected(S0, search.parent(S0) or one, some, now),
        lambda: search.probed(S0, one, reply(dice.random()), dice.random(), now),
        lambda: search.failed(S0, one, now) if one != search.parent(S0) else [],
        lambda: search.sent_on(S0, one, some, now),
        lambda: search.ended(S0, one, "closed", 1000, now),
        lambda: search.delivered(S0, one),
        lambda: search.expire(NEWEST, now),
    ]
    return dice.choice(events)()


@pytest.mark.parametrize("seed", range(50))
def test_whatever_happens_the_search_goes_on_and_its_timer_never_spins(seed: int) -> None:
    dice, search = random.Random(seed), ParentSearch(1)
    links: set[NodeId] = set()
    now, asked = 0.0, list[NodeId]()
    search.ask_again(NEWEST, now)
    for _ in range(400):
        now += dice.random()
        commands = happen(dice, search, links, now)
        if asked and dice.random() < 0.5:
            commands = [*commands, *search.accepted(S0, asked.pop(), 7)]
        commands += search.expire(NEWEST, now)
        for command in commands:
            match command:
                case Probe(_, candidate):
                    assert NodeId(candidate.node) != search.parent(S0)
                    links.add(NodeId(candidate.node))
                case Ask(_, candidate):
                    links.add(NodeId(candidate.node))
                    asked = [NodeId(candidate.node)]
                case Drop(_, name) | LeaveParent(_, name):
                    assert name != search.parent(S0)
                    links.discard(name)
                case _:
                    pass
        deadline = search.next_deadline()
        assert deadline is None or deadline > now
        assert deadline is not None or search.parent(S0) is not None


def test_a_parent_that_lacks_what_the_node_needs_is_passed_over_twice_then_taken() -> None:
    """Another may still have it: first the other candidates, then the server proxy is asked."""
    search = ParentSearch(1)
    search.candidates(S0, nodes("a"), 1.0, 0.0)
    assert search.accepted(S0, A, 50, hole=20, now=0.1) == [Drop(S0, A)]
    assert search.parent(S0) is None
    assert search.expire(NEWEST, 0.1) == [lost(None, "a", reason="refused")]
    assert search.candidates(S0, nodes("b"), 1.0, 0.2) == [ask("b", "a", orphan=True)]
    assert search.accepted(S0, B, 50, hole=20, now=0.3) == [Drop(S0, B)]
    search.expire(NEWEST, 0.3)
    search.candidates(S0, nodes("c"), 1.0, 0.4)
    assert search.accepted(S0, C, 50, hole=20, now=0.5) == [report(C, 50)]
    assert search.parent(S0) == C


def test_a_move_to_a_parent_that_lacks_something_is_given_up() -> None:
    """Make before break: the old parent still has it."""
    search = attached("a")
    search.redirected(S0, A, nodes("b"), 1.0)
    for _ in range(5):
        assert search.accepted(S0, B, 50, hole=1, now=1.1) == [Drop(S0, B)]
        assert search.parent(S0) == A
        search.redirected(S0, A, nodes("b"), 2.0)
