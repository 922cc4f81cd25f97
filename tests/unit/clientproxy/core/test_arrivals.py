"""Sequence numbers that a parent may send."""

import pytest

from clientproxy.core.arrivals import MAX_JUMP, check_numbers, missing, most_missing
from common.clock import MAX_CLOCK_STEP
from common.errors import BadFrameError, BadMessageError
from common.frame import FLAG_FIRST, Packet
from common.ids import Stripe

OLD = 1_700_000_000_000_000
NEW = OLD + 60_000_000
EVEN = Stripe(0)


def packet(seq: int, flags: int = 0) -> Packet:
    return Packet(seq, 0, 0, flags, b"")


def check(*packets: Packet, now: int = NEW, jump: int = MAX_JUMP) -> None:
    check_numbers(packets, EVEN, stripes=2, known=OLD, jump=jump, group_time_us=now)


def test_numbers_that_rise_in_their_stripe_are_taken() -> None:
    check(packet(OLD), packet(OLD + 2), packet(OLD + 400))


@pytest.mark.parametrize(
    "seqs", [(OLD + 1,), (OLD, OLD), (OLD + 2, OLD), (OLD + MAX_JUMP + 2,), (NEW,)]
)
def test_others_are_refused(seqs: tuple[int, ...]) -> None:
    with pytest.raises(BadFrameError):
        check(*map(packet, seqs))


def test_another_server_process_begins_at_its_start_time() -> None:
    check(packet(OLD), packet(NEW, FLAG_FIRST), packet(NEW + 2))


def test_but_not_in_the_far_future_which_would_shut_out_everybody_else() -> None:
    with pytest.raises(BadFrameError):
        check(packet(NEW + MAX_CLOCK_STEP * 1_000_000 + 2, FLAG_FIRST))


def test_behind_its_first_frame_the_usual_bound_holds() -> None:
    with pytest.raises(BadFrameError):
        check(packet(NEW, FLAG_FIRST), packet(NEW + MAX_JUMP + 2))


def test_packets_that_no_parent_has_are_missing() -> None:
    assert missing(OLD + 10, expected=OLD, begins=OLD - 100, stripes=2, jump=MAX_JUMP) == 5
    assert missing(OLD, expected=OLD + 10, begins=OLD - 100, stripes=2, jump=MAX_JUMP) == 0


def test_numbers_before_the_present_server_process_are_not_missing() -> None:
    assert missing(NEW, expected=OLD, begins=NEW, stripes=2, jump=MAX_JUMP) == 0
    assert missing(NEW + 10, expected=OLD, begins=NEW, stripes=2, jump=MAX_JUMP) == 5
    assert missing(OLD, expected=OLD, begins=NEW, stripes=2, jump=MAX_JUMP) == 0


def test_an_absurd_offer_is_refused() -> None:
    with pytest.raises(BadMessageError):
        missing(NEW + MAX_JUMP + 1, expected=OLD, begins=NEW, stripes=2, jump=MAX_JUMP)


def test_who_has_slept_for_hours_takes_what_comes_then() -> None:
    hours = NEW + 3 * 3_600_000_000
    jump = most_missing(NEW, hours)
    ahead = 5_000_000
    check(packet(OLD + ahead), now=hours, jump=jump)
    assert missing(OLD + ahead, expected=OLD, begins=OLD, stripes=2, jump=jump) == ahead // 2
    assert most_missing(NEW, NEW) == most_missing(NEW, NEW - 1) == MAX_JUMP
    with pytest.raises(BadFrameError):
        check(packet(OLD + jump + 2), now=hours, jump=jump)
