"""What a node holds of a stripe: what is taken, what is lacking, and where its numbers leapt."""

import pytest

from clientproxy.core.ahead import LEAP
from clientproxy.core.holding import Holding
from common.errors import BadFrameError, BadMessageError
from common.frame import FrameType, Packet, Received, encode
from common.ids import Stripe

HEAD = 1001
NOW_US = 5_000_000


@pytest.fixture
def held() -> Holding:
    """Return the odd one of two stripes, before the first packet."""
    return Holding(Stripe(1), 2, max_bytes=1 << 20, max_age=15.0)


def take(held: Holding, *numbers: int, kind: FrameType = FrameType.DATA) -> list[int]:
    """Take packets with three bytes each; return the numbers of those that are new."""
    packets = [Packet(number, NOW_US, 0, 0, b"abc", kind) for number in numbers]
    received = Received(packets, [encode(one) for one in packets], [])
    new = held.take(received, head=HEAD, begins=HEAD, group_time_us=NOW_US)
    return [packet.seq for packet in new]


def hole(held: Holding, first: int) -> int:
    return held.hole(first, head=HEAD, begins=HEAD, group_time_us=NOW_US)


def goes_on_at(held: Holding, first: int) -> None:
    held.goes_on_at(first, head=HEAD, group_time_us=NOW_US)


def test_each_number_is_taken_once(held: Holding) -> None:
    assert take(held, 1001, 1003) == [1001, 1003]
    assert take(held, 1003, 1005) == [1005]
    assert take(held, 1005) == []
    assert (held.newest, held.stats.received, held.stats.received_bytes) == (1005, 3, 9)


def test_only_data_counts_as_bytes_of_the_stream(held: Holding) -> None:
    take(held, 1001, kind=FrameType.EPOCH)
    assert (held.stats.received, held.stats.received_bytes) == (1, 0)


def test_a_number_of_another_stripe_is_refused_and_nothing_of_it_stays(held: Holding) -> None:
    with pytest.raises(BadFrameError):
        take(held, 1001, 1002)
    assert (held.newest, len(held.log), held.stats.received) == (0, 0, 0)


def test_what_lacks_is_behind_the_newest_and_at_first_at_the_head_of_the_merge(
    held: Holding,
) -> None:
    assert held.wanted(HEAD) == HEAD
    assert held.wanted(HEAD, HEAD - 10) == HEAD - 10, "the log shall reach back further"
    assert held.wanted(HEAD, HEAD + 10) == HEAD
    take(held, 1001)
    assert held.wanted(HEAD) == held.wanted(HEAD, HEAD - 10) == 1002


def test_what_a_parent_has_not_is_a_hole(held: Holding) -> None:
    assert hole(held, HEAD + 4) == 2
    take(held, 1001)
    assert hole(held, 1003) == 0
    assert hole(held, 1007) == 2
    with pytest.raises(BadMessageError):
        hole(held, 1 << 60)


def test_nobody_hopes_for_what_was_before_the_first_packet_to_come(held: Holding) -> None:
    goes_on_at(held, 1004)
    assert held.log.floor == 1005, "1004 is of the other stripe"
    goes_on_at(held, 1002)
    assert held.log.floor == 1005


def test_who_holds_packets_goes_on_promising_them(held: Holding) -> None:
    take(held, 1001)
    goes_on_at(held, 1003)
    assert held.log.floor <= 1001


@pytest.mark.parametrize("how", ["data", "a new parent"])
def test_a_leap_is_known_until_what_is_held_is_forgotten(held: Holding, how: str) -> None:
    take(held, 1001)
    far = 1001 + 2 * LEAP
    if how == "data":
        take(held, far)
    else:
        goes_on_at(held, far)
    assert held.leapt(1003)
    assert not held.leapt(far)
    held.begin_anew(1003)
    assert not held.leapt(1003)
    assert (held.newest, held.log.floor) == (0, 1003)
    assert held.wanted(1003, logs_from=900) == 1003, "what was before is not asked for again"
