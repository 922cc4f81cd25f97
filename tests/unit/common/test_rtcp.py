"""RTCP compounds, read and built."""

from hypothesis import given
from hypothesis import strategies as st

from common import rtcp
from tests.support.rtp_packets import report_blocks

INFO = rtcp.SenderInfo(ssrc=7, ntp=0x83AA_7E80_8000_0000, rtp=90_000, packets=12, octets=3456)
BLOCK = rtcp.ReportBlock(
    ssrc=7, fraction_lost=64, lost=-3, highest=0x1_0005, jitter=22, last_sr=0xAABBCCDD, delay=65536
)
COMPOUND = (
    rtcp.sender_report(INFO, [BLOCK]) + rtcp.source_description(7, "name") + rtcp.bye(7, "the end")
)


def test_a_compound_is_walked_part_by_part() -> None:
    assert [part.kind for part in rtcp.walk(COMPOUND)] == [rtcp.SR, rtcp.SDES, rtcp.BYE]
    assert rtcp.is_valid(COMPOUND)


def test_a_sender_report_is_read_as_it_was_built() -> None:
    assert rtcp.sender_info(COMPOUND) == INFO
    assert report_blocks(COMPOUND) == [BLOCK]


def test_a_receiver_report_is_read_as_it_was_built() -> None:
    report = rtcp.receiver_report(1, [BLOCK, BLOCK._replace(lost=5)])
    assert report_blocks(report) == [BLOCK, BLOCK._replace(lost=5)]
    assert rtcp.sender_info(report) is None


def test_figures_that_do_not_fit_are_bounded() -> None:
    report = rtcp.receiver_report(1, [BLOCK._replace(lost=2**30, fraction_lost=999, jitter=2**40)])
    (block,) = report_blocks(report)
    assert (block.lost, block.fraction_lost, block.jitter) == (0x7F_FFFF, 255, 0xFFFF_FFFF)


def test_goodbyes_name_their_senders() -> None:
    assert rtcp.byes(COMPOUND) == {7}
    assert rtcp.byes(rtcp.receiver_report(7)) == set()
    assert rtcp.byes(rtcp.bye(1) + rtcp.bye(2)) == {1, 2}


def test_parts_are_whole_words_whatever_their_text() -> None:
    for size in range(9):
        text = "x" * size
        assert len(rtcp.source_description(1, text)) % 4 == 0
        assert len(rtcp.bye(1, text)) % 4 == 0


def test_feedback_types_are_walked_past() -> None:
    """205, 206 and 207 came after RFC 3550; aiortsp's own parser raises for them."""
    feedback = b"\x81\xcd\x00\x03" + bytes(12)
    assert rtcp.byes(feedback + rtcp.bye(9)) == {9}


def test_what_was_valid_before_a_fault_is_returned() -> None:
    assert [part.kind for part in rtcp.walk(COMPOUND + b"\x00garbage")] == [200, 202, 203]
    assert [part.kind for part in rtcp.walk(COMPOUND[:-1])] == [200, 202]
    assert not rtcp.is_valid(b"\x80\xc8\x00\x06")  # promises more than there is
    assert rtcp.byes(b"\x9f\xcb\x00\x01" + bytes(4)) == {0}  # promises 31 sources, holds one


@given(st.binary(max_size=128))
def test_any_bytes_are_read_without_a_fault(data: bytes) -> None:
    rtcp.walk(data)
    rtcp.sender_info(data)
    rtcp.byes(data)
