"""Requests, replies and interleaved frames out of bytes, however they are cut."""

import pytest

from common.errors import RtspError
from common.rtsp.messages import Interleaved, Message, Reply, Request
from common.rtsp.parser import MAX_BODY_BYTES, MAX_HEAD_BYTES, MAX_URI_BYTES, MessageReader

DESCRIBE = (
    b"DESCRIBE rtsp://h/cam RTSP/1.0\r\nCSeq: 2\r\nAccept: application/sdp\r\n"
    b"User-Agent: LibVLC/3.0.24 (LIVE555 Streaming Media v2016.11.28)\r\n\r\n"
)


def read(data: bytes, chunk: int | None = None) -> list[Message]:
    reader = MessageReader()
    messages: list[Message] = []
    size = chunk or max(1, len(data))
    for at in range(0, len(data), size):
        reader.feed(data[at : at + size])
        while (message := reader.next_message()) is not None:
            messages.append(message)
    return messages


def request(data: bytes) -> Request:
    (message,) = read(data)
    assert isinstance(message, Request)
    return message


def status(data: bytes) -> int:
    with pytest.raises(RtspError) as caught:
        read(data)
    return caught.value.status


def test_a_request_is_split_into_its_parts() -> None:
    message = request(DESCRIBE)
    assert (message.method, message.uri, message.version) == (
        "DESCRIBE",
        "rtsp://h/cam",
        "RTSP/1.0",
    )
    assert message.headers.first("cseq") == "2"
    assert message.headers.first("ACCEPT") == "application/sdp"
    assert message.headers.first("Session") is None
    assert message.body == b""


def test_a_body_is_as_long_as_it_says_and_the_next_request_follows() -> None:
    first = b"SET_PARAMETER * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 5\r\n\r\nvol:1"
    one, two = read(first + DESCRIBE)
    assert isinstance(one, Request)
    assert one.body == b"vol:1"
    assert isinstance(two, Request)
    assert two.method == "DESCRIBE"


def test_interleaved_frames_stand_between_messages() -> None:
    data = b"$\x01\x00\x08" + bytes(8) + DESCRIBE + b"$\x00\x00\x00"
    one, two, three = read(data)
    assert one == Interleaved(1, bytes(8))
    assert isinstance(two, Request)
    assert three == Interleaved(0, b"")


def test_a_reply_is_read_with_its_body_and_given_up() -> None:
    data = b"RTSP/1.0 501 Not Implemented\r\nContent-Length: 2\r\n\r\nxx" + b"RTSP/1.0 200\r\n\r\n"
    assert read(data) == [Reply(501), Reply(200)]


@pytest.mark.parametrize("chunk", [1, 2, 3, 7])
def test_how_bytes_are_cut_makes_no_difference(chunk: int) -> None:
    body = b"OPTIONS rtsp://h/cam RTSP/1.0\r\nContent-Length: 9\r\n\r\n\r\n\r\nhello"
    data = b"\r\n" + DESCRIBE + b"$\x00\x00\x02ab\r\n" + body + DESCRIBE.replace(b"\r\n", b"\n")
    pieces = read(data, chunk)
    assert [type(piece) for piece in pieces] == [Request, Interleaved, Request, Request]
    requests = [piece for piece in pieces if isinstance(piece, Request)]
    assert [r.uri for r in requests] == ["rtsp://h/cam"] * 3
    assert [r.body for r in requests] == [b"", b"\r\n\r\nhello", b""]


def test_repeated_header_fields_are_kept_in_order() -> None:
    """GStreamer with its RealMedia module sends User-Agent twice."""
    message = request(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: a\r\nuser-agent: b\r\n\r\n")
    assert message.headers.first("User-Agent") == "a"
    assert message.headers.joined("User-Agent") == "a,b"


def test_folded_header_fields_are_joined() -> None:
    message = request(b"OPTIONS * RTSP/1.0\r\nTransport: RTP/AVP;unicast,\r\n\tRTP/AVP/TCP\r\n\r\n")
    assert message.headers.first("Transport") == "RTP/AVP;unicast, RTP/AVP/TCP"


def test_bytes_that_are_no_text_do_no_harm() -> None:
    message = request(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: \xff\xfe\r\n\r\n")
    assert message.headers.first("CSeq") == "1"


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\n\n",
        b"PUT / HTTP/1.1\r\nHost: h\r\n\r\n",
        b"GET / HTTP/2\r\nHost: h\r\n\r\n",
        b"GET /\r\n\r\n",
        b"OPTIONS *\r\n\r\n",
        b"OPTIONS * RTSP/1.0\r\nno colon\r\n\r\n",
        b"OPTIONS * RTSP/1.0\r\n: no name\r\n\r\n",
        b"OPTIONS * RTSP/1.0\r\n folded onto nothing\r\n\r\n",
        b"OPTIONS * RTSP/1.0\r\nContent-Length: -1\r\n\r\n",
        b"OPTIONS * RTSP/1.0\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"RTSP/1.0\r\n\r\n",
        b"RTSP/1.0 abc\r\n\r\n",
    ],
)
def test_what_is_no_rtsp_is_a_bad_request(data: bytes) -> None:
    assert status(data) == 400


def test_a_content_length_said_twice_alike_is_fine() -> None:
    data = b"OPTIONS * RTSP/1.0\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx"
    assert request(data).body == b"x"


def test_a_head_has_a_limit_even_without_an_end() -> None:
    line = b"OPTIONS * RTSP/1.0\r\nX: "
    assert status(line + b"a" * MAX_HEAD_BYTES) == 400
    assert status(line + b"a" * MAX_HEAD_BYTES + b"\r\n\r\n") == 400
    fits = line + b"a" * (MAX_HEAD_BYTES - len(line)) + b"\r\n\r\n"
    assert request(fits).method == "OPTIONS"


def test_a_body_has_a_limit() -> None:
    head = b"SET_PARAMETER * RTSP/1.0\r\nContent-Length: %d\r\n\r\n"
    assert status(head % (MAX_BODY_BYTES + 1)) == 413
    assert status(head % 10**30) == 413
    assert len(request(head % MAX_BODY_BYTES + bytes(MAX_BODY_BYTES)).body) == MAX_BODY_BYTES


def test_a_url_has_a_limit() -> None:
    line = b"OPTIONS rtsp://h/%b RTSP/1.0\r\n\r\n"
    assert status(line % (b"a" * MAX_URI_BYTES)) == 414
    assert request(line % (b"a" * (MAX_URI_BYTES - 9))).method == "OPTIONS"
