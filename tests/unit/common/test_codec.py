"""Messages as bytes, from friends and from foes."""

import json

import pytest

from common.attach import Probe, ProbeReply
from common.codec import (
    MAX_JSON_BYTES,
    MAX_PATH_BYTES,
    MessageReader,
    decode_end,
    decode_first,
    decode_from_node,
    decode_from_parent,
    decode_path,
    decode_stream,
    encode_body,
    encode_message,
)
from common.errors import BadMessageError, PeerError, VersionError
from common.fields import EndFrame, PathEntry, Stream, Track
from common.frame import MAX_PAYLOAD_BYTES
from common.messages import VERSION, Announce, Hello, Join, Leave, Refused, Rejoin

REPLY = '{"MessageType":"ProbeReply","stripes":[0],"newest":%s,"delay":%s,"free_slots":1}'


def taken(reader: MessageReader, data: bytes) -> list[bytes]:
    reader.feed(data)
    texts = []
    while (text := reader.take()) is not None:
        texts.append(text)
    return texts


# --- length and JSON


def test_a_message_is_five_digits_a_newline_and_one_json_object() -> None:
    assert encode_message(Leave()) == b'00023\n{"MessageType":"Leave"}'


def test_messages_come_back_however_they_are_cut() -> None:
    data = encode_message(Leave()) + encode_message(Hello(version=1, nonce="n"))
    whole = taken(MessageReader(), data)
    assert len(whole) == 2
    reader = MessageReader()
    assert [text for byte in data for text in taken(reader, bytes([byte]))] == whole
    assert decode_from_node(whole[0]) == Leave()
    assert decode_first(whole[1]) == Hello(version=1, nonce="n")


def test_what_is_behind_the_last_message_is_frames() -> None:
    reader = MessageReader()
    reader.feed(encode_message(Leave()) + b"\0\0\0\1\6")
    assert reader.take() is not None
    assert reader.rest() == b"\0\0\0\1\6"
    assert reader.rest() == b""
    assert reader.take() is None


@pytest.mark.parametrize(
    "data",
    [
        b"x",
        b"\x16\x03\x01\x02\x00",  # a TLS ClientHello
        b"GET / HTTP/1.1\r\n",
        b"OPTIONS rtsp://h/ RTSP/1.0\r\n",
        b"-0001\n",
        b"+0001\n",
        b" 0001\n",
        b"12_45\n",
        "\u0661\u0662".encode(),
        b"1234\n{",
        b"00001x{",
        b"000012\n",
        b"\0\0\0\0\0\0",
    ],
)
def test_what_does_not_begin_with_a_length_is_refused(data: bytes) -> None:
    reader = MessageReader()
    reader.feed(data)
    with pytest.raises(BadMessageError):
        reader.take()


def test_a_message_of_length_0_is_no_json() -> None:
    (text,) = taken(MessageReader(), b"00000\n")
    with pytest.raises(BadMessageError):
        decode_first(text)


def test_the_longest_message_fits_and_one_byte_more_does_not() -> None:
    data = b"99999\n" + b"x" * MAX_JSON_BYTES
    assert taken(MessageReader(), data) == [b"x" * MAX_JSON_BYTES]
    tracks = (Track(0, "video", "H264", 90_000, 96),)
    fits = Stream(1, 1, "s", tracks)
    assert decode_stream(encode_body(fits)) == fits


def test_a_message_that_is_too_long_is_not_sent() -> None:
    with pytest.raises(ValueError, match=r"Announce of 100\d+ bytes"):
        encode_message(Announce(source_up=False, reason="x" * 100_000))


# --- fields

HOSTILE = [
    b"",
    b"null",
    b"[]",
    b"{}",
    b"1",
    b'"Leave"',
    b'{"MessageType":1}',
    b'{"MessageType":null}',
    b'{"MessageType":["Refused"]}',
    b'{"MessageType":"refused","reason":"x","sentence":""}',
    b'{"MessageType":"Nonsense"}',
    b'{"MessageType":"ProbeReply","MessageType":"Refused","reason":"x","sentence":""}',
    b'{"MessageType":"Refused","reason":"x"}',
    b'{"MessageType":"Refused","reason":"","sentence":""}',
    b'{"MessageType":"Refused","reason":"x","sentence":"","more":1}',
    b'{"MessageType":"Refused","reason":"x","sentence":""} {}',
    b'{"MessageType":"Refused","reason":"x","sentence":"\0"}',
    b'{"MessageType":"Refused","reason":"x","sentence":"\xff"}',
    b'{"MessageType":"Refused","reason":"x","sentence":"\xed\xa0\x80"}',
    b'{"MessageType":"Refused","reason":"x","sentence":"\\ud800"}',
    b'{"MessageType":"Refused","reason":"x","sentence":"\\udc00\\ud800"}',
    b'{"MessageType":"Refused","reason":"x","sentence":"","retry_after":-1}',
    b'{"MessageType":"Refused","reason":"x","sentence":"","retry_after":1e300}',
    b'\xef\xbb\xbf{"MessageType":"Refused","reason":"x","sentence":""}',
    '{"MessageType":"Refused","reason":"x","sentence":""}'.encode("utf-16"),
    b"[" * MAX_JSON_BYTES,
    b'{"a":' * 9_000,
    b'{"MessageType":' + b'{"a":' * 9_000,
    b'{"MessageType":"Refused","reason":"x","sentence":"","more":' + b"[" * 40_000,
    *((REPLY % (newest, 0)).encode() for newest in ("-1", "1.0", "1e3", "true", "null", '"1"')),
    *((REPLY % (newest, 0)).encode() for newest in (2**63, 2**64, 2**64 - 1, "9" * 40_000)),
    *((REPLY % (0, delay)).encode() for delay in ("NaN", "Infinity", "-Infinity", "nan", "1e999")),
    *((REPLY % (0, delay)).encode() for delay in ("-1e999", "1e14", "9" * 400, "null", '"0"')),
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text[-40:]))
def test_a_hostile_message_ends_in_a_bad_message_error(text: bytes) -> None:
    for decode in (decode_from_parent, decode_first, decode_path, decode_end, decode_stream):
        if (decode, text) != (decode_path, b"[]"):
            with pytest.raises(BadMessageError) as caught:
                decode(text)
            assert caught.value.reason == "bad_request"


def test_of_a_key_that_comes_twice_the_last_is_taken() -> None:
    text = b'{"MessageType":"Refused","reason":"x","reason":"y","sentence":""}'
    assert decode_from_parent(text) == Refused(reason="y", sentence="")


def test_a_number_that_is_not_finite_cannot_be_sent() -> None:
    """JSON has no NaN: the codec writes null, which the other side refuses."""
    reply = ProbeReply(stripes=(0,), newest=0, delay=float("nan"), free_slots=0)
    with pytest.raises(BadMessageError):
        decode_from_parent(encode_message(reply)[6:])


def test_lone_surrogates_cannot_be_sent() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        encode_message(Announce(source_up=False, reason="\ud800"))


def test_a_message_of_another_link_state_is_refused() -> None:
    with pytest.raises(BadMessageError, match="Leave"):
        decode_first(encode_message(Leave())[6:])


# --- version


@pytest.mark.parametrize(
    "text",
    [
        b'{"MessageType":"Join","version":2}',
        b'{"MessageType":"Hello","version":2,"nonce":5,"color":"red"}',
        b'{"MessageType":"Enter","version":0}',
        b'{"MessageType":"Rejoin","join":{"MessageType":"Join","version":3,"ports":[1]}}',
        b'{"MessageType":"Probe","version":99999999999999999999}',
        b'{"MessageType":"Probe","version":-1}',
    ],
)
def test_another_version_is_told_so_whatever_else_it_says(text: bytes) -> None:
    with pytest.raises(VersionError, match=f"I speak version {VERSION}") as caught:
        decode_first(text)
    assert caught.value.reason == "version"
    assert isinstance(caught.value, PeerError)


def test_another_version_is_told_so_where_its_message_looks_like_ours() -> None:
    with pytest.raises(VersionError):
        decode_first(encode_message(Probe(version=VERSION + 1, channel="cam", group_key="k"))[6:])
    join = Join(version=VERSION + 1, channel="cam", port=1, nonce="n", sent_us=0)
    with pytest.raises(VersionError):
        decode_first(encode_message(join)[6:])
    with pytest.raises(VersionError):
        decode_first(
            encode_message(Rejoin(join=join, node="n1", instance=1, stripes=(), players=0))[6:]
        )


def test_a_node_that_comes_back_is_understood() -> None:
    join = Join(version=VERSION, channel="cam", port=1, nonce="n", sent_us=0)
    rejoin = Rejoin(join=join, node="n1", instance=1, stripes=(), players=0)
    assert decode_first(encode_message(rejoin)[6:]) == rejoin


@pytest.mark.parametrize(
    "text",
    [
        b'{"MessageType":"Join","version":1}',
        b'{"MessageType":"Join","version":"2"}',
        b'{"MessageType":"Rejoin","join":{}}',
        b'{"MessageType":"Rejoin","join":{"join":{"join":{"version":2}}}}',
        b'{"MessageType":"Rejoin","join":7}',
    ],
)
def test_nonsense_of_this_version_is_a_bad_message(text: bytes) -> None:
    with pytest.raises(BadMessageError):
        decode_first(text)


# --- paths


def test_a_path_that_is_taken_still_fits_a_frame_with_one_more_ancestor() -> None:
    entry = PathEntry("n" * 64, ((("h" * 60 + ".") * 4 + "h" * 50 + ":65535"),) * 8)
    assert len(encode_body((entry,))) + MAX_PATH_BYTES <= MAX_PAYLOAD_BYTES
    path: tuple[PathEntry, ...] = (PathEntry("n1", ()),)
    while len(encode_body((*path, entry))) <= MAX_PATH_BYTES:
        path = (*path, entry)
    assert decode_path(encode_body(path)) == path


def test_a_path_that_is_too_long_is_refused() -> None:
    text = (
        encode_body(tuple(PathEntry(f"n{at}", ("192.0.2.1:7855",)) for at in range(1000)))
        + b" " * 2000
    )
    assert len(text) > MAX_PATH_BYTES
    with pytest.raises(BadMessageError, match="48000"):
        decode_path(text)
    with pytest.raises(BadMessageError, match="48000"):
        decode_from_parent(
            b'{"MessageType":"Attached","first":0,"newest":0,"keyframe":0,"path":%s}' % text
        )


# --- bodies of frames


def test_bodies_of_frames_are_json_without_a_length() -> None:
    assert encode_body(EndFrame("bye")) == b'{"reason":"bye"}'
    assert json.loads(encode_body((PathEntry("root", ()),))) == [{"node": "root", "addresses": []}]
