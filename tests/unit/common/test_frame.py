"""Frames of a stripe link as bytes."""

import pytest

from common.errors import BadFrameError
from common.frame import (
    FLAG_KEYFRAME,
    FLAG_RTCP,
    HEADER_BYTES,
    MAX_PAYLOAD_BYTES,
    NUMBER_BITS,
    FrameReader,
    FrameType,
    Heartbeat,
    Packet,
    encode,
    encode_control,
)

PACKET = Packet(1_700_000_000_000_001, 1_700_000_000_123_456, 1, FLAG_KEYFRAME, b"rtp packet")
MOST = 2**NUMBER_BITS - 1


def test_a_packet_comes_back_as_it_was() -> None:
    received = FrameReader().feed(encode(PACKET))
    assert received.packets == [PACKET]
    assert received.frames == [encode(PACKET)]
    assert received.control == []


def test_the_header_is_23_bytes() -> None:
    assert len(encode(PACKET)) == HEADER_BYTES + len(PACKET.payload) == 23 + len(PACKET.payload)


@pytest.mark.parametrize("size", [0, 1, MAX_PAYLOAD_BYTES])
def test_payloads_of_all_sizes_fit(size: int) -> None:
    packet = PACKET._replace(payload=bytes(size))
    assert FrameReader().feed(encode(packet)).packets == [packet]


def test_a_payload_that_is_too_long_is_not_encoded() -> None:
    with pytest.raises(ValueError, match="65536 bytes"):
        encode(PACKET._replace(payload=bytes(MAX_PAYLOAD_BYTES + 1)))


def test_an_epoch_mark_keeps_its_type() -> None:
    mark = Packet(8, 9, 0, 0, b"{}", FrameType.EPOCH)
    (packet,) = FrameReader().feed(encode(mark)).packets
    assert packet == mark


def test_numbers_of_62_bits_pass() -> None:
    packet = Packet(MOST, MOST, 255, FLAG_RTCP | FLAG_KEYFRAME, b"")
    assert FrameReader().feed(encode(packet)).packets == [packet]


@pytest.mark.parametrize("field", ["seq", "capture_us"])
def test_greater_numbers_are_refused(field: str) -> None:
    """Else the successor of a malicious number could not be told to anybody."""
    packet = Packet(1, 1, 0, 0, b"")._replace(**{field: MOST + 1})
    with pytest.raises(BadFrameError, match=str(MOST + 1)):
        FrameReader().feed(encode(packet))


def test_many_frames_in_one_chunk_keep_their_order() -> None:
    packets = [PACKET._replace(seq=seq) for seq in range(5)]
    chunk = b"".join(map(encode, packets[:3]))
    chunk += encode_control(FrameType.END, b"body") + encode_control(FrameType.STANDBY)
    chunk += b"".join(map(encode, packets[3:]))
    received = FrameReader().feed(chunk)
    assert received.packets == packets
    assert received.frames == [encode(packet) for packet in packets]
    assert received.control == [(FrameType.END, b"body"), (FrameType.STANDBY, b"")]


def test_an_incomplete_frame_waits_for_its_rest() -> None:
    reader, data = FrameReader(), encode(PACKET)
    for at in range(len(data) - 1):
        assert reader.feed(data[at : at + 1]).packets == []
    assert reader.feed(data[-1:]).packets == [PACKET]
    assert reader.feed(b"").packets == []


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\0\0\0\0\1", "frame of 0 bytes"),
        ((MAX_PAYLOAD_BYTES + 20).to_bytes(4) + b"\1", "frame of 65555 bytes"),
        (b"\xff\xff\xff\xff\3", "frame of 4294967295 bytes"),
        (b"\0\0\0\1\1", "frame type 1 of 1 bytes"),
        (b"\0\0\0\x12\2" + bytes(17), "frame type 2 of 18 bytes"),
        (b"\0\0\0\x13\0" + bytes(18), "frame type 0 of 19 bytes"),
        (b"\0\0\0\1\x0b", "unknown frame type 11"),
        (b"\0\0\0\1\xff", "unknown frame type 255"),
    ],
)
def test_impossible_lengths_and_types_are_refused(data: bytes, why: str) -> None:
    with pytest.raises(BadFrameError, match=why):
        FrameReader().feed(data)


def test_a_length_that_is_too_great_is_refused_before_the_frame_has_come() -> None:
    with pytest.raises(BadFrameError):
        FrameReader().feed(b"\x7f\xff\xff\xff\1")


@pytest.mark.parametrize("starved", [True, False])
def test_a_heartbeat_comes_back_as_it_was(starved: bool) -> None:
    beat = Heartbeat(MOST, 4, 1_700_000_000_000_000, 0, starved)
    ((kind, body),) = FrameReader().feed(beat.encode()).control
    assert kind == FrameType.HEARTBEAT
    assert Heartbeat.decode(body) == beat


@pytest.mark.parametrize("size", [0, 32, 34, 1000])
def test_a_heartbeat_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(BadFrameError, match=f"heartbeat of {size} bytes"):
        Heartbeat.decode(bytes(size))


@pytest.mark.parametrize("at", range(4))
def test_a_heartbeat_with_an_absurd_number_is_refused(at: int) -> None:
    """Its echo, carried on until now, has to fit a heartbeat."""
    numbers = [0, 0, 0, 0]
    numbers[at] = MOST + 1
    body = b"".join(number.to_bytes(8) for number in numbers) + b"\0"
    with pytest.raises(BadFrameError, match="62 bits"):
        Heartbeat.decode(body)
