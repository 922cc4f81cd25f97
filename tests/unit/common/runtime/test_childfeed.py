"""What a parent writes to one child, and when it gives it up (design 3 and 6)."""

import pytest

from common.fields import PathEntry
from common.frame import FrameType, Heartbeat
from common.ids import ROOT, NodeId, Stripe
from common.runtime.childfeed import (
    BURST_BYTES,
    CATCH_UP_RATE,
    HEARTBEAT_AFTER_US,
    HEARTBEAT_EVERY_US,
    SILENT_AFTER,
    SKIP_WINDOW,
    STALLED_AFTER,
    ChildFeed,
    DownlinkStats,
    Place,
)
from common.stripelog import StripeLog
from tests.support.noted import Above, Clock, NotedLink, fill

S0 = Stripe(0)
FRAME = 5_000
RATE = 1_000 * FRAME
"""Bytes a second of what a newcomer catches up with below."""


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


class Parent:
    """One stripe log, and a child that reads it from `start` on."""

    def __init__(self, start: int = 1, *, max_age: float = 60.0) -> None:
        self.log = StripeLog(max_bytes=1 << 30, max_age=max_age)
        self.link, self.above = NotedLink(), Above("p")
        place = Place(S0, NodeId("c"))
        self.stats = DownlinkStats([0])
        self.feed = ChildFeed(self.link, place, self.log, self.above, self.stats, start=start)

    def told(self, newest: int, clock: Clock) -> bool:
        """Take a heartbeat of the child, which has `newest`."""
        self.link.heard = clock.now
        return self.feed.heard(Heartbeat(newest, 0, 1, 0, starved=False))

    def numbers(self) -> list[int]:
        return [packet.seq for packet in self.link.taken().packets]


def test_a_newcomer_gets_a_burst_and_then_no_more_than_its_share() -> None:
    parent = Parent()
    fill(parent.log, 1, 6000, every=0.001, size=FRAME)
    parent.feed.feed()
    written = len(parent.numbers()) * FRAME
    assert 0 < written < BURST_BYTES + FRAME
    parent.feed.feed()
    assert parent.numbers() == [], "its share of this tick is used up"
    for _ in range(20):
        parent.feed.catch_up(0.05)
        written += len(parent.numbers()) * FRAME
    assert written - BURST_BYTES <= CATCH_UP_RATE * RATE * 1.02
    assert written >= 2 * RATE, "faster than the stripe flows"


def test_who_has_caught_up_gets_what_is_new_at_once() -> None:
    parent = Parent()
    fill(parent.log, 1, 3)
    parent.feed.feed()
    assert parent.numbers() == [1, 2, 3]
    fill(parent.log, 4, 4)
    parent.feed.feed()
    assert parent.numbers() == [4]


def test_a_child_that_does_not_read_is_written_nothing() -> None:
    parent = Parent()
    parent.feed.feed()
    parent.link.paused = True
    fill(parent.log, 1, 3)
    parent.feed.feed()
    assert parent.numbers() == []


def test_it_has_all_there_is_when_it_says_so_itself(clock: Clock) -> None:
    parent = Parent()
    fill(parent.log, 1, 3)
    parent.feed.feed()
    assert not parent.told(2, clock)
    assert parent.told(3, clock)
    behind = Parent()
    fill(behind.log, 1, 2000, size=FRAME)
    behind.feed.feed()
    assert not behind.told(behind.numbers()[-1], clock), "more is to come"


def test_a_child_that_falls_off_is_skipped_to_the_keyframe_or_to_two_seconds_ago() -> None:
    for keyframe, expected in ((990, 990), (700, 800)):
        parent = Parent(max_age=5.0)
        parent.feed.feed()
        fill(parent.log, 1, 1000)
        parent.above.keyframe = keyframe
        parent.feed.feed()
        assert parent.numbers()[0] == expected


@pytest.mark.parametrize(("pause", "why"), [(SKIP_WINDOW - 1, "too_slow"), (SKIP_WINDOW, None)])
def test_the_second_time_within_the_window_it_is_let_go(
    pause: float, why: str | None, clock: Clock
) -> None:
    parent = Parent(max_age=1.0)
    for newest in (1000, 2000):
        parent.feed.feed()
        parent.link.paused = True
        fill(parent.log, newest - 999, newest)
        parent.link.paused = False
        assert parent.link.why is None
        parent.feed.feed()
        clock.now += pause
    assert parent.link.why == why
    assert FrameType.END in parent.link.kinds() or why is None


def test_where_nothing_is_sent_a_heartbeat_goes(clock: Clock) -> None:
    parent = Parent()
    parent.feed.beat()
    assert parent.link.kinds() == [FrameType.HEARTBEAT]
    clock.now += HEARTBEAT_AFTER_US / 1e6 - 0.01
    parent.feed.beat()
    assert parent.link.kinds() == []
    clock.now += 0.011
    parent.feed.beat()
    assert parent.link.kinds() == [FrameType.HEARTBEAT]


def test_beside_data_a_heartbeat_goes_less_often(clock: Clock) -> None:
    parent, beats = Parent(), 0
    parent.feed.feed()
    for seq in range(1, 101):
        fill(parent.log, seq, seq)
        parent.feed.feed()
        parent.feed.beat()
        beats += parent.link.kinds().count(FrameType.HEARTBEAT)
        clock.now += 0.02
    assert beats == pytest.approx(2.0 / (HEARTBEAT_EVERY_US / 1e6), abs=2)


def test_who_has_no_parent_says_that_it_is_starved() -> None:
    parent = Parent()
    for path, starved in (((PathEntry(ROOT, ()),), False), (None, True)):
        parent.above.entries = path
        parent.feed.beat(at_once=True)
        ((_, body),) = parent.link.taken().control
        assert Heartbeat.decode(body).starved == starved


def test_a_child_that_says_nothing_is_stalled_and_given_up_in_the_end(clock: Clock) -> None:
    parent = Parent()
    parent.told(0, clock)
    clock.now += STALLED_AFTER - 0.01
    assert not parent.feed.stalled(clock.now)
    clock.now += 0.02
    assert parent.feed.stalled(clock.now)
    parent.feed.beat()
    assert parent.link.why is None
    clock.now += SILENT_AFTER - STALLED_AFTER
    parent.feed.beat()
    assert parent.link.why == "silent"


def test_a_child_that_takes_nothing_of_what_is_sent_is_stalled_too(clock: Clock) -> None:
    """It is heard: what it sends comes through, what it is sent does not."""
    parent = Parent()
    fill(parent.log, 1, 3)
    parent.feed.feed()
    for tenth in range(12):
        parent.told(0, clock)
        assert parent.feed.stalled(clock.now) == (tenth / 10 > STALLED_AFTER)
        clock.now += 0.1
    parent.told(3, clock)
    assert not parent.feed.stalled(clock.now)


def test_a_child_has_caught_up_though_something_is_always_on_its_way(clock: Clock) -> None:
    """On a slow link no heartbeat of it names the newest frame of a stream that flows."""
    parent = Parent()
    fill(parent.log, 1, 3)
    assert not parent.told(3, clock), "it has not been sent all there was"
    parent.feed.feed()
    assert not parent.told(2, clock)
    fill(parent.log, 4, 5)
    parent.feed.feed()
    assert parent.told(3, clock)
