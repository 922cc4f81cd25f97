"""What arrives of one RTP sender, as its receiver reports tell it (RFC 3550, 6.4.1, A.3, A.8)."""

from common import rtcp
from common.rtp import Header
from common.seqnum import distance16, distance32, extend16

MAX_DROPOUT = 3000


class Reception:
    """Counts of one track. A new SSRC, or a jump in its numbers, begins a new count."""

    def __init__(self, clock_rate: int) -> None:
        self._clock_rate = clock_rate
        self.ssrc: int | None = None
        self.received = 0
        self._base = self._highest = 0
        self._jitter = 0.0
        self._transit = 0
        self._lost_before = 0
        self._reported = (0, 0)
        """Expected and received at the last report."""
        self._last_sr = 0
        self._last_sr_at = 0.0

    @property
    def expected(self) -> int:
        """Packets that the numbers promise since this count began."""
        return self._highest - self._base + 1 if self.ssrc is not None else 0

    @property
    def lost(self) -> int:
        """Packets of all counts that the source numbered and that never came."""
        return self._lost_before + max(0, self.expected - self.received)

    def packet(self, header: Header, now: float) -> None:
        """Take the header of a packet that came at `now` seconds."""
        ahead = distance16(header.sequence, self._highest & 0xFFFF)
        arrival = int(now * self._clock_rate)
        if header.ssrc != self.ssrc or abs(ahead) > MAX_DROPOUT:
            self._begin(header, arrival)
            return
        self._highest = max(self._highest, extend16(header.sequence, self._highest))
        self.received += 1
        transit = arrival - header.timestamp
        self._jitter += (abs(distance32(transit, self._transit)) - self._jitter) / 16
        self._transit = transit

    def sender_report(self, info: rtcp.SenderInfo, now: float) -> None:
        """Note a sender report, so that the next report says how long ago it came."""
        self._last_sr, self._last_sr_at = info.ntp >> 16 & 0xFFFF_FFFF, now

    def report(self, now: float) -> rtcp.ReportBlock | None:
        """Return what to tell the sender, and begin the next interval; None before any packet."""
        if self.ssrc is None:
            return None
        expected = self.expected - self._reported[0]
        lost = expected - (self.received - self._reported[1])
        self._reported = (self.expected, self.received)
        since = now - self._last_sr_at if self._last_sr else 0.0
        return rtcp.ReportBlock(
            ssrc=self.ssrc,
            fraction_lost=min(255, lost * 256 // expected) if lost > 0 and expected > 0 else 0,
            lost=self.expected - self.received,
            highest=self._highest,
            jitter=int(self._jitter),
            last_sr=self._last_sr,
            delay=int(since * 65536),
        )

    def _begin(self, header: Header, arrival: int) -> None:
        self._lost_before = self.lost
        if header.ssrc != self.ssrc:
            self._last_sr = 0
        self.ssrc = header.ssrc
        self._base = self._highest = header.sequence
        self.received = 1
        self._reported = (0, 0)
        self._jitter = 0.0
        self._transit = arrival - header.timestamp
