"""UDP packets in order by RTP number."""

import random

import pytest

from common import rtp
from serverproxy.core.inorder import InOrder
from tests.support.rtp_packets import rtp_packet


def packet(number: int, ssrc: int = 1) -> bytes:
    return rtp_packet(rtp.Header(False, 96, number & 0xFFFF, 0, ssrc), b"x")


def numbers(packets: list[bytes]) -> list[int]:
    return [rtp.sequence(one) for one in packets]


def fed(order: InOrder, *sequence: int, now: float = 0.0) -> list[int]:
    return [number for one in sequence for number in numbers(order.push(packet(one), now))]


def test_packets_in_order_pass_at_once() -> None:
    order = InOrder()
    assert fed(order, 65_534, 65_535, 0, 1) == [65_534, 65_535, 0, 1]
    assert order.next_deadline() is None
    assert (order.reordered, order.late, order.duplicates, order.skipped) == (0, 0, 0, 0)


def test_swapped_packets_leave_in_order() -> None:
    order = InOrder()
    assert fed(order, 10, 12, 13) == [10]
    assert fed(order, 11) == [11, 12, 13]
    assert order.reordered == 2
    assert order.skipped == 0


def test_a_gap_is_given_up_50_ms_after_the_packet_behind_it() -> None:
    order = InOrder()
    fed(order, 10, now=1.0)
    fed(order, 12, now=1.5)
    assert order.next_deadline() == pytest.approx(1.55)
    assert order.expire(1.54) == []
    assert numbers(order.expire(1.551)) == [12]
    assert order.skipped == 1
    assert order.next_deadline() is None


def test_each_gap_has_its_own_50_ms() -> None:
    order = InOrder()
    fed(order, 10, now=0.0)
    fed(order, 12, now=1.0)
    fed(order, 15, now=1.03)
    assert numbers(order.expire(1.06)) == [12]
    assert order.next_deadline() == pytest.approx(1.08)
    assert numbers(order.expire(1.09)) == [15]
    assert order.skipped == 3


def test_a_packet_that_comes_after_its_gap_was_given_up_is_late() -> None:
    order = InOrder()
    fed(order, 10, 12)
    order.expire(1.0)
    assert fed(order, 11) == []
    assert (order.late, order.duplicates) == (1, 0)


def test_what_came_before_is_a_duplicate() -> None:
    order = InOrder()
    assert fed(order, 10, 11, 11, 13, 13, 12) == [10, 11, 12, 13]
    assert order.duplicates == 2


def test_another_ssrc_begins_anew_and_what_was_held_leaves_first() -> None:
    order = InOrder()
    fed(order, 10, 12)
    assert numbers(order.push(packet(11, ssrc=2), 0.0)) == [12, 11]
    assert numbers(order.push(packet(12, ssrc=2), 0.0)) == [12]
    assert order.duplicates == 0


def test_a_jump_that_no_reordering_explains_begins_anew() -> None:
    order = InOrder()
    assert fed(order, 10, 40_000, 40_001) == [10, 40_000, 40_001]
    assert fed(order, 20_000) == []
    assert fed(order, 20_001) == [20_000, 20_001]
    assert (order.skipped, order.late) == (0, 0)


@pytest.mark.parametrize("off", [-101, -5000, 3002, 30_000])
def test_a_single_stray_is_late_and_no_new_beginning(off: int) -> None:
    """RFC 3550, A.1: only two packets in sequence are a restart."""
    order = InOrder()
    assert fed(order, 1000, 1001 + off, 1001, 1002 + off, 1002) == [1000, 1001, 1002]
    assert (order.late, order.duplicates, order.skipped) == (2, 0, 0)


def test_strays_out_of_sequence_are_no_new_beginning() -> None:
    order = InOrder()
    assert fed(order, 10, 40_000, 40_002, 20_000, 11) == [10, 11]
    assert order.late == 3


def test_what_was_held_leaves_before_a_new_beginning() -> None:
    order = InOrder()
    assert fed(order, 10, 12, 40_000, 40_001) == [10, 12, 40_000, 40_001]


def test_overflow_gives_up_the_oldest_gap() -> None:
    order = InOrder(capacity=3)
    fed(order, 10)
    assert fed(order, 12, 13, 15) == []
    assert fed(order, 16) == [12, 13]
    assert order.skipped == 1


def test_any_shuffle_within_the_window_leaves_in_order_and_complete() -> None:
    dice = random.Random(7)
    for _ in range(50):
        start = dice.randrange(65_536)
        sent = [(start + n) & 0xFFFF for n in range(200)]
        shuffled = [
            sent[0],
            *(n for _, n in sorted((i + dice.random() * 8, n) for i, n in enumerate(sent) if i)),
        ]
        order = InOrder()
        assert fed(order, *shuffled) == sent
