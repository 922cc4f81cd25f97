"""Any bytes on a stripe link parse or raise PeerError, however they are cut."""

from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from common.errors import PeerError
from common.frame import (
    NUMBER_BITS,
    FrameReader,
    FrameType,
    Heartbeat,
    Packet,
    Received,
    encode,
    encode_control,
)
from tests.support.cuts import cut

NUMBERS = st.integers(0, 2**NUMBER_BITS - 1)
PACKETS = st.builds(
    Packet,
    seq=NUMBERS,
    capture_us=NUMBERS,
    track=st.integers(0, 255),
    flags=st.integers(0, 255),
    payload=st.binary(max_size=40),
    type=st.sampled_from([FrameType.DATA, FrameType.EPOCH]),
)
OTHERS = st.tuples(st.sampled_from(list(FrameType)[2:]), st.binary(max_size=40))
HOSTILE = st.one_of(
    st.binary(max_size=30),
    PACKETS.map(encode),
    OTHERS.map(lambda frame: encode_control(*frame)),
    st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 255)).map(
        lambda head: head[0].to_bytes(4) + bytes([head[1]])
    ),
    st.tuples(st.integers(0, 60), st.integers(0, 12), st.binary(max_size=60)).map(
        lambda frame: frame[0].to_bytes(4) + bytes([frame[1]]) + frame[2]
    ),
)


def read(chunks: list[bytes]) -> tuple[Received, bool]:
    """Return all that was read, and whether it ended in a PeerError."""
    reader, everything = FrameReader(), Received([], [], [])
    try:
        for chunk in chunks:
            received = reader.feed(chunk)
            everything.packets.extend(received.packets)
            everything.frames.extend(received.frames)
            everything.control.extend(received.control)
    except PeerError:
        return everything, True
    return everything, False


@given(st.lists(HOSTILE, max_size=8).map(b"".join), st.lists(st.integers(0, 500), max_size=8))
def test_any_bytes_parse_or_raise_a_peer_error_wherever_they_are_cut(
    data: bytes, at: list[int]
) -> None:
    whole, failed = read([data])
    for chunks in (cut(data, at), [bytes([byte]) for byte in data]):
        pieces, failed_too = read(chunks)
        assert failed_too == failed
        if not failed:
            assert pieces == whole
    for kind, body in whole.control:
        if kind is FrameType.HEARTBEAT:
            with suppress(PeerError):
                assert Heartbeat.decode(body).encode()[5:-1] == body[:-1]


@given(st.lists(PACKETS, max_size=20), st.lists(st.integers(0, 2000), max_size=10))
def test_packets_come_back_as_they_were_wherever_they_are_cut(
    packets: list[Packet], at: list[int]
) -> None:
    received, failed = read(cut(b"".join(map(encode, packets)), at))
    assert not failed
    assert received.packets == packets
    assert received.frames == [encode(packet) for packet in packets]


@given(st.builds(Heartbeat, NUMBERS, NUMBERS, NUMBERS, NUMBERS, st.booleans()))
def test_a_heartbeat_comes_back_as_it_was(beat: Heartbeat) -> None:
    ((kind, body),) = FrameReader().feed(beat.encode()).control
    assert kind is FrameType.HEARTBEAT
    assert Heartbeat.decode(body) == beat
