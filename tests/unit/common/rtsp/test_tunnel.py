"""What crosses the wire where RTSP goes through HTTP."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import RtspError
from common.rtsp.messages import Headers, Request
from common.rtsp.parser import MessageReader
from common.rtsp.tunnel import MAX_COOKIE_CHARS, Unwrapper, cookie, refusal


@given(
    st.lists(st.binary(max_size=40), max_size=6),
    st.integers(1, 50),
    st.sampled_from([b"", b"\r\n"]),
)
def test_messages_that_are_padded_each_come_out_whole_however_they_are_cut(
    messages: list[bytes], size: int, between: bytes
) -> None:
    text = between.join(base64.b64encode(message) for message in messages)
    unwrapper = Unwrapper()
    got = b"".join(unwrapper.feed(text[at : at + size]) for at in range(0, len(text), size))
    assert got == b"".join(messages)


@given(st.binary(max_size=60))
def test_anything_is_base64_or_a_bad_request(data: bytes) -> None:
    status = 400
    try:
        Unwrapper().feed(data)
    except RtspError as error:
        status = error.status
    assert status == 400


@pytest.mark.parametrize(
    "data", [b"AA A", b"AAA!", b"=AAA", b"A===", b"AA=A", b"AA==A===", b"A-_A"]
)
def test_what_is_no_base64_is_refused(data: bytes) -> None:
    with pytest.raises(RtspError):
        Unwrapper().feed(data)


@pytest.mark.parametrize("value", ["", "x" * (MAX_COOKIE_CHARS + 1), "\x01", "é"])
def test_a_cookie_is_a_short_word(value: str) -> None:
    with pytest.raises(RtspError, match="400"):
        cookie(Request("GET", "/", "HTTP/1.0", Headers([("X-SessionCookie", value)])))


def test_a_cookie_is_needed() -> None:
    with pytest.raises(RtspError, match="404"):
        cookie(Request("GET", "/", "HTTP/1.0"))
    known = Headers([("x-SessionCookie", "tD9hKgAAfB8ABCftAAAAAw")])
    assert cookie(Request("GET", "/", "HTTP/1.0", known)) == "tD9hKgAAfB8ABCftAAAAAw"


def test_a_refusal_is_http_with_a_sentence() -> None:
    head, _, body = refusal(404).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.0 404 Not Found\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert refusal(461).startswith(b"HTTP/1.0 400 ")


def test_what_follows_a_post_is_left_to_who_takes_it() -> None:
    reader = MessageReader()
    reader.feed(b"POST / HTTP/1.0\r\nContent-Length: 32767\r\n\r\nT1BUSU9OUw==")
    message = reader.next_message()
    assert isinstance(message, Request)
    assert (message.method, message.body) == ("POST", b"")
    assert reader.rest() == b"T1BUSU9OUw=="
    assert reader.rest() == b""
