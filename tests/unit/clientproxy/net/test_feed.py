"""How long the merge waits for what is missing."""

import pytest

from clientproxy.net.feed import FIRST_PATIENCE, MergedFeed
from common.frame import Packet
from tests.support.noted import Clock

TIMEOUT = 2.0


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def feed() -> MergedFeed:
    """Return a feed that has begun just now."""
    feed = MergedFeed("cam", reorder_timeout=TIMEOUT, history_bytes=1 << 20)
    feed.begin(1000, None, {}, stripes=2)
    return feed


def packet(seq: int, clock: Clock) -> Packet:
    return Packet(seq, int(clock.now * 1e6), 0, 0, b"")


def test_what_is_missing_is_waited_for_and_then_lost(feed: MergedFeed, clock: Clock) -> None:
    feed.complete()
    feed.take([packet(1001, clock)])
    clock.go(TIMEOUT - 0.01)
    assert (feed.head, feed.lost) == (1000, 0)
    clock.go(0.02)
    assert (feed.head, feed.lost) == (1002, 1)


def test_what_comes_in_time_is_delivered(feed: MergedFeed, clock: Clock) -> None:
    feed.complete()
    feed.take([packet(1001, clock)])
    clock.go(TIMEOUT - 0.01)
    feed.take([packet(1000, clock)])
    clock.go(1.0)
    assert (feed.head, feed.lost) == (1002, 0)


def test_at_first_nothing_is_given_up_while_a_stripe_has_no_parent(
    feed: MergedFeed, clock: Clock
) -> None:
    feed.take([packet(1001, clock)])
    clock.go(FIRST_PATIENCE - 0.01)
    assert (feed.head, feed.lost) == (1000, 0)
    clock.go(0.02)
    assert (feed.head, feed.lost) == (1002, 1)


def test_a_gap_of_before_the_last_stripe_had_a_parent_is_waited_for_no_longer(
    feed: MergedFeed, clock: Clock
) -> None:
    feed.take([packet(1001, clock)])
    clock.go(0.5)
    feed.complete()
    clock.go(TIMEOUT - 0.01)
    assert (feed.head, feed.lost) == (1000, 0)
    clock.go(0.02)
    assert (feed.head, feed.lost) == (1002, 1)


def test_a_gap_that_is_waited_for_is_a_stall_and_a_source_that_pauses_is_none(
    feed: MergedFeed, clock: Clock
) -> None:
    feed.complete()
    feed.take([packet(1000, clock)])
    clock.go(30.0)
    feed.take([packet(1001, clock)])
    assert dict(feed.stats.stalls.buckets[0])["+Inf"] == 0.0
    late = packet(1002, clock)
    feed.take([packet(1003, clock)])
    clock.go(0.75)
    feed.take([late])
    assert feed.stats.stalls.buckets[1] == pytest.approx(0.75)


def test_what_comes_twice_is_counted(feed: MergedFeed, clock: Clock) -> None:
    feed.take([packet(1000, clock)])
    feed.take([packet(1000, clock)])
    assert feed.late == 1


def test_what_comes_first_stalls_nobody_also_when_the_numbers_begin_anew(
    feed: MergedFeed, clock: Clock
) -> None:
    feed.complete()
    feed.take([packet(1000, clock)])
    old = packet(5000, clock)
    clock.go(3.0)
    feed.begin(5000, None, {}, stripes=2)
    feed.take([old])
    assert dict(feed.stats.stalls.buckets[0])["+Inf"] == 0.0
