"""The log of a stripe and its cursors."""

import pytest

from common.frame import FLAG_FIRST, HEADER_BYTES, Packet, encode
from common.stripelog import StripeLog

SIZE = HEADER_BYTES + 10


def packet(seq: int, capture: float = 0.0, size: int = 10) -> Packet:
    return Packet(seq, int(capture * 1e6), 0, 0, bytes(size))


def log(max_bytes: int = 1 << 20, max_age: float = 15.0) -> StripeLog:
    return StripeLog(max_bytes=max_bytes, max_age=max_age)


def append(one: StripeLog, *packets: Packet) -> list[int]:
    return [new.seq for new in one.append(packets, [encode(packet) for packet in packets])]


def frames(*seqs: int) -> bytes:
    return b"".join(encode(packet(seq)) for seq in seqs)


def test_an_empty_log_has_nothing_to_read() -> None:
    one = log()
    assert one.newest is None
    assert (len(one), one.size_bytes, one.rate_bytes, one.newest_capture_us) == (0, 0, 0.0, 0)
    assert one.read(5, 1000) == (b"", 5, 0)
    assert one.first_from(0) is None
    assert one.since_capture(0) == 0
    assert append(one) == []


def test_a_reader_gets_the_bytes_that_came() -> None:
    one = log()
    assert append(one, packet(10), packet(12), packet(14)) == [10, 12, 14]
    assert one.newest == 14
    assert len(one) == 3
    assert one.size_bytes == 3 * SIZE
    assert one.read(10, 1000) == (frames(10, 12, 14), 15, 3)
    assert one.read(11, 1000) == (frames(12, 14), 15, 2)
    assert one.read(15, 1000) == (b"", 15, 0)
    assert one.read(99, 1000) == (b"", 99, 0)


def test_a_reader_that_is_ahead_waits() -> None:
    one = log()
    append(one, packet(10))
    assert one.read(12, 1000) == (b"", 12, 0)
    append(one, packet(12))
    assert one.read(12, 1000) == (frames(12), 13, 1)


def test_a_reader_before_the_first_frame_gets_all() -> None:
    one = log()
    append(one, packet(10))
    assert one.read(0, 1000) == (frames(10), 11, 1)
    assert one.floor == 0


def test_no_more_than_asked_for_is_read_but_one_frame_always() -> None:
    one = log()
    append(one, *(packet(seq) for seq in range(5)))
    assert one.read(0, 2 * SIZE) == (frames(0, 1), 2, 2)
    assert one.read(2, 2 * SIZE + 1) == (frames(2, 3), 4, 2)
    assert one.read(0, 1) == (frames(0), 1, 1)
    assert one.read(4, 1) == (frames(4), 5, 1)
    assert one.read(4, 1) == (frames(4), 5, 1)


def test_readers_at_the_same_place_share_one_string() -> None:
    one = log()
    append(one, packet(0), packet(1))
    first, _, _ = one.read(0, 1000)
    again, _, _ = one.read(0, 500)
    assert again is first


def test_what_another_reader_was_given_is_not_too_much_for_this_one() -> None:
    one = log()
    append(one, *(packet(seq) for seq in range(5)))
    one.read(0, 1000)
    assert one.read(0, 2 * SIZE) == (frames(0, 1), 2, 2)


def test_what_another_reader_was_given_is_not_all_there_is_later() -> None:
    one = log()
    append(one, packet(0))
    one.read(0, 1000)
    append(one, packet(1))
    assert one.read(0, 1000) == (frames(0, 1), 2, 2)


def test_what_two_parents_send_is_logged_once() -> None:
    one = log()
    append(one, packet(0), packet(2), packet(4))
    assert append(one, packet(2), packet(4), packet(6)) == [6]
    assert append(one, packet(4), packet(6)) == []
    assert one.read(0, 1000) == (frames(0, 2, 4, 6), 7, 4)


def test_the_oldest_frames_fall_off_beyond_the_bytes() -> None:
    one = log(max_bytes=3 * SIZE)
    append(one, *(packet(seq) for seq in range(10, 15)))
    assert one.floor == 12
    assert len(one) == 3
    assert one.size_bytes == 3 * SIZE
    assert one.read(0, 1000) == (frames(12, 13, 14), 15, 3)


def test_the_oldest_frames_fall_off_beyond_the_age() -> None:
    one = log(max_age=2.0)
    append(one, packet(0, 0.0), packet(1, 1.0), packet(2, 2.0))
    assert one.floor == 0
    append(one, packet(3, 3.5))
    assert one.floor == 2
    assert one.first_from(0) == 2


def test_the_newest_frame_stays_however_long_it_is() -> None:
    one = log(max_bytes=10)
    append(one, packet(0, size=1000), packet(1, size=1000))
    assert len(one) == 1
    assert one.first_from(0) == 1


def test_frames_that_are_all_but_empty_are_bounded_too() -> None:
    """A frame takes more memory than its bytes: a million empty ones are not 23 MB."""
    one = log(max_bytes=1 << 20)
    append(one, *(packet(seq, size=0) for seq in range(40_000)))
    assert one.size_bytes < 1 << 20
    assert len(one) == 4096 + (1 << 20) // 128
    assert one.floor == 40_000 - len(one)


def test_a_log_that_has_run_for_long_reads_as_before() -> None:
    one = log(max_bytes=100 * SIZE)
    for seq in range(0, 30_000, 3):
        append(one, packet(seq, seq / 1000))
    assert len(one) == 100
    assert one.newest == 29_997
    assert one.floor == 29_997 - 100 * 3 + 1
    assert one.first_from(one.floor) == 29_997 - 99 * 3
    assert one.read(29_990, 1000) == (
        b"".join(encode(packet(seq, seq / 1000)) for seq in (29_991, 29_994, 29_997)),
        29_998,
        3,
    )
    assert one.since_capture(29_994_000) == 29_994


def test_the_first_frame_from_a_cursor_on_is_found() -> None:
    one = log()
    append(one, packet(10), packet(20))
    assert one.first_from(0) == 10
    assert one.first_from(11) == 20
    assert one.first_from(21) is None


def test_a_cursor_is_found_by_capture_time() -> None:
    one = log()
    append(one, packet(10, 1.0), packet(12, 2.0))
    assert one.newest_capture_us == 2_000_000
    assert one.since_capture(0) == 10
    assert one.since_capture(1_000_001) == 12
    assert one.since_capture(2_000_001) == 13


def test_the_rate_is_bytes_over_capture_time() -> None:
    one = log()
    append(one, packet(0, 1.0))
    assert one.rate_bytes == 0.0
    append(one, packet(1, 1.0))
    assert one.rate_bytes == 0.0
    append(one, packet(2, 3.0))
    assert one.rate_bytes == pytest.approx(3 * SIZE / 2)


def test_the_seconds_are_capture_time_from_the_oldest_to_the_newest() -> None:
    one = log()
    assert one.seconds == 0.0
    append(one, packet(0, 1.0), packet(1, 3.5))
    assert one.seconds == 2.5
    append(one, packet(2, 1000.0), packet(3, 1000.5))  # what is older has fallen off
    assert one.seconds == 0.5


def test_a_log_that_is_cleared_takes_lower_numbers() -> None:
    one = log(max_bytes=SIZE)
    append(one, packet(10), packet(11))
    one.clear()
    assert one.newest is None
    assert (len(one), one.size_bytes, one.floor) == (0, 0, 0)
    assert append(one, packet(3)) == [3]
    assert one.read(0, 1000) == (frames(3), 4, 1)


def test_nothing_is_missing_before_the_first_frame_of_another_server_process() -> None:
    """A child that asks for what comes behind the old one's last frame lacks nothing."""
    one = log(max_bytes=3 * SIZE)
    append(one, packet(10), packet(12), packet(1000)._replace(flags=FLAG_FIRST), packet(1002))
    assert one.first_from(14) == 14
    assert one.read(14, SIZE)[1] == 1001
    assert one.first_from(12) == 12
    assert one.first_from(1001) == 1002
    append(one, packet(1004), packet(1006))
    assert one.first_from(one.floor) == 1002, "here the first frame has fallen off"


def test_what_a_log_keeps_can_change_while_it_is_read() -> None:
    """What is too much goes with the next frames."""
    one = log()
    append(one, *(packet(seq, seq) for seq in range(10)))
    one.keep(max_bytes=1 << 20, max_age=3.0)
    assert len(one) == 10
    append(one, packet(10, 10.0))
    assert one.first_from(0) == 7
    one.keep(max_bytes=2 * SIZE, max_age=15.0)
    append(one, packet(11, 11.0))
    assert one.read(0, 1 << 20) == (frames_at(10, 11), 12, 2)


def frames_at(*seqs: int) -> bytes:
    return b"".join(encode(packet(seq, seq)) for seq in seqs)
