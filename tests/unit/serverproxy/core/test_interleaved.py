"""Messages and packets out of one byte stream."""

import pytest
from aiortsp.rtsp.parser import RTSPParser
from hypothesis import given
from hypothesis import strategies as st

from common.errors import PeerError
from serverproxy.core.interleaved import (
    MAX_HEADER_BYTES,
    BadRtspError,
    InterleavedReader,
    NotRtspError,
    Piece,
)

OK = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"
FRAME = b"$\x01\x00\x03abc"


def read(data: bytes) -> list[Piece]:
    return InterleavedReader().feed(data)


def test_messages_and_packets_come_out_in_order() -> None:
    body = b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Length: 5\r\n\r\nv=0\r\n"
    assert read(OK + FRAME + body + FRAME) == [
        Piece(None, OK),
        Piece(1, b"abc"),
        Piece(None, body),
        Piece(1, b"abc"),
    ]


@given(st.lists(st.integers(1, 30)))
def test_it_does_not_matter_how_the_bytes_are_cut(cuts: list[int]) -> None:
    """A chunk that ends after the single byte `R` makes aiortsp's parser take it for a request."""
    stream = OK + FRAME + b"OPTIONS * RTSP/1.0\r\nCSeq: 9\r\n\r\n" + FRAME + b"\r\n" + OK
    reader, got, at = InterleavedReader(), [], 0
    for cut in [*cuts, len(stream)]:
        got += reader.feed(stream[at : at + cut])
        at += cut
    assert got == read(stream)
    assert len(got) == 5


@pytest.mark.parametrize(
    "written",
    [
        b"RTSP/1.0 200\r\nCSeq: 7\r\n\r\n",  # no reason phrase
        b"RTSP/1.0 200 OK\nCSeq: 7\n\n",  # LF alone
        b"RTSP/1.0 200 OK\r\nServer: a\r\n b\r\nCSeq: 7\r\n\r\n",  # folded
        b"RTSP/1.0 200 OK\r\nServer: Kam\xe9ra\r\nCSeq: 7\r\n\r\n",  # Latin-1
        b"RTSP/1.0 200 OK\r\nCseq:7\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nnonsense\r\nCSeq: 7\r\n\r\n",
        b"\r\n\r\nRTSP/1.0 200 OK\r\nCSeq: 7\r\n\r\n",
    ],
)
def test_what_cameras_write_becomes_what_the_parser_reads(written: bytes) -> None:
    (piece,) = read(written)
    (message,) = RTSPParser().parse(piece.data)
    assert message.type == "response"
    assert (message.status, message.cseq) == (200, 7)


def test_what_is_not_rtsp_is_said_at_once() -> None:
    for greeting in (
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x16\x03\x01",
    ):
        with pytest.raises(NotRtspError, match="not RTSP"):
            read(greeting)


def test_junk_between_packets_is_skipped_and_counted() -> None:
    reader = InterleavedReader()
    assert reader.feed(OK + b"\0\0junk" + FRAME + b"RT") == [Piece(None, OK), Piece(1, b"abc")]
    assert reader.junk_bytes == 6
    assert reader.feed(OK[2:]) == [Piece(None, OK)]


def test_junk_without_end_ends_the_connection() -> None:
    reader = InterleavedReader()
    reader.feed(OK)
    with pytest.raises(BadRtspError, match="neither"):
        reader.feed(b"j" * 300_000)


@pytest.mark.parametrize(
    ("written", "why"),
    [
        (b"RTSP/1.0 200 OK\r\nX: " + b"x" * MAX_HEADER_BYTES, "headers of more than"),
        (b"RTSP/1.0 200 OK\r\nContent-Length: 9999999\r\n\r\n", "Content-Length"),
        (b"RTSP/1.0 200 OK\r\nContent-Length: -1\r\n\r\n", "Content-Length"),
        (b"RTSP/1.0 200 OK\r\nCSeq: \xb2\r\n\r\n", "CSeq"),
        (b"RTSP/1.0 OK\r\n\r\n", "status line"),
    ],
)
def test_messages_out_of_bounds_are_refused(written: bytes, why: str) -> None:
    with pytest.raises(BadRtspError, match=why):
        read(written)


@given(
    st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([OK, FRAME, b"$", b"RTSP/1.0 "])))
)
def test_any_bytes_are_taken_or_refused(chunks: list[bytes]) -> None:
    reader = InterleavedReader()
    try:
        for chunk in chunks:
            reader.feed(chunk)
    except PeerError:
        pass
