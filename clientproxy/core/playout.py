"""What one session's player gets: one continuous RTP stream per track, and sender reports.

Rules
-----
1. A packet is passed on as the source sent it until a source restart or a pause makes its numbers
   jump. From then on sequence numbers and timestamps are shifted and the SSRC is kept, so that the
   player sees one stream; payload, marker and payload type are never touched.
2. After a jump the sequence number goes on by one. After a restart the timestamp goes on by the
   difference of the capture times; after a pause that is played from before its end, all tracks
   are shifted by one span of time. Another server process has another clock: where the capture
   times do not fit the time that has passed here, that counts, and the same step for all tracks.
3. Every track has a line from NTP time to RTP timestamp; the lines of all tracks mean the same
   instant. They are the source's own where it has reported; until then they follow capture times.
   What changes their origin moves all of them by one shift, so that the first one stays.
4. A sender report goes out before the first RTP packet of a track; each shows the latest packet.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from common import rtcp, rtp
from common.fields import SenderReport, Track
from common.frame import FLAG_RTCP, Packet
from common.seqnum import distance32

_NUMBERS = struct.Struct("!xxHII")
_SEQS = 1 << 16
_STAMPS = 1 << 32
_SECOND = 1_000_000
_HALF = 1 << 31
_WAITED_US = 2 * _SECOND
"""How much less than between two captures may pass between the packets' coming here: the first one
may have waited behind a gap (`reorder_timeout`)."""
_NTP_OF_UNIX = 2_208_988_800
"""Seconds from the epoch of NTP to that of Unix (RFC 3550, 4)."""


class Outgoing(NamedTuple):
    """One packet for the player."""

    track: int
    rtcp: bool
    payload: bytes
    source: Packet
    """The packet that it comes from; of a report, the one that it goes before or after."""


class Start(NamedTuple):
    """Numbers of the very next packet of a track: what RTP-Info tells."""

    seq: int
    rtptime: int
    """Timestamp of the instant that is the same for all tracks: that of the earliest packet."""


@dataclass(slots=True)
class _Stream:
    """One track of the session, as it is sent."""

    rate: int
    latest: Packet | None = None
    latest_at: float = 0.0
    """Seconds of the caller's clock."""
    source: int = 0
    """SSRC of the source's packets."""
    ssrc: int = 0
    jumped: bool = False
    """The next sequence number does not follow from the last one."""
    restarted: bool = False
    """Nor does the next timestamp."""
    seq_shift: int = 0
    stamp_shift: int = 0
    seq: int = 0
    stamp: int = 0
    packets: int = 0
    octets: int = 0
    anchor_ntp: int = 0
    anchor_stamp: int = 0
    """One point of the line from NTP time to timestamps as sent."""

    def ntp_at(self, stamp: int) -> int:
        """Return the NTP time of a timestamp as sent."""
        return self.anchor_ntp + (distance32(stamp, self.anchor_stamp) << 32) // self.rate

    def ticks(self, microseconds: int) -> int:
        """Return a span of time in ticks of the RTP clock."""
        return microseconds * self.rate // _SECOND


class Playout:
    """The outgoing streams of one session."""

    def __init__(self, cname: str) -> None:
        """Take the name that the reports of all tracks carry (RFC 3550, 6.5.1)."""
        self._streams: dict[int, _Stream] = {}
        self._reports: Mapping[int, SenderReport] = {}
        self._stale: dict[int, SenderReport] = {}
        self._ntp_shift = 0
        self._step_us = 0
        """By how much the clock of the capture times went forward with the newest restart."""
        self._from_source = False
        self._cname = cname

    def add_tracks(self, tracks: Iterable[Track]) -> None:
        """Take the tracks that are set up; the packets of others are passed over."""
        for track in tracks:
            self._streams.setdefault(track.index, _Stream(max(1, track.clock_rate)))

    def note_reports(self, reports: Mapping[int, SenderReport]) -> None:
        """Take the source's newest report of each track; to be called before anything else."""
        self._reports = reports

    def start(
        self, backlog: Sequence[Packet], now: float
    ) -> tuple[list[Outgoing], dict[int, Start]]:
        """Begin, or go on after a pause; return what to send and the numbers it starts with.

        The numbers are left out altogether unless every track has a packet in `backlog`. `now` is
        in seconds, here and for `push`.
        """
        self._resume(backlog)
        out = self.push(backlog, now)
        firsts = {item.track: item.payload for item in reversed(out) if not item.rtcp}
        return out, self._starts(firsts) if len(firsts) == len(self._streams) else {}

    def push(self, batch: Iterable[Packet], now: float) -> list[Outgoing]:
        """Take packets in order; return what to send, in order."""
        out: list[Outgoing] = []
        for packet in batch:
            stream = self._streams.get(packet.track)
            payload = packet.payload
            if stream is None or packet.flags & FLAG_RTCP or len(payload) < rtp.HEADER_BYTES:
                continue
            seq, stamp, source = _NUMBERS.unpack_from(payload)
            if stream.jumped or source != stream.source:
                self._join(stream, packet, now, (seq, stamp, source))
            if stream.seq_shift or stream.stamp_shift or source != stream.ssrc:
                seq = (seq + stream.seq_shift) % _SEQS
                stamp = (stamp + stream.stamp_shift) % _STAMPS
                payload = rtp.rewrite(payload, sequence=seq, timestamp=stamp, ssrc=stream.ssrc)
            stream.seq, stream.stamp = seq, stamp
            if stream.latest is None:
                self._begin(packet.track, stream, packet)
                out.append(self._report(packet.track, stream, packet))
            stream.latest, stream.latest_at = packet, now
            stream.packets += 1
            stream.octets += len(payload) - rtp.HEADER_BYTES
            out.append(Outgoing(packet.track, False, payload, packet))
        return out

    def source_restarted(self) -> None:
        """Expect other numbers, and other reports, from the next packet of each track on."""
        self._stale = dict(self._reports)
        self._from_source = False
        self._step_us = 0
        for stream in self._streams.values():
            stream.jumped = stream.restarted = True

    def reports(self) -> list[Outgoing]:
        """Return a sender report for each track that has begun."""
        self._follow_source()
        return [
            self._report(index, stream, stream.latest)
            for index, stream in self._streams.items()
            if stream.latest is not None
        ]

    def goodbye(self) -> list[tuple[int, bytes]]:
        """Return a last report and a BYE for each track that has begun."""
        return [
            (item.track, item.payload + rtcp.bye(self._streams[item.track].ssrc))
            for item in self.reports()
        ]

    def _resume(self, backlog: Sequence[Packet]) -> None:
        """Make room for a replay of what was sent already; note a restart during the pause."""
        late_us = 0
        firsts = {packet.track: packet for packet in reversed(backlog) if _is_rtp(packet)}
        for track, packet in firsts.items():
            stream = self._streams.get(track)
            if stream is None or stream.latest is None or stream.restarted:
                continue
            _, stamp, source = _NUMBERS.unpack_from(packet.payload)
            ahead = distance32((stamp + stream.stamp_shift) % _STAMPS, stream.stamp)
            ahead_us = ahead * _SECOND // stream.rate
            captured_us = packet.capture_us - stream.latest.capture_us
            if source != stream.source or abs(ahead_us - captured_us) > _SECOND:
                self.source_restarted()
                return
            late_us = max(late_us, _SECOND // stream.rate + 1 - ahead_us)
        self._ntp_shift += (late_us << 32) // _SECOND
        for stream in self._streams.values():
            stream.jumped = True
            stream.stamp_shift += stream.ticks(late_us)

    def _join(
        self, stream: _Stream, packet: Packet, now: float, numbers: tuple[int, int, int]
    ) -> None:
        """Make the next packet of a track follow the one before, or begin with it."""
        seq, stamp, source = numbers
        if stream.latest is None:
            stream.ssrc = source
        else:
            stream.seq_shift = (stream.seq + 1 - seq) % _SEQS
            if stream.restarted or source != stream.source:
                captured_us = packet.capture_us - stream.latest.capture_us
                elapsed = stream.ticks(self._elapsed_us(stream, captured_us, now))
                stream.stamp_shift = (stream.stamp + max(1, elapsed) - stamp) % _STAMPS
                self._from_source = False
        stream.source = source
        stream.jumped = stream.restarted = False

    def _elapsed_us(self, stream: _Stream, captured_us: int, now: float) -> int:
        """Return the time between two captures, by the clock here if theirs was stepped."""
        passed_us = round((now - stream.latest_at) * _SECOND)
        others = [one for one in self._streams.values() if one is not stream and one.latest]
        is_first = all(one.restarted for one in others)
        # Those that follow keep to what the first one found, or sound and picture would part.
        most_us = passed_us + (_WAITED_US if is_first else 2 * _WAITED_US)
        if not stream.restarted:
            self._step_us = 0  # another SSRC in the midst of a stream: the clock is the same
        if not 0 <= captured_us - self._step_us <= most_us:
            self._step_us = captured_us - passed_us
        return captured_us - self._step_us

    def _begin(self, track: int, stream: _Stream, packet: Packet) -> None:
        """Give a track its line."""
        report = self._fresh(track, stream)
        other = next((s for s in self._streams.values() if s.latest is not None), None)
        stream.anchor_stamp = stream.stamp
        if report is not None and (other is None or self._from_source):
            self._from_source = True
            self._follow(stream, report)
        elif other is not None and other.latest is not None:
            ahead_us = packet.capture_us - other.latest.capture_us
            stream.anchor_ntp = other.ntp_at(other.stamp) + (ahead_us << 32) // _SECOND
        else:
            since_ntp_us = packet.capture_us + _NTP_OF_UNIX * _SECOND
            stream.anchor_ntp = (since_ntp_us << 32) // _SECOND

    def _fresh(self, track: int, stream: _Stream) -> SenderReport | None:
        """Return the source's report on a track if it speaks of the packets that are sent now."""
        report = self._reports.get(track)
        if report is None or not report.ntp or report.ssrc != stream.source or stream.restarted:
            return None
        return None if report == self._stale.get(track) else report

    def _follow(self, stream: _Stream, report: SenderReport) -> None:
        stream.anchor_ntp = report.ntp + self._ntp_shift
        stream.anchor_stamp = (report.rtp + stream.stamp_shift) % _STAMPS

    def _follow_source(self) -> None:
        """Renew the lines, from the source's reports where that keeps them together."""
        begun = {i: s for i, s in self._streams.items() if s.latest is not None}
        for stream in begun.values():
            stream.anchor_ntp, stream.anchor_stamp = stream.ntp_at(stream.stamp), stream.stamp
        fresh = {i: report for i, s in begun.items() if (report := self._fresh(i, s)) is not None}
        if not self._from_source:
            if len(fresh) < len(begun) or not begun:
                return
            track, stream = next(iter(begun.items()))
            stamp = (fresh[track].rtp + stream.stamp_shift) % _STAMPS
            self._ntp_shift = stream.ntp_at(stamp) - fresh[track].ntp
            self._from_source = True
        for track, report in fresh.items():
            self._follow(begun[track], report)

    def _report(self, track: int, stream: _Stream, packet: Packet) -> Outgoing:
        info = rtcp.SenderInfo(
            stream.ssrc,
            stream.ntp_at(stream.stamp) % (1 << 64),
            stream.stamp,
            stream.packets,
            stream.octets,
        )
        name = rtcp.source_description(stream.ssrc, self._cname)
        return Outgoing(track, True, rtcp.sender_report(info) + name, packet)

    def _starts(self, firsts: Mapping[int, bytes]) -> dict[int, Start]:
        numbers = {track: _NUMBERS.unpack_from(payload) for track, payload in firsts.items()}
        times = {t: self._streams[t].ntp_at(stamp) for t, (_, stamp, _) in numbers.items()}
        first = min(times.values(), default=0)
        starts: dict[int, Start] = {}
        for track, (seq, stamp, _) in numbers.items():
            ticks = ((times[track] - first) * self._streams[track].rate + _HALF) >> 32
            starts[track] = Start(seq, (stamp - ticks) % _STAMPS)
        return starts


def _is_rtp(packet: Packet) -> bool:
    return not packet.flags & FLAG_RTCP and len(packet.payload) >= rtp.HEADER_BYTES
