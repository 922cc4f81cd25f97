"""One track of a pull: from raw packets to checked, ordered and counted ones."""

import asyncio

from common import rtcp, rtp
from common.fields import Track
from serverproxy.core.events import SourcePacket
from serverproxy.core.inorder import InOrder
from serverproxy.core.reception import Reception
from serverproxy.core.sourcestats import SourceStats
from serverproxy.net.source.intake import Intake


class Receiver:
    """Takes what comes for one track, RTP and RTCP, over whatever transport."""

    def __init__(self, track: Track, intake: Intake, stats: SourceStats, *, ordered: bool) -> None:
        """Take `ordered` if the transport keeps the order by itself, as TCP does."""
        self._track, self._intake, self._stats = track.index, intake, stats
        self._order = None if ordered else InOrder()
        self._reception = Reception(track.clock_rate)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._lost_before = stats.lost_packets.get(track.index, 0)
        self._counted = (0, 0, 0)
        """What of the buffer's counts is in the stats: reordered, late, duplicates."""
        self.last_rtp: float | None = None
        """Loop time of the newest RTP packet."""
        self.said_bye = False
        """The sender has said goodbye and sent nothing since."""

    def take(self, packet: bytes) -> None:
        """Take a packet; RTP and RTCP are told apart by their bytes, not by where they came."""
        if rtp.is_rtcp(packet):
            self._take_rtcp(packet)
            return
        header = rtp.parse(packet)
        if header is None:
            self._stats.bad_frames += 1
            return
        now = self._loop.time()
        self.last_rtp, self.said_bye = now, False
        self._reception.packet(header, now)
        if self._order is None:
            self._intake.add(SourcePacket(self._track, rtcp=False, payload=packet))
        else:
            self._pass_on(self._order.push(packet, now))

    def report(self, ssrc: int, cname: str) -> bytes:
        """Build the receiver report of this track, empty of blocks before its first packet."""
        block = self._reception.report(self._loop.time())
        blocks = [] if block is None else [block]
        return rtcp.receiver_report(ssrc, blocks) + rtcp.source_description(ssrc, cname)

    def count(self) -> None:
        """Bring the stats up to date."""
        self._stats.lost_packets[self._track] = self._lost_before + self._reception.lost
        if self._order is not None:
            order, (reordered, late, duplicates) = self._order, self._counted
            self._counted = (order.reordered, order.late, order.duplicates)
            self._stats.reordered += order.reordered - reordered
            self._stats.late += order.late - late
            self._stats.duplicates += order.duplicates - duplicates

    def close(self) -> None:
        """Pass on what is held and stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._order is not None:
            self._pass_on(self._order.expire(float("inf")))
        self.count()
        self._order = None

    def _take_rtcp(self, packet: bytes) -> None:
        if not rtcp.is_valid(packet):
            self._stats.bad_frames += 1
            return
        info = rtcp.sender_info(packet)
        if info is not None:
            self._reception.sender_report(info, self._loop.time())
        gone = rtcp.byes(packet)
        if gone and self._reception.ssrc in (None, *gone):
            self.said_bye = True
        self._intake.add(SourcePacket(self._track, rtcp=True, payload=packet))

    def _pass_on(self, packets: list[bytes]) -> None:
        for packet in packets:
            self._intake.add(SourcePacket(self._track, rtcp=False, payload=packet))
        deadline = None if self._order is None else self._order.next_deadline()
        if deadline is not None and self._timer is None:
            self._timer = self._loop.call_at(deadline, self._expire)

    def _expire(self) -> None:
        self._timer = None
        if self._order is not None:
            self._pass_on(self._order.expire(self._loop.time()))
            self._intake.flush()
