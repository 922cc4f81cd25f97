"""The merge of the stripes."""

import pytest

from clientproxy.core.reorder import PACKET_COST_BYTES, Reorder
from common.frame import FLAG_FIRST, Packet

ROOMY = 1 << 20


def packet(seq: int, size: int = 1) -> Packet:
    return Packet(seq, 0, 0, 0, bytes(size))


def packets(*seqs: int) -> list[Packet]:
    return [packet(seq) for seq in seqs]


def merge(
    *, head: int = 0, timeout: float = 0.2, capacity_bytes: int = ROOMY, stripes: int = 1
) -> Reorder:
    return Reorder(head=head, timeout=timeout, capacity_bytes=capacity_bytes, stripes=stripes)


def numbers(out: list[Packet]) -> list[int]:
    return [one.seq for one in out]


def test_packets_in_order_leave_at_once() -> None:
    one = merge(head=10)
    assert numbers(one.push(packets(10, 11, 12), now=0.0)) == [10, 11, 12]
    assert one.head == 13
    assert one.next_deadline() is None
    assert one.stats.delivered == 3


def test_the_packets_themselves_leave() -> None:
    sent = Packet(5, 6, 7, 3, b"payload", 2)
    assert merge(head=5).push([sent], now=0.0) == [sent]


def test_what_comes_before_the_beginning_is_for_the_log_alone_and_not_late() -> None:
    one = merge(head=10)
    assert numbers(one.push(packets(7, 8, 9, 10), now=0.0)) == [10]
    assert one.stats.late == 0
    assert numbers(one.push(packets(10, 11), now=0.0)) == [11]
    assert one.stats.late == 1
    one = merge(head=10)
    one.skip_to(20)
    assert numbers(one.push(packets(15, 20), now=0.0)) == [20]
    assert one.stats.late == 0


def test_two_stripes_are_merged_by_number() -> None:
    one = merge(head=0)
    assert numbers(one.push(packets(0, 2, 4), now=0.0)) == [0]
    assert one.held == 2
    assert numbers(one.push(packets(1, 3, 5), now=0.1)) == [1, 2, 3, 4, 5]
    assert one.held == 0
    assert one.stats.lost == 0


def test_a_gap_is_given_up_once_its_time_is_over() -> None:
    one = merge(head=10, timeout=0.2)
    one.push(packets(10), now=0.0)
    assert one.push(packets(13), now=0.5) == []
    assert one.expire(now=0.65) == []
    assert numbers(one.expire(now=0.7)) == [13]
    assert (one.stats.lost, one.stats.delivered) == (2, 2)


def test_the_time_of_a_gap_begins_with_the_first_packet_behind_it() -> None:
    one = merge(head=0, timeout=0.2)
    one.push(packets(2), now=1.0)
    one.push(packets(4), now=1.15)
    assert one.next_deadline() == 1.2
    assert numbers(one.expire(now=1.2)) == [2]
    assert one.next_deadline() == 1.15 + 0.2


def test_a_gap_that_a_packet_behind_it_has_waited_for_longer_is_not_given_more_time() -> None:
    """5 came later than 10, but 10 waits for what is before 5 too."""
    one = merge(head=0, timeout=0.2)
    one.push(packets(10), now=1.0)
    one.push(packets(5), now=1.15)
    assert numbers(one.expire(now=1.2)) == [5, 10]
    assert one.stats.lost == 9


def test_a_gap_that_is_filled_in_part_keeps_its_time() -> None:
    one = merge(head=0, timeout=0.2)
    one.push(packets(2), now=1.0)
    assert numbers(one.push(packets(0), now=1.1)) == [0]
    assert numbers(one.expire(now=1.2)) == [2]
    assert one.stats.lost == 1


def test_early_and_repeated_expiry_is_harmless() -> None:
    one = merge()
    assert one.expire(now=100.0) == []
    one.push(packets(1), now=100.0)
    assert one.expire(now=100.1) == []
    assert numbers(one.expire(now=100.2)) == [1]
    assert one.expire(now=100.2) == []


def test_late_packets_are_counted_and_dropped() -> None:
    one = merge(timeout=0.0)
    one.push(packets(1), now=0.0)
    one.expire(now=0.0)
    assert one.push(packets(0), now=0.1) == []
    assert (one.stats.lost, one.stats.late) == (1, 1)


def test_a_packet_that_comes_twice_leaves_once() -> None:
    one = merge()
    assert numbers(one.push(packets(0, 0), now=0.0)) == [0]
    assert one.push(packets(2, 2), now=0.0) == []
    assert one.held == 1
    assert numbers(one.push(packets(1), now=0.0)) == [1, 2]
    assert one.stats.late == 2
    assert one.stats.delivered == 3


def test_overflow_gives_up_the_oldest_gap_first() -> None:
    one = merge(timeout=60.0, capacity_bytes=2 * (100 + PACKET_COST_BYTES))
    assert one.push([packet(4, 100), packet(2, 100)], now=0.0) == []
    assert numbers(one.push([packet(6, 100)], now=0.0)) == [2]
    assert one.stats.lost == 2
    assert one.held == 2


def test_empty_packets_take_memory_too() -> None:
    one = merge(timeout=60.0, capacity_bytes=1000 * PACKET_COST_BYTES)
    for seq in range(2, 20_000, 2):
        one.push([packet(seq, 0)], now=0.0)
        assert one.held <= 1000


@pytest.mark.timeout(10)
def test_fifty_thousand_gaps_are_given_up_in_no_time() -> None:
    """A search for the oldest gap in all that is held would take a minute here."""
    one = merge(timeout=0.1, capacity_bytes=1 << 30)
    assert one.push([packet(seq) for seq in range(100_001, 0, -2)], now=0.0) == []
    assert len(one.expire(now=0.1)) == 50_001
    assert one.stats.lost == 50_001
    assert one.next_deadline() is None


def test_a_start_later_than_asked_is_no_loss() -> None:
    one = merge(head=100)
    one.push(packets(104, 106), now=0.0)
    assert numbers(one.skip_to(106)) == [106]
    assert one.head == 107
    assert one.held == 0
    assert one.stats.lost == 0
    assert one.stats.delivered == 1


def test_the_head_never_goes_back() -> None:
    one = merge(head=100)
    one.push(packets(102), now=0.0)
    assert one.skip_to(50) == []
    assert one.head == 100
    assert one.held == 1


def test_a_gap_behind_a_later_start_is_waited_for() -> None:
    one = merge(head=100, timeout=0.2)
    one.push(packets(102, 106), now=1.0)
    assert one.skip_to(104) == []
    assert one.next_deadline() == 1.2
    assert numbers(one.expire(now=1.2)) == [106]
    assert one.stats.lost == 2


def first(seq: int) -> Packet:
    return Packet(seq, 0, 0, FLAG_FIRST, b"", 2)


@pytest.mark.parametrize("begins", [1000, 1001])
def test_another_server_process_is_followed_at_once(begins: int) -> None:
    """Its numbers are far above; nothing between is waited for or counted."""
    one = merge(head=10, stripes=2)
    one.push(packets(10), now=0.0)
    assert one.push([first(begins), packet(begins + 2)], now=0.1) == []
    out = one.push([first(begins + 1)], now=0.1)
    assert numbers(out) == [begins, begins + 1, begins + 2]
    assert (one.stats.lost, one.stats.delivered, one.next_deadline()) == (0, 4, None)
    assert numbers(one.push(packets(begins + 3), now=0.2)) == [begins + 3]


def test_what_is_left_of_the_old_process_leaves_first() -> None:
    """A hole in it is a loss: each stripe is past it."""
    one = merge(head=10, stripes=2)
    one.push(packets(12, 14), now=0.0)
    out = one.push([first(1001), first(1000)], now=0.1)
    assert numbers(out) == [12, 14, 1000, 1001]
    assert one.stats.lost == 3


def test_while_a_stripe_may_still_have_something_of_the_old_process_it_is_waited_for() -> None:
    one = merge(head=10, timeout=0.2, stripes=2)
    one.push(packets(12), now=0.0)
    assert one.push([first(1000)], now=0.1) == []
    assert numbers(one.push(packets(10, 11), now=0.15)) == [10, 11, 12]
    assert numbers(one.push([first(1001)], now=0.2)) == [1000, 1001]
    assert one.stats.lost == 0


def test_a_stripe_that_stays_away_costs_the_usual_wait_and_no_loss() -> None:
    one = merge(head=10, timeout=0.2, stripes=2)
    one.push([first(1000), packet(1002)], now=0.0)
    assert numbers(one.expire(now=0.2)) == [1000, 1002]
    assert one.stats.lost == 1, "of the new process"
    assert one.push([first(1001)], now=0.2) == []
    assert numbers(one.push(packets(1003), now=0.2)) == [1003]


def test_two_restarts_one_behind_the_other() -> None:
    one = merge(head=10, stripes=2)
    one.push([first(1000), packet(1002), first(5000)], now=0.0)
    assert numbers(one.push([first(5001)], now=0.0)) == [1000, 1002, 5000, 5001]
    assert one.push([first(1001)], now=0.0) == []
    assert numbers(one.push(packets(5002), now=0.0)) == [5002]


def test_numbers_that_were_never_given_are_not_lost() -> None:
    """Also where the first frames of a server process are nowhere to be had any more."""
    one = merge(head=10, timeout=0.2, stripes=2)
    one.skip_unused(1000)
    one.push(packets(1004), now=0.0)
    assert numbers(one.expire(now=0.2)) == [1004]
    assert one.stats.lost == 4


def test_what_is_waited_for_can_change_while_a_gap_is_open() -> None:
    buffer = Reorder(head=1, timeout=2.0, capacity_bytes=1 << 20)
    assert buffer.push([packet(2)], 0.0) == []
    buffer.wait(timeout=0.5, capacity_bytes=1 << 20)
    assert buffer.next_deadline() == 0.5
    assert [one.seq for one in buffer.expire(0.5)] == [2]
    buffer.wait(timeout=0.5, capacity_bytes=1)
    assert [one.seq for one in buffer.push([packet(4)], 1.0)] == [4]
    assert buffer.stats.lost == 2


def test_before_it_is_begun_nothing_leaves_and_it_may_begin_later() -> None:
    one = Reorder(head=4, timeout=0.2, capacity_bytes=ROOMY, stripes=2, begun=False)
    assert one.push(packets(4, 6, 8), now=0.0) == []
    assert one.skip_to(7) == []
    assert one.push(packets(7, 9), now=0.0) == []
    assert numbers(one.begin()) == [7, 8, 9]
    assert numbers(one.push(packets(10), now=0.1)) == [10]
    assert (one.stats.delivered, one.stats.lost, one.held) == (4, 0, 0)


def test_a_merge_that_begins_later_does_not_go_back_to_what_it_passed_over() -> None:
    one = Reorder(head=10, timeout=0.2, capacity_bytes=ROOMY, stripes=2, begun=False)
    assert one.push(packets(10, 14), now=0.0) == []
    assert one.skip_to(12) == []
    assert numbers(one.expire(0.2)) == [14]
    assert (one.head, one.stats.lost) == (15, 2)


def test_what_waits_for_a_beginning_waits_no_longer_than_for_a_gap() -> None:
    one = Reorder(head=4, timeout=0.2, capacity_bytes=ROOMY, begun=False)
    assert one.push(packets(4, 5), now=0.0) == []
    assert one.next_deadline() == pytest.approx(0.2)
    assert numbers(one.expire(0.2)) == [4, 5]
    assert one.stats.lost == 0
    assert numbers(one.push(packets(6), now=0.3)) == [6]
