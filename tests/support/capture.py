"""RTP packet for packet: capture directly and through the proxies at once, then compare."""

import hashlib
import struct
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise

from tests.support.exactness import TrackVerdict, Verdict
from tests.support.rtsp_client import ClosedError, RtspClient, Transport

_NAMES = {200: "SR", 201: "RR", 202: "SDES", 203: "BYE", 204: "APP"}


@dataclass(frozen=True, slots=True)
class RtpPacket:
    """One RTP packet, its extension and padding left out; `at`: seconds since the capture began."""

    seq: int
    timestamp: int
    marker: bool
    payload_type: int
    ssrc: int
    size: int
    md5: str
    at: float

    @property
    def payload(self) -> tuple[str, int, bool]:
        """What a proxy has to leave alone."""
        return self.md5, self.size, self.marker


@dataclass(frozen=True, slots=True)
class RtcpPacket:
    """One compound: its types ("SR", "BYE", …), and how many RTP packets came before it."""

    types: tuple[str, ...]
    at: float
    after: int


@dataclass(slots=True)
class Capture:
    """All packets of a session by track, and what the server said about it."""

    began: float = field(default_factory=time.monotonic)
    rtp: dict[str, list[RtpPacket]] = field(default_factory=dict)
    rtcp: dict[str, list[RtcpPacket]] = field(default_factory=dict)
    session: str = ""
    rtp_info: str = ""
    closed: float | None = None
    """When the server closed the connection, seconds since the capture began."""

    def take(self, kind: str, is_rtcp: bool, data: bytes) -> None:
        """Take one packet: the sink of `RtspClient`."""
        at = time.monotonic() - self.began
        if is_rtcp:
            types = tuple(rtcp_types(data))
            seen = len(self.rtp.get(kind, []))
            self.rtcp.setdefault(kind, []).append(RtcpPacket(types, at, seen))
        else:
            self.rtp.setdefault(kind, []).append(rtp_packet(data, at))

    def gaps(self, kind: str) -> Counter[str]:
        """`lost`, `repeated` and `reordered` by the 16-bit sequence numbers of a track."""
        count: Counter[str] = Counter()
        packets = self.rtp.get(kind, [])
        for before, packet in pairwise(packets):
            step = (packet.seq - before.seq) & 0xFFFF
            if step == 0:
                count["repeated"] += 1
            elif step > 0x8000:
                count["reordered"] += 1
            elif step > 1:
                count["lost"] += step - 1
        return count


def rtcp_types(data: bytes) -> list[str]:
    """Types in a compound RTCP packet."""
    types: list[str] = []
    while len(data) >= 4:
        types.append(_NAMES.get(data[1], str(data[1])))
        data = data[4 + 4 * int.from_bytes(data[2:4], "big") :]
    return types


def rtp_packet(data: bytes, at: float) -> RtpPacket:
    """Parse one RTP packet (RFC 3550 5.1)."""
    first, second, seq, timestamp, ssrc = struct.unpack_from(">BBHII", data)
    start = 12 + 4 * (first & 15)
    if first & 16:
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    payload = data[start : len(data) - (data[-1] if first & 32 else 0)]
    md5 = hashlib.md5(payload).hexdigest()
    return RtpPacket(seq, timestamp, bool(second >> 7), second & 127, ssrc, len(payload), md5, at)


def capture(url: str, seconds: float, transport: Transport = "tcp") -> Capture:
    """Play all tracks for `seconds`; blocks."""
    result = Capture()
    with RtspClient(url, result.take, transport=transport) as client:
        client.ask("OPTIONS", url)
        for media in client.describe():
            client.setup(media)
        reply = client.ask("PLAY", client.base, {"Range": "npt=0.000-"})
        result.session = client.session_header
        result.rtp_info = reply.headers.get("rtp-info", "")
        end = time.monotonic() + seconds
        try:
            while (left := end - time.monotonic()) > 0:
                client.poll(min(left, 0.2))
            with suppress(OSError):
                client.send_request("TEARDOWN", client.base)
        except (ClosedError, ConnectionError):
            result.closed = time.monotonic() - result.began
    return result


def captures(sessions: Sequence[tuple[str, Transport]], seconds: float) -> list[Capture]:
    """Several captures at the same time."""
    with ThreadPoolExecutor(len(sessions)) as pool:
        return list(pool.map(lambda session: capture(session[0], seconds, session[1]), sessions))


def _overlap(a: Sequence[RtpPacket], b: Sequence[RtpPacket]) -> tuple[int, int] | None:
    """Find the indices where both begin to show the same packets.

    A clip that loops repeats its packets: what comes once only is looked for first.
    """
    places: dict[tuple[str, int, bool], list[int]] = {}
    for i, packet in enumerate(a):
        places.setdefault(packet.payload, []).append(i)
    once = {payload: found for payload, found in places.items() if len(found) == 1}
    for known in (once, places):
        for j, packet in enumerate(b):
            for i in known.get(packet.payload, []):
                length = min(8, len(a) - i, len(b) - j)
                if length >= 2 and all(a[i + k].payload == b[j + k].payload for k in range(length)):
                    return _first_of_run(a, b, i, j)
    return None


def _first_of_run(
    a: Sequence[RtpPacket], b: Sequence[RtpPacket], i: int, j: int
) -> tuple[int, int]:
    while i and j and a[i - 1].payload == b[j - 1].payload:
        i, j = i - 1, j - 1
    return i, j


def _compare_track(
    track: str, a: Sequence[RtpPacket], b: Sequence[RtpPacket], least: int
) -> TrackVerdict:
    start = _overlap(a, b)
    if start is None:
        return TrackVerdict(track, len(b), 0, least=least, note="(no overlap)")
    pairs = list(zip(a[start[0] :], b[start[1] :], strict=False))
    equal = next((n for n, (x, y) in enumerate(pairs) if x.payload != y.payload), len(pairs))
    shifts = {((y.timestamp - x.timestamp) & 0xFFFFFFFF) for x, y in pairs[:equal]}
    steps = {((y.seq - x.seq) & 0xFFFF) for x, y in pairs[:equal]}
    note = ""
    if min(start) > 0:
        note += f"(the first {start[1]} are not in the other)"
    if len(shifts) > 1 or len(steps) > 1:
        note += f"(timestamps by {len(shifts)} shifts, sequence numbers by {len(steps)})"
    return TrackVerdict(track, len(b), equal, unknown=len(pairs) - equal, least=least, note=note)


def compare_captures(
    direct: Capture,
    through: Capture,
    expect: Sequence[str] = ("video", "audio"),
    least: int = 20,
) -> Verdict:
    """Payloads and markers equal in order over the whole overlap.

    Sequence numbers and timestamps may differ by one constant each: a proxy may number anew.
    """
    names = [*expect, *(kind for kind in through.rtp if kind not in expect)]
    return Verdict(
        {
            name: _compare_track(name, direct.rtp.get(name, []), through.rtp.get(name, []), least)
            for name in names
        }
    )
