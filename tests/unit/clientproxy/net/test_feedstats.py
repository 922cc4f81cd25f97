"""What a feed counts: the delay of every packet, and where they stopped for a while."""

import pytest

from clientproxy.net.feedstats import STALL, FeedStats


def test_every_packet_counts_with_the_delay_of_the_last_of_its_batch() -> None:
    stats = FeedStats()
    stats.deliver(2, 0.02, 0.004)
    stats.deliver(1, 0.3, 0.3)
    buckets, total = stats.delay_buckets
    assert (stats.delivered, stats.delay) == (3, 0.3)
    assert dict(buckets)["0.005"] == 2.0
    assert dict(buckets)["+Inf"] == 3.0
    assert total == pytest.approx(0.308)


def test_a_clock_that_is_a_little_ahead_makes_no_negative_delay() -> None:
    stats = FeedStats()
    stats.deliver(1, -0.01, -0.01)
    assert stats.delay == 0.0


def test_a_stall_is_by_how_much_the_delay_grew() -> None:
    stats = FeedStats()
    stats.deliver(1, 0.02, 0.02)
    stats.deliver(5, 0.82, 0.03)  # the first of them has waited for 0.8 s
    stats.deliver(1, 0.03, 0.03)
    assert stats.stalls.buckets[1] == pytest.approx(0.8)
    assert dict(stats.stalls.buckets[0])["0.5"] == 0.0
    assert dict(stats.stalls.buckets[0])["1.0"] == 1.0


def test_less_than_a_tenth_of_a_second_is_no_stall() -> None:
    stats = FeedStats()
    stats.deliver(1, 0.0, 0.0)
    stats.deliver(1, STALL - 0.001, 0.0)
    assert dict(stats.stalls.buckets[0])["+Inf"] == 0.0


def test_the_first_packets_stall_nobody_however_old_they_are() -> None:
    stats = FeedStats()
    stats.deliver(10, 8.0, 7.0)
    stats.deliver(10, 7.05, 6.0)  # catching up
    stats.begin()
    stats.deliver(10, 9.0, 9.0)
    assert dict(stats.stalls.buckets[0])["+Inf"] == 0.0
    stats.deliver(1, 9.2, 9.2)
    assert dict(stats.stalls.buckets[0])["+Inf"] == 1.0
