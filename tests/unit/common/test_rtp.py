"""RTP headers."""

from hypothesis import given
from hypothesis import strategies as st

from common import rtp
from tests.support.rtp_packets import rtp_packet

HEADER = rtp.Header(
    marker=True, payload_type=96, sequence=0xFFFE, timestamp=0x1234_5678, ssrc=0xCAFE
)
PLAIN = rtp_packet(HEADER, b"payload")
DRESSED = (
    bytes([0x80 | 0x20 | 0x10 | 2, 96])
    + PLAIN[2:12]
    + b"CSR1CSR2"  # two contributing sources
    + bytes([0xBE, 0xDE, 0, 1])
    + b"EXTN"  # extension of one word
    + b"payload"
    + bytes([0, 0, 3])  # three bytes of padding
)


def test_a_header_is_read_as_it_was_built() -> None:
    assert rtp.parse(PLAIN) == HEADER
    assert rtp.sequence(PLAIN) == 0xFFFE


def test_the_payload_begins_after_sources_and_extension_and_ends_before_the_padding() -> None:
    assert rtp.payload(PLAIN) == b"payload"
    assert rtp.payload(DRESSED) == b"payload"


def test_rewriting_changes_sequence_timestamp_and_ssrc_and_nothing_else() -> None:
    changed = rtp.rewrite(DRESSED, sequence=2**16 + 7, timestamp=2**32 + 8, ssrc=9)
    assert rtp.parse(changed) == rtp.Header(False, 96, 7, 8, 9)
    assert changed[:2] == DRESSED[:2]
    assert changed[12:] == DRESSED[12:]


def test_what_is_not_rtp_is_not_read() -> None:
    for packet in (
        b"",
        PLAIN[:11],
        b"\x00" + PLAIN[1:],  # version 0
        b"\x80\xc8" + PLAIN[2:],  # an RTCP sender report
        b"\x8f" + PLAIN[1:],  # fifteen contributing sources that are not there
        b"\x90" + PLAIN[1:12] + b"\0\0",  # half an extension header
        b"\x90" + PLAIN[1:12] + b"\0\0\0\x09",  # an extension that is not there
        b"\xa0" + PLAIN[1:-1] + b"\0",  # padding of no bytes
        b"\xa0" + PLAIN[1:-1] + b"\xff",  # more padding than packet
    ):
        assert rtp.parse(packet) is None
        assert rtp.payload(packet) == b""


def test_rtcp_is_told_from_rtp_by_its_second_byte() -> None:
    assert rtp.is_rtcp(b"\x80\xc8")
    assert not rtp.is_rtcp(PLAIN)
    assert not rtp.is_rtcp(b"\x80")


@given(st.binary(max_size=64))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    where = rtp.payload_range(data)
    assert (where is None) == (rtp.parse(data) is None)
    assert where is None or 12 <= where[0] <= where[1] <= len(data)
