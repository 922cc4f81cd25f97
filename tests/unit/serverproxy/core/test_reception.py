"""What receiver reports say."""

from common import rtcp
from common.rtp import Header
from serverproxy.core.reception import Reception


def header(number: int, *, timestamp: int = 0, ssrc: int = 5) -> Header:
    return Header(False, 96, number & 0xFFFF, timestamp & 0xFFFF_FFFF, ssrc)


def test_nothing_is_reported_before_the_first_packet() -> None:
    assert Reception(90_000).report(1.0) is None


def test_losses_are_counted_over_the_wrap_and_per_interval() -> None:
    reception = Reception(90_000)
    for number in (65_533, 65_534, 1, 2):  # 65535 and 0 are missing
        reception.packet(header(number), 0.0)
    block = reception.report(1.0)
    assert block is not None
    assert (block.ssrc, block.lost, block.highest) == (5, 2, 65_538)
    assert block.fraction_lost == 2 * 256 // 6
    for number in (3, 4):
        reception.packet(header(number), 0.0)
    block = reception.report(2.0)
    assert block is not None
    assert (block.fraction_lost, block.lost) == (0, 2)


def test_a_packet_out_of_order_is_not_lost() -> None:
    reception = Reception(90_000)
    for number in (1, 3, 2):
        reception.packet(header(number), 0.0)
    assert reception.lost == 0


def test_jitter_is_nought_for_packets_as_even_as_their_timestamps() -> None:
    reception = Reception(90_000)
    for n in range(100):
        reception.packet(header(n, timestamp=2**32 - 90_000 + n * 900), n / 100)
    block = reception.report(1.0)
    assert block is not None
    assert block.jitter == 0


def test_jitter_is_measured_in_ticks_of_the_clock() -> None:
    reception = Reception(90_000)
    for n in range(200):
        reception.packet(header(n, timestamp=n * 900), n / 100 + (n % 2) * 0.01)
    block = reception.report(1.0)
    assert block is not None
    assert 850 <= block.jitter <= 950


def test_the_report_tells_how_long_ago_the_sender_report_came() -> None:
    reception = Reception(90_000)
    reception.packet(header(1), 0.0)
    reception.sender_report(rtcp.SenderInfo(5, 0x1111_2222_3333_4444, 0, 0, 0), 10.0)
    block = reception.report(12.5)
    assert block is not None
    assert (block.last_sr, block.delay) == (0x2222_3333, int(2.5 * 65536))


def test_a_new_ssrc_keeps_the_losses_of_the_one_before() -> None:
    reception = Reception(90_000)
    for number in (1, 3):
        reception.packet(header(number), 0.0)
    for number in (100, 102):
        reception.packet(header(number, ssrc=6), 0.0)
    assert reception.lost == 2
    block = reception.report(1.0)
    assert block is not None
    assert (block.ssrc, block.lost) == (6, 1)


def test_a_jump_in_the_numbers_is_no_loss() -> None:
    reception = Reception(90_000)
    reception.packet(header(1), 0.0)
    reception.packet(header(30_000), 0.0)
    assert reception.lost == 0
