"""Any bytes either parse or raise RtspError, and cutting them otherwise changes nothing."""

from hypothesis import given
from hypothesis import strategies as st

from common.errors import RtspError
from common.fields import Track
from common.rtsp.headers import Offer, parse_transport
from common.rtsp.messages import Message
from common.rtsp.parser import MAX_HEAD_BYTES, MessageReader
from common.rtsp.sdp import for_players
from common.rtsp.url import parse_target

PIECES = st.sampled_from(
    [
        b"OPTIONS rtsp://h/cam RTSP/1.0",
        b"RTSP/1.0 200 OK",
        b"GET /cam HTTP/1.0",
        b"POST / HTTP/1.1",
        b"\r\n",
        b"\n",
        b"\r",
        b"CSeq: 1",
        b"Content-Length: 3",
        b"Content-Length: x",
        b" folded",
        b"$\x00\x00\x04abcd",
        b"$\x00\xff\xff",
        b"R",
        b"a" * (MAX_HEAD_BYTES // 2),
    ]
)
STREAMS = st.lists(PIECES | st.binary(max_size=40), max_size=12).map(b"".join)


def outcome(chunks: list[bytes]) -> tuple[list[Message], int | None]:
    reader = MessageReader()
    messages: list[Message] = []
    try:
        for chunk in chunks:
            reader.feed(chunk)
            while (message := reader.next_message()) is not None:
                messages.append(message)
    except RtspError as error:
        return messages, error.status
    return messages, None


def described(result: tuple[list[Message], int | None]) -> str:
    messages, status = result
    kinds = [(type(m).__name__, getattr(m, "uri", ""), getattr(m, "body", b"")) for m in messages]
    return f"{kinds} {status}"


@given(STREAMS)
def test_bytes_one_by_one_are_the_same_messages(data: bytes) -> None:
    whole = described(outcome([data]))
    assert described(outcome([data[i : i + 1] for i in range(len(data))])) == whole


@given(st.binary(max_size=300), st.integers(1, 300))
def test_no_bytes_break_the_reader(data: bytes, cut: int) -> None:
    assert described(outcome([data[:cut], data[cut:]])) == described(outcome([data]))


WORDS = ["RTP/AVP", "/TCP", ";", ",", "client_port=", "interleaved=", "-", "1", "2", "65536"]


@given(st.text(max_size=200) | st.lists(st.sampled_from(WORDS)).map("".join))
def test_no_transport_header_breaks_its_parser(value: str) -> None:
    offers: list[Offer] = []
    status = 400
    try:
        offers = parse_transport(value)
    except RtspError as error:
        status = error.status
    assert status == 400
    assert all(o.pair is None or 0 <= min(o.pair) <= max(o.pair) <= 65_535 for o in offers)


@given(st.text(max_size=100).map("rtsp://h/{}".format) | st.text(max_size=100))
def test_no_url_breaks_its_parser(url: str) -> None:
    target = parse_target("rtsp://h/cam")
    status = 404
    try:
        target = parse_target(url)
    except RtspError as error:
        status = error.status
    assert status in {400, 404}
    assert parse_target(target.control(3)).track == 3
    assert parse_target(target.control(3)).is_channel_of(target)


@given(
    st.lists(st.sampled_from(["m=", "a=", "v=0", "t=", "é=", "c="]) | st.text(max_size=20)).map(
        "\n".join
    )
)
def test_no_sdp_breaks_its_rewriting(sdp: str) -> None:
    track = Track(index=0, kind="video", codec="H264", clock_rate=90_000, payload_type=96)
    text = for_players(sdp, [track], parse_target("rtsp://h/cam"), ipv6=False).decode()
    assert text.startswith("v=")
    assert text.count("a=control:") <= 2
