"""What a capture looks like in Wireshark: packets as UDP datagrams between made-up addresses.

The overlay carries packets in frames over TCP, which Wireshark cannot read. So each packet is
written as it was when the source sent it, in Ethernet, IPv4 and UDP headers that say where it was
seen. docs/operations.md explains them to who reads a capture.

Rules
-----
1. Addresses are 10.STRIPE.HI.LO, or 10.99.HI.LO where the whole stream goes; node n123 is HI.LO
   1.23, the server proxy 0.0, a source 255.1, players 255.2.
2. Ports are 50000 + 100 x channel + 2 x track, and one more for RTCP; channels count from 0 as
   they are first seen.
3. The identification of the IPv4 header is the low 16 bits of the sequence number.
4. Before the first packet of a flow in each file stands an announcement (SAP, RFC 2974) whose SDP
   says who sends to whom and which codecs: Wireshark decodes RTP by it without being told anything.
"""

import re
import struct
from collections.abc import Sequence
from io import BytesIO
from typing import NamedTuple
from zlib import crc32

from common.fields import Stream
from common.frame import FLAG_RTCP, FrameType, Packet
from common.ids import ROOT
from common.runtime.log import one_line

SOURCE, PLAYERS = "source", "players"
"""Who sends to the server proxy, and whom a node delivers to, in a `Flow`."""
WHOLE_STREAM = 99
"""What stands in an address in place of a stripe, before the split and behind the merge."""
FIRST_PORT = 50_000
PORTS_PER_CHANNEL = 100
MOST_CHANNELS = 150
"""Channels that have ports of their own; beyond it they are counted anew."""
MOST_FLOWS = 1024
"""Flows that are remembered as announced; beyond it they are announced anew."""
SAP_PORT = 9875
FILE_HEADER_BYTES = 24
"""What stands before the first record: a file that holds no more has no packet."""

_HOSTS = {ROOT: (0, 0), SOURCE: (255, 1), PLAYERS: (255, 2)}
_NUMBERED = re.compile(r"n(\d{1,18})(?!\d)")
_SAP_GROUP = (bytes((224, 2, 127, 254)), bytes((0x01, 0x00, 0x5E, 0x02, 0x7F, 0xFE)))
_SNAPLEN_BYTES = 262_144
_RECORD_HEADER_BYTES = 16
_IP_HEADER_BYTES, _UDP_HEADER_BYTES = 20, 8
_MOST_PAYLOAD_BYTES = 0xFFFF - _IP_HEADER_BYTES - _UDP_HEADER_BYTES
_HEADERS = struct.Struct("!16sHH4sH8s4sHH")
"""Ethernet header and first two bytes of IPv4; length; identification; fragment, TTL and protocol;
checksum; addresses; ports; UDP's length; its checksum, which 0 leaves out."""
_DATA = int(FrameType.DATA)


class Flow(NamedTuple):
    """Where packets were seen: on their way from one place to another."""

    channel: str
    stripe: int | None
    """None: the whole stream, before it is split or after it is merged."""
    sender: str
    """A node's id, `root` or `SOURCE`."""
    receiver: str
    """A node's id, `root` or `PLAYERS`."""

    def __str__(self) -> str:
        of = "" if self.stripe is None else f", stripe {self.stripe}"
        return one_line(f"{self.channel}{of}: {self.sender} to {self.receiver}")


class Chunk(NamedTuple):
    """A part of a file, in whole records."""

    data: bytes
    begins: bool
    """It is the first of its file."""


class Records:
    """Turns packets into the bytes of pcap files."""

    def __init__(self, file_bytes: int) -> None:
        """Begin the next file before one would pass `file_bytes`, of which there must be 1 MiB."""
        self._most_bytes = file_bytes
        self._flows: dict[Flow, _Headers] = {}
        self._announced: dict[Flow, Stream | None] = {}
        self._channels: dict[str, int] = {}
        self._done: list[Chunk] = []
        self.waiting_bytes = 0
        """Bytes of what `take` would return."""
        self._begin_file()

    def add(self, flow: Flow, stream: Stream | None, packets: Sequence[Packet], at_us: int) -> None:
        """Add the DATA among `packets`, seen at Unix time `at_us`; `stream` names their tracks."""
        headers, at = self._headers(flow, stream, at_us), at_us / 1e6
        for seq, _, track, flags, payload, kind in packets:
            if kind != _DATA:
                continue
            datagram = headers.wrap(seq, 2 * track + (flags & FLAG_RTCP), payload)
            if self._size + _RECORD_HEADER_BYTES + len(datagram) > self._most_bytes:
                self._next_file()
                self._headers(flow, stream, at_us)
            self._write(datagram, at)

    def take(self) -> list[Chunk]:
        """Return what has been added since the last time."""
        self._finish_chunk()
        done, self._done = self._done, []
        self.waiting_bytes = 0
        return done

    def _headers(self, flow: Flow, stream: Stream | None, at_us: int) -> "_Headers":
        """Return the headers of a flow; announce it, where its file does not know its stream."""
        if flow not in self._flows:
            if len(self._flows) >= MOST_FLOWS:
                self._flows.clear()
                self._announced.clear()
            self._flows[flow] = _Headers(flow, FIRST_PORT + PORTS_PER_CHANNEL * self._number(flow))
        headers = self._flows[flow]
        if flow not in self._announced or self._announced[flow] is not stream:
            announcement = headers.announcement(flow, stream)
            if self._size + _RECORD_HEADER_BYTES + len(announcement) > self._most_bytes:
                self._next_file()
            self._announced[flow] = stream
            self._write(announcement, at_us / 1e6)
        return headers

    def _number(self, flow: Flow) -> int:
        if flow.channel not in self._channels and len(self._channels) >= MOST_CHANNELS:
            self._channels.clear()
        return self._channels.setdefault(flow.channel, len(self._channels))

    def _write(self, datagram: bytes, at: float) -> None:
        self._writer.writepkt_time(datagram, at)
        self._size += _RECORD_HEADER_BYTES + len(datagram)
        self.waiting_bytes += _RECORD_HEADER_BYTES + len(datagram)

    def _next_file(self) -> None:
        self._finish_chunk()
        self._begin_file()

    def _begin_file(self) -> None:
        from dpkt.pcap import Writer

        self._announced.clear()
        self._buffer, self._begins, self._size = BytesIO(), True, FILE_HEADER_BYTES
        self._writer = Writer(self._buffer, snaplen=_SNAPLEN_BYTES)

    def _finish_chunk(self) -> None:
        if data := self._buffer.getvalue():
            self._done.append(Chunk(data, self._begins))
            self._begins = False
            self._buffer.seek(0)
            self._buffer.truncate()


class _Headers:
    """The headers of one flow, which dpkt makes once: each time would take 80 times as long."""

    def __init__(self, flow: Flow, port: int) -> None:
        """Take the port of RTP on track 0."""
        self._from, self._to = _address(flow, flow.sender), _address(flow, flow.receiver)
        self._port = port
        made = _datagram(self._from, (self._to, _mac(self._to)), port, b"")
        self._start, self._middle, self._addresses = made[:16], made[20:24], made[26:34]
        words = struct.unpack("!H2H4H", made[14:16] + self._middle + self._addresses)
        self._sum = sum(words)
        self._ports: dict[int, bytes] = {}

    def wrap(self, seq: int, kind: int, payload: bytes) -> bytes:
        """Return a packet as a datagram; `kind`: twice its track, and 1 for RTCP."""
        payload = payload[:_MOST_PAYLOAD_BYTES]
        size, number = len(payload) + _UDP_HEADER_BYTES, seq & 0xFFFF
        total = size + _IP_HEADER_BYTES
        added = self._sum + total + number  # RFC 1071, with the two words that change
        added = (added & 0xFFFF) + (added >> 16)
        added = ~(added + (added >> 16)) & 0xFFFF
        ports = self._ports.get(kind) or self._both_ports(kind)
        return (
            _HEADERS.pack(
                self._start, total, number, self._middle, added, self._addresses, ports, size, 0
            )
            + payload
        )

    def announcement(self, flow: Flow, stream: Stream | None) -> bytes:
        """Return the SAP datagram that tells of the flow."""
        sender, receiver = ".".join(map(str, self._from)), ".".join(map(str, self._to))
        lines = [
            "v=0",
            f"o=- 0 0 IN IP4 {sender}",
            f"s={flow}",
            f"c=IN IP4 {receiver}",
            "t=0 0",
        ]
        for track in () if stream is None else stream.tracks:
            port, number = self._port + _offset(2 * track.index), track.payload_type
            lines += [
                f"m={one_line(track.kind)} {port} RTP/AVP {number}",
                f"a=rtpmap:{number} {one_line(track.codec)}/{track.clock_rate}",
            ]
        sdp = "".join(f"{line}\r\n" for line in lines).encode()
        head = struct.pack("!BBH4s", 0x20, 0, crc32(sdp) & 0xFFFF, self._from)
        return _datagram(self._from, _SAP_GROUP, SAP_PORT, head + b"application/sdp\0" + sdp)

    def _both_ports(self, kind: int) -> bytes:
        port = self._port + _offset(kind)
        ports = self._ports[kind] = struct.pack("!HH", port, port)
        return ports


def _offset(kind: int) -> int:
    return kind % PORTS_PER_CHANNEL


def _address(flow: Flow, name: str) -> bytes:
    stripe = WHOLE_STREAM if flow.stripe is None else flow.stripe
    if (host := _HOSTS.get(name)) is None:
        found = _NUMBERED.match(name)
        host = divmod((int(found[1]) if found else crc32(name.encode())) % 25_500, 100)
    return bytes((10, stripe, *host))


def _mac(address: bytes) -> bytes:
    return b"\x02\x00" + address


def _datagram(sender: bytes, receiver: tuple[bytes, bytes], port: int, payload: bytes) -> bytes:
    """Return a frame with a UDP datagram; `receiver` is its address and its Ethernet address."""
    from dpkt.ethernet import Ethernet
    from dpkt.ip import IP
    from dpkt.udp import UDP

    udp = UDP(sport=port, dport=port, data=payload)
    udp.ulen = len(udp)
    ip = IP(src=sender, dst=receiver[0], p=17, ttl=64, data=udp)
    ip.len = len(ip)
    return bytes(Ethernet(src=_mac(sender), dst=receiver[1], data=ip))
