"""Finding a parent with `join: redirect`: from the server proxy down."""

import pytest

from clientproxy.core.join import ParentSearch
from clientproxy.core.joining import (
    ANSWER_WAIT,
    PROBE_WAIT,
    Ask,
    Hold,
    Probe,
    Release,
    Resume,
    Tell,
)
from clientproxy.core.standby import HOLD_AFTER
from common.attach import ProbeReply
from common.fields import MAX_REDIRECTS, Candidate, DeletePolicyName, LostReason, PathEntry
from common.ids import ROOT, NodeId, Stripe
from common.messages import ParentLost
from common.policies import WayIn, way_in

S0 = Stripe(0)
A, B, P = (NodeId(name) for name in "abp")
AT_ROOT = Candidate(ROOT, (), 0.0, available=True)
NEWEST = (1000,)


def entry(name: str) -> PathEntry:
    return PathEntry(name, () if name == ROOT else (f"{name}:7855",))


def above(name: str) -> Candidate:
    return Candidate(name, entry(name).addresses, 0.0, available=False)


def node(name: str) -> Candidate:
    return Candidate(name, (f"{name}:7855",), 0.0, available=True)


def reply(delay: float = 0.0) -> ProbeReply:
    return ProbeReply(stripes=(0,), newest=1, delay=delay, free_slots=0)


def lost(*tried: str, parent: NodeId | None = None) -> Tell:
    reason: LostReason = "refused" if parent is None else "closed"
    return Tell(ParentLost(stripe=0, parent=parent, reason=reason, newest=NEWEST[0], tried=tried))


def newcomer(way: WayIn | None = None) -> ParentSearch:
    return ParentSearch(1, way or way_in("redirect", "round_robin", "root"))


def under(delete: DeletePolicyName, *path: str) -> ParentSearch:
    """Return a node that hangs under the last of `path`."""
    search = ParentSearch(1, way_in("redirect", "random", delete))
    search.candidates(S0, [AT_ROOT], 1.0, 0.0)
    at = ROOT
    for name in path:
        search.sent_on(S0, NodeId(at), [node(name)], 0.0)
        at = NodeId(name)
    search.accepted(S0, NodeId(at), 7)
    search.path_told(S0, NodeId(at), tuple(map(entry, (ROOT, *path))), 0.0)
    return search


# --- the way down


def test_a_newcomer_is_sent_down_until_somebody_takes_it() -> None:
    search = newcomer()
    assert search.candidates(S0, [AT_ROOT], 1.0, 0.0) == [Ask(S0, AT_ROOT, False, ())]
    assert search.sent_on(S0, ROOT, [node("a")], 0.0) == [Ask(S0, node("a"), False, (ROOT,))]
    assert search.sent_on(S0, A, [node("b")], 0.0) == [Ask(S0, node("b"), False, (ROOT, A))]
    search.accepted(S0, B, 7)
    assert search.parent(S0) == B
    assert search.why_not() is None


def test_after_so_many_redirects_the_server_proxy_is_asked() -> None:
    """It is among those that are named, however long ago it was asked itself."""
    search, at = newcomer(), ROOT
    search.candidates(S0, [AT_ROOT], 1.0, 0.0)
    for number in range(MAX_REDIRECTS):
        (ask,) = search.sent_on(S0, at, [node(f"n{number}")], 0.0)
        assert isinstance(ask, Ask)
        at = NodeId(f"n{number}")
    assert search.sent_on(S0, at, [node("one-too-many")], 0.0) == []
    tried = [f"n{number}" for number in range(MAX_REDIRECTS)]
    assert search.expire(NEWEST, 0.0) == [lost(ROOT, *tried[1:])]


def test_a_node_is_asked_once() -> None:
    search = newcomer()
    search.candidates(S0, [AT_ROOT], 1.0, 0.0)
    search.sent_on(S0, ROOT, [node("a")], 0.0)
    assert search.sent_on(S0, A, [AT_ROOT, node("a")], 0.0) == []
    assert search.expire(NEWEST, 0.0) == [lost(ROOT, "a")]


def test_who_was_everywhere_in_vain_can_say_why() -> None:
    search = newcomer()
    search.candidates(S0, [AT_ROOT], 1.0, 0.0)
    search.sent_on(S0, ROOT, [node("a")], 0.0)
    search.failed(S0, A, 0.0, "full: no slot is free")
    assert search.expire(NEWEST, 0.0) == [lost(ROOT, "a")]
    assert search.why_not() is None  # the server proxy may know somebody
    search.candidates(S0, [node("b")], 1.0, 0.1)
    search.failed(S0, B, 0.1, "full: no slot is free")
    search.expire(NEWEST, 0.1)
    search.candidates(S0, [], 0.3, 0.2)
    assert search.why_not() == (
        "no parent in stripe 0 (root: sends on to a; a: full: no slot is free; "
        "b: full: no slot is free)"
    )
    # It goes on asking, and forgets all this once it is taken.
    assert search.next_deadline() == pytest.approx(0.5)
    search.expire(NEWEST, 0.6)
    search.candidates(S0, [AT_ROOT], 1.0, 0.7)
    search.accepted(S0, ROOT, 7)
    assert search.why_not() is None
    search.ended(S0, ROOT, "closed", 9, 0.8)
    assert search.why_not() is None


def test_no_more_refusals_are_kept_than_there_are_redirects() -> None:
    search = newcomer()
    for number in range(3 * MAX_REDIRECTS):
        search.failed(S0, NodeId(f"n{number}"), 0.0, "full")
    search.candidates(S0, [], 1.0, 0.0)
    why = search.why_not()
    assert why is not None
    assert why.count("full") == MAX_REDIRECTS
    assert "n47: full" in why
    assert "n31: full" not in why


# --- nearness


@pytest.mark.parametrize(
    ("way", "nearest"),
    [
        (way_in("redirect", "smart_placement", "root"), "b"),
        (way_in("redirect", "knock_down", "root"), "b"),
        (way_in("redirect", "smart_bandwidth", "root"), "a"),
        (way_in("directory", "smart_placement", "root"), "a"),
    ],
)
def test_the_nearest_is_that_of_the_least_round_trip_where_the_policy_says_so(
    way: WayIn, nearest: str
) -> None:
    """In a directory it is the least delay from the source."""
    search = newcomer(way)
    search.candidates(S0, [node("a"), node("b")], 1.0, 0.0)
    search.probed(S0, A, reply(0.010), 0.040, 0.04)
    assert search.probed(S0, B, reply(0.100), 0.020, 0.05) == [Ask(S0, node(nearest), False, ())]


def test_who_is_compared_by_its_parent_probes_it_even_alone() -> None:
    search = newcomer(way_in("redirect", "knock_down", "root"))
    assert search.candidates(S0, [AT_ROOT], 1.0, 0.0) == [Probe(S0, AT_ROOT)]
    assert search.probed(S0, ROOT, reply(), 0.02, 0.02) == [Ask(S0, AT_ROOT, False, ())]
    assert search.sent_on(S0, ROOT, [node("a")], 0.03) == [Probe(S0, node("a"))]
    assert search.next_deadline() == pytest.approx(0.03 + ANSWER_WAIT)
    assert PROBE_WAIT < ANSWER_WAIT


# --- where orphans go


@pytest.mark.parametrize(
    ("delete", "target"),
    [("root", ROOT), ("root_all", ROOT), ("grandfather", "b"), ("grandfather_all", "b")],
)
def test_the_delete_policy_says_who_stands_by_and_takes_over(
    delete: DeletePolicyName, target: str
) -> None:
    search = under(delete, "a", "b", "p")
    search.standby(S0, [node("x")], 0.0)  # a directory's server proxy would name one
    assert search.expire(NEWEST, HOLD_AFTER) == [Hold(S0, above(target))]
    search.path_told(S0, NodeId(target), (entry(ROOT),), HOLD_AFTER)
    assert search.ended(S0, P, "closed", 9, 1.0) == [Resume(S0, NodeId(target))]


@pytest.mark.parametrize(("delete", "target"), [("root", ROOT), ("grandfather", "b")])
def test_without_a_standby_an_orphan_goes_there_by_itself_and_asks_then(
    delete: DeletePolicyName, target: str
) -> None:
    search = under(delete, "a", "b", "p")
    assert search.ended(S0, P, "closed", 1000, 1.0) == [Ask(S0, above(target), True, (P,))]
    search.failed(S0, NodeId(target), 1.0, "full")
    assert search.expire(NEWEST, 1.0)[-1] == lost("p", target, parent=P)


def test_who_lost_the_server_proxy_itself_asks_it_again() -> None:
    search = under("grandfather")
    assert search.ended(S0, ROOT, "closed", 1000, 1.0) == [lost(ROOT, parent=ROOT)]


def test_a_standby_that_knows_nobody_but_the_parent_that_is_lost_is_asked_once_more() -> None:
    """RESUME cannot say where the node comes from, Attach can."""
    search = under("grandfather", "a", "p")
    search.expire(NEWEST, HOLD_AFTER)
    search.path_told(S0, A, (entry(ROOT), entry("a")), HOLD_AFTER)
    assert search.ended(S0, P, "closed", 1000, 1.0) == [Resume(S0, A)]
    again = Ask(S0, above("a"), True, (P,))
    assert search.sent_on(S0, A, [node("p")], 1.0) == [Release(S0, A), again]
    assert search.sent_on(S0, A, [node("p")], 1.0) == []
    assert search.expire(NEWEST, 1.0)[-1] == lost("p", "a", parent=P)


def test_each_second_time_in_vain_nobody_need_name_the_parent_that_was_lost() -> None:
    """It may hold the slot of its parent for nothing; or be the only one with a slot."""
    search, now = under("root", "p"), 1.0
    search.expire(NEWEST, HOLD_AFTER)
    search.standby_lost(S0, NodeId(ROOT), HOLD_AFTER)
    search.ended(S0, P, "closed", 1000, now)
    visited: list[tuple[NodeId, ...]] = []
    for _ in range(4):
        search.failed(S0, NodeId(ROOT), now, "full")
        search.expire(NEWEST, now)
        search.candidates(S0, [], 0.3, now)
        now += 0.3
        visited += [one.visited for one in search.expire(NEWEST, now) if isinstance(one, Ask)]
    assert visited == [(P,), (), (P,), ()]
