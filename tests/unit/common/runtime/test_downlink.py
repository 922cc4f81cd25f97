"""A parent's side of all stripe links: what the children are fed and told."""

import pytest

from common.attach import Attach, Attached
from common.children import WAY_HOLDS, Children
from common.codec import decode_end, decode_path, decode_redirect
from common.frame import FrameReader, FrameType, Heartbeat, encode_resume
from common.ids import NodeId, Stripe
from common.messages import VERSION, Dismiss, MakeWay, Redirect, Refused
from common.runtime.childfeed import BURST_BYTES, STALLED_AFTER
from common.runtime.downlink import Downlink
from common.stripelog import StripeLog
from tests.support.noted import Above, Clock, NotedLink, fill

S0 = Stripe(0)
C, D, E = NodeId("c"), NodeId("d"), NodeId("e")
FRAME = 5_000


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


class Parent:
    """A node p with two slots in one stripe."""

    def __init__(self, *, slots: int = 2, spare: int = 1) -> None:
        self.log = StripeLog(max_bytes=1 << 30, max_age=60.0)
        self.above = Above("p")
        self.children = Children(slots=slots, spare=spare)
        self.downlink = Downlink([self.log], self.children, self.above)

    def asked(
        self, node: NodeId, start: int = 1, *, active: bool = True, slots: int = 0
    ) -> NotedLink:
        """Let a leaf, or who has `slots`, ask for the stripe from `start` on; return its link."""
        link = NotedLink()
        request = Attach(
            version=VERSION,
            channel="cam",
            stripe=S0,
            node=node,
            group_key="key",
            serve=S0 if slots else None,
            slots=slots,
            addresses=(f"{node}:7855",) if slots else (),
            start=start,
            orphan=False,
            active=active,
        )
        self.downlink.asked(link, request)
        return link

    def resumed(self, link: NotedLink, wanted: int) -> None:
        """Take the RESUME of a node that is held."""
        self.downlink.frames(link, FrameReader().feed(encode_resume(wanted)))


def numbers(link: NotedLink) -> list[int]:
    return [packet.seq for packet in link.taken().packets]


def test_a_child_is_fed_from_the_number_that_it_asks_for() -> None:
    parent = Parent()
    fill(parent.log, 1, 9)
    link = parent.asked(C, 4)
    (answer,) = link.messages
    assert isinstance(answer, Attached)
    assert (answer.first, answer.newest) == (4, 9)
    assert numbers(link) == [4, 5, 6, 7, 8, 9]


def test_a_standby_feeds_from_the_number_that_it_is_asked_for() -> None:
    parent = Parent()
    fill(parent.log, 1, 9)
    link = parent.asked(C, 4, active=False)
    assert numbers(link) == []
    fill(parent.log, 10, 12)
    parent.downlink.appended(S0)
    assert numbers(link) == []
    parent.resumed(link, 8)
    assert numbers(link) == [8, 9, 10, 11, 12]


def test_a_child_that_was_misled_about_the_numbers_is_fed_from_where_the_parent_is() -> None:
    parent = Parent()
    fill(parent.log, 1, 9)
    link = parent.asked(C, 1 << 40)
    assert numbers(link) == []
    parent.resumed(link, 8)
    assert numbers(link) == [8, 9]
    fill(parent.log, 10, 12)
    parent.downlink.appended(S0)
    assert numbers(link) == [10, 11, 12]


def test_any_other_gets_nothing_twice() -> None:
    parent = Parent()
    fill(parent.log, 1, 9)
    link = parent.asked(C, 4)
    assert numbers(link) == [4, 5, 6, 7, 8, 9]
    parent.resumed(link, 4)
    assert numbers(link) == []
    assert link.why is None


def test_a_standby_without_a_parent_ends_the_link() -> None:
    parent = Parent()
    link = parent.asked(C, active=False)
    parent.above.entries = None
    parent.resumed(link, 8)
    ((kind, body),) = link.taken().control
    assert (kind, decode_end(body).reason) == (FrameType.END, "detached")
    assert link.why == "detached"
    assert list(parent.children) == []


def test_who_is_dismissed_is_fed_no_more_and_taken_no_more() -> None:
    """As a child, or to stand by for it; others are."""
    parent = Parent(slots=3)
    fed, other = parent.asked(C), parent.asked(D)
    fed.taken()
    parent.downlink.told(Dismiss(node=C))
    ((kind, body),) = fed.taken().control
    assert (kind, decode_end(body).reason, fed.why) == (FrameType.END, "kicked", "kicked")
    for active in (True, False):
        (answer,) = parent.asked(C, active=active).messages
        assert isinstance(answer, Refused)
        assert answer.reason == "kicked"
    assert other.why is None


def test_who_stands_by_for_one_that_is_dismissed_does_so_no_more() -> None:
    parent = Parent()
    held = parent.asked(C, active=False)
    parent.downlink.told(Dismiss(node=C))
    assert held.why == "kicked"


def test_a_move_that_was_given_up_displaces_nobody(clock: Clock) -> None:
    """Who comes long after it comes for its own reasons; no child with a subtree goes for it."""
    parent = Parent()
    links = [parent.asked(node, slots=2) for node in (C, D)]
    parent.downlink.told(MakeWay(stripe=S0, node=E, child=D))
    clock.now += WAY_HOLDS
    for link in links:
        link.heard = clock.now
    parent.downlink.tick(0.05)
    (answer,) = parent.asked(E, slots=2).messages
    assert isinstance(answer, Redirect)


def test_the_server_proxy_says_whose_place_a_node_takes() -> None:
    """It goes under that node when it has caught up; else the node is sent on."""
    parent = Parent()
    for node in (C, D):
        parent.asked(node, slots=2)
    (answer,) = parent.asked(E, slots=2).messages
    assert isinstance(answer, Redirect)
    parent.downlink.told(MakeWay(stripe=S0, node=E, child=D))
    (answer,) = parent.asked(E, slots=2).messages
    assert isinstance(answer, Attached)


def test_a_leaf_that_makes_room_is_told_where_to_go_and_that_nobody_has_died() -> None:
    """Else it would name this parent as one that nobody should be sent to."""
    parent = Parent(slots=1, spare=0)
    leaf = parent.asked(C)
    parent.downlink.frames(leaf, FrameReader().feed(Heartbeat(0, 0, 1, 0, starved=False).encode()))
    leaf.taken()
    parent.asked(D, slots=2)
    (redirect, redirected), (end, ended) = leaf.taken().control
    assert (redirect, end) == (FrameType.REDIRECT, FrameType.END)
    assert [one.node for one in decode_redirect(redirected).targets] == [D]
    assert (decode_end(ended).reason, leaf.why) == ("full", "full")
    assert [child.node for child in parent.children] == [D]


@pytest.mark.parametrize("active", [True, False])
def test_children_and_who_is_held_are_told_a_new_path_and_that_there_is_none(
    active: bool,
) -> None:
    parent = Parent()
    link = parent.asked(C, active=active)
    parent.above.entries = Above("a", "p").entries
    link.taken()
    parent.downlink.path_changed(S0)
    ((kind, body),) = link.taken().control
    assert (kind, decode_path(body)) == (FrameType.PATH, parent.above.entries)
    parent.above.entries = None
    parent.downlink.path_changed(S0)
    ((kind, body),) = link.taken().control
    assert (kind, Heartbeat.decode(body).starved) == (FrameType.HEARTBEAT, True)


@pytest.mark.parametrize(("busy", "times"), [(False, 3), (True, 1.5)])
def test_catching_up_yields_to_a_child_that_waits_for_what_is_live(
    busy: bool, times: float
) -> None:
    parent = Parent()
    fill(parent.log, 1, 6000, every=0.001, size=FRAME)
    ahead, behind = parent.asked(C, 6001), parent.asked(D)
    ahead.paused = busy
    burst = len(numbers(behind)) * FRAME
    assert burst < BURST_BYTES + FRAME
    caught_up = 0
    for _ in range(20):
        parent.downlink.tick(0.05)
        caught_up += len(numbers(behind)) * FRAME
    assert caught_up == pytest.approx(times * 1000 * FRAME, rel=0.05)


@pytest.mark.parametrize("children", [1, 2, 4])
def test_many_catch_up_at_the_cost_of_two_stripe_rates_in_all(children: int) -> None:
    """Each gets what flows, and its part of those; who takes nothing has no part."""
    parent = Parent(slots=9)
    fill(parent.log, 1, 6000, every=0.001, size=FRAME)
    links = [parent.asked(NodeId(f"n{number}")) for number in range(children)]
    stuck = parent.asked(C)
    stuck.paused = True
    for link in links:
        link.taken()
    for _ in range(20):
        parent.downlink.tick(0.05)
    for link in links:
        rate = (1 + 2 / children) * 1000
        assert len(numbers(link)) == pytest.approx(rate, rel=0.05)


def test_the_slot_of_a_child_that_says_nothing_is_free_and_the_loss_is_told_once(
    clock: Clock,
) -> None:
    parent = Parent()
    parent.asked(C)
    assert parent.children.free(S0) == 1
    for _ in range(3):
        clock.now += STALLED_AFTER
        parent.downlink.tick(0.05)
    assert parent.children.free(S0) == 2
    assert parent.above.lost == [(C, "silent")]


def test_who_was_held_up_itself_finds_no_child_silent(clock: Clock) -> None:
    parent = Parent()
    parent.asked(C)
    clock.now += 5.0
    parent.downlink.tick(5.0)
    assert parent.children.free(S0) == 1
