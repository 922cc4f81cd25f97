from collections.abc import Sequence
from io import BytesIO
from typing import NamedTuple

import pytest
from dpkt.ethernet import Ethernet
from dpkt.pcap import Reader

from common.fields import Stream, Track
from common.frame import FLAG_RTCP, FrameType, Packet
from common.runtime.pcap import (
    MOST_CHANNELS,
    MOST_FLOWS,
    PLAYERS,
    SAP_PORT,
    SOURCE,
    Flow,
    Records,
)

STREAM = Stream(
    1,
    1,
    "v=0\r\na=control:rtsp://user:secret@camera/\r\n",
    (Track(0, "video", "H264", 90_000, 96), Track(1, "audio", "OPUS", 48_000, 97)),
)
STRIPE = Flow("cam", 1, "root", "n123-ab")
AT_US = 1_790_000_000_123_456
FILE_BYTES = 1 << 20


class Seen(NamedTuple):
    """A record, as dpkt reads it."""

    at: float
    sender: str
    receiver: str
    port: int
    number: int
    payload: bytes


def read(data: bytes) -> list[Seen]:
    found = []
    for at, frame in Reader(BytesIO(data)):
        ip = Ethernet(frame).data
        assert (ip.p, ip.data.sport, ip.len) == (17, ip.data.dport, len(frame) - 14)
        sender, receiver = (".".join(map(str, one)) for one in (ip.src, ip.dst))
        found.append(Seen(at, sender, receiver, ip.data.dport, ip.id, bytes(ip.data.data)))
    return found


def files(records: Records) -> list[bytes]:
    """Return the files that chunks make."""
    made: list[bytes] = []
    for chunk in records.take():
        if chunk.begins:
            made.append(b"")
        made[-1] += chunk.data
    return made


def written(flow: Flow, *packets: Packet, stream: Stream | None = STREAM) -> list[Seen]:
    records = Records(FILE_BYTES)
    records.add(flow, stream, packets, AT_US)
    (file,) = files(records)
    return read(file)


def packet(seq: int = 7, track: int = 0, flags: int = 0, payload: bytes = b"payload") -> Packet:
    return Packet(seq, 0, track, flags, payload)


def test_a_packet_is_there_bit_for_bit_when_it_was_seen() -> None:
    payload = bytes(range(256)) * 5
    _, seen = written(STRIPE, packet(payload=payload))
    assert seen.payload == payload
    assert seen.at == pytest.approx(AT_US / 1e6, abs=1e-6)


@pytest.mark.parametrize(
    ("flow", "sender", "receiver"),
    [
        (STRIPE, "10.1.0.0", "10.1.1.23"),
        (Flow("cam", 0, "n7", "n3"), "10.0.0.7", "10.0.0.3"),
        (Flow("cam", None, SOURCE, "root"), "10.99.255.1", "10.99.0.0"),
        (Flow("cam", None, "n12", PLAYERS), "10.99.0.12", "10.99.255.2"),
        (Flow("cam", 15, "n25499", "n25500"), "10.15.254.99", "10.15.0.0"),
    ],
)
def test_addresses_say_the_stripe_and_both_nodes(flow: Flow, sender: str, receiver: str) -> None:
    _, seen = written(flow, packet())
    assert (seen.sender, seen.receiver) == (sender, receiver)


def test_a_node_of_any_other_name_has_an_address_of_its_own() -> None:
    _, one = written(Flow("cam", 0, "root", "alice"), packet())
    _, other = written(Flow("cam", 0, "root", "bob"), packet())
    assert len({one.receiver, other.receiver, "10.0.0.0"}) == 3


def test_ports_say_the_channel_the_track_and_which_are_rtcp() -> None:
    records = Records(FILE_BYTES)
    packets = [packet(track=track, flags=flags) for track in (0, 1) for flags in (0, FLAG_RTCP)]
    records.add(STRIPE, STREAM, packets, AT_US)
    records.add(STRIPE._replace(channel="hall"), STREAM, packets, AT_US)
    (file,) = files(records)
    ports = [seen.port for seen in read(file)]
    assert ports == [SAP_PORT, *range(50_000, 50_004), SAP_PORT, *range(50_100, 50_104)]


def test_the_identification_is_the_sequence_numbers_low_half() -> None:
    _, one, other = written(STRIPE, packet(0x12345), packet(0x1FFFF))
    assert (one.number, other.number) == (0x2345, 0xFFFF)


@pytest.mark.parametrize("size", [0, 1, 65_507])
@pytest.mark.parametrize("seq", [0, 0xFFFF, 0x8001])
def test_headers_have_the_checksum_that_a_receiver_expects(size: int, seq: int) -> None:
    records = Records(FILE_BYTES)
    records.add(STRIPE, None, [packet(seq, payload=bytes(size))], AT_US)
    (file,) = files(records)
    frame = [one for _, one in Reader(BytesIO(file))][1]
    total = sum(int.from_bytes(frame[at : at + 2], "big") for at in range(14, 34, 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    assert total == 0xFFFF


def test_what_no_datagram_can_hold_is_cut_off() -> None:
    _, seen = written(STRIPE, packet(payload=bytes(65_535)))
    assert len(seen.payload) == 65_507


def test_marks_of_the_server_proxy_are_no_packets() -> None:
    mark = packet()._replace(type=FrameType.EPOCH)
    assert [seen.port for seen in written(STRIPE, mark)] == [SAP_PORT]


def announced(seen: Seen) -> Sequence[str]:
    assert (seen.port, seen.receiver) == (SAP_PORT, "224.2.127.254")
    assert seen.payload[:2] == b"\x20\0"
    head, _, sdp = seen.payload.partition(b"application/sdp\0")
    assert len(head) == 8
    return sdp.decode().split("\r\n")


def test_an_announcement_says_who_sends_to_whom_and_which_codecs() -> None:
    sdp = announced(written(STRIPE, packet())[0])
    assert sdp == [
        "v=0",
        "o=- 0 0 IN IP4 10.1.0.0",
        "s=cam, stripe 1: root to n123-ab",
        "c=IN IP4 10.1.1.23",
        "t=0 0",
        "m=video 50000 RTP/AVP 96",
        "a=rtpmap:96 H264/90000",
        "m=audio 50002 RTP/AVP 97",
        "a=rtpmap:97 OPUS/48000",
        "",
    ]


def test_nothing_of_the_sources_own_description_is_written() -> None:
    """It may hold credentials in a control URL."""
    records = Records(FILE_BYTES)
    records.add(STRIPE, STREAM, [packet()], AT_US)
    assert b"secret" not in b"".join(files(records))


def test_names_cannot_begin_a_line_of_the_announcement() -> None:
    track = Track(0, "video", "H264\r\nm=x", 90_000, 96)
    sdp = announced(
        written(
            Flow("cam\r\nm=y", None, "root", "n1"), packet(), stream=Stream(1, 1, "", (track,))
        )[0]
    )
    assert [line for line in sdp if line.startswith("m=")] == ["m=video 50000 RTP/AVP 96"]


def test_a_flow_is_announced_once_in_a_file_and_again_when_its_stream_is_another() -> None:
    records = Records(FILE_BYTES)
    other = Stream(2, 9, "", STREAM.tracks[:1])
    for stream in (None, STREAM, STREAM, other):
        records.add(STRIPE, stream, [packet()], AT_US)
    (file,) = files(records)
    ports = [seen.port for seen in read(file)]
    assert ports == [SAP_PORT, 50_000, SAP_PORT, 50_000, 50_000, SAP_PORT, 50_000]


def test_no_file_passes_its_bound_and_each_can_be_read_alone() -> None:
    records = Records(FILE_BYTES)
    flows = [STRIPE, Flow("cam", None, SOURCE, "root")]
    for seq in range(1500):
        records.add(flows[seq % 2], STREAM, [packet(seq, payload=bytes(1_400))] * 2, AT_US)
    made = files(records)
    assert [FILE_BYTES - 2_000 < len(file) <= FILE_BYTES for file in made[:-1]] == [True] * 4
    assert len(made[-1]) <= FILE_BYTES
    seen = [read(file) for file in made]
    for one in seen:
        assert one[0].port == SAP_PORT
        assert sum(each.port == SAP_PORT for each in one) == 2
    numbers = [each.number for one in seen for each in one if each.port != SAP_PORT]
    assert numbers == [seq for seq in range(1500) for _ in range(2)]


def test_what_is_taken_comes_once_and_goes_on_in_the_same_file() -> None:
    records = Records(FILE_BYTES)
    records.add(STRIPE, STREAM, [packet(1)], AT_US)
    waiting = records.waiting_bytes
    (first,) = records.take()
    assert (first.begins, len(first.data)) == (True, waiting + 24)
    assert (records.take(), records.waiting_bytes) == ([], 0)
    records.add(STRIPE, STREAM, [packet(2)], AT_US)
    (second,) = records.take()
    assert not second.begins
    assert [seen.number for seen in read(first.data + second.data)][1:] == [1, 2]


def test_more_flows_and_channels_than_are_remembered_are_announced_anew() -> None:
    records = Records(1 << 24)
    for number in range(MOST_FLOWS + 1):
        records.add(Flow("cam", 0, "root", f"n{number}"), STREAM, [packet()], AT_US)
    records.add(Flow("cam", 0, "root", "n0"), STREAM, [packet()], AT_US)
    for number in range(MOST_CHANNELS):
        records.add(Flow(f"c{number}", 0, "root", "n0"), STREAM, [packet()], AT_US)
    (file,) = files(records)
    ports = [seen.port for seen in read(file) if seen.port != SAP_PORT]
    assert ports[-2:] == [50_000 + 100 * (MOST_CHANNELS - 1), 50_000]
    assert len(ports) == MOST_FLOWS + 2 + MOST_CHANNELS
