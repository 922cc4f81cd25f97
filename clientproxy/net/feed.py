"""The merged stream of one channel: what the players of this node are fed from."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence

from clientproxy.core.epochs import Change, Epochs
from clientproxy.core.events import Viewer
from clientproxy.core.history import History
from clientproxy.core.reorder import Reorder
from clientproxy.net.feedstats import FeedStats
from clientproxy.net.viewers import Viewers
from common.clock import GroupClock
from common.errors import BadMessageError
from common.fields import SenderReport, Stream, Track
from common.frame import FLAG_KEYFRAME, FLAG_RTCP, FrameType, Packet
from common.ids import NodeId
from common.runtime.capture import Capture
from common.runtime.pcap import PLAYERS, Flow

log = logging.getLogger(__name__)

FIRST_PATIENCE = 4.0
"""Seconds after the start in which no gap is given up while a stripe has no parent yet."""
_EPOCH = int(FrameType.EPOCH)
"""Compared with for each packet: an attribute of an enum costs more than all else there."""
WARN_EVERY = 1.0
"""Seconds between two lines about lost packets."""


class MergedFeed:
    """A channel in merged order, with its history since the last keyframe (`events.Feed`)."""

    __slots__ = (
        "_delivered_before", "_epochs", "_history", "_loop", "_patient_until", "_reorder",
        "_timeout", "_timer", "_viewers", "_warn_at", "_warned", "capture", "channel",
        "clock", "delivered_at", "keyframe", "node", "on_stream", "stats",
    )  # fmt: skip

    def __init__(self, channel: str, *, reorder_timeout: float, history_bytes: int) -> None:
        """Wait for `begin`; keep at most `history_bytes` of payload for late viewers."""
        self.stats = FeedStats()
        self.capture = Capture()
        """That of the daemon, where there is one."""
        self.node = NodeId("")
        """Id of the node, once it has one."""
        self.keyframe = 0
        """Newest sequence number that starts a keyframe, 0: none."""
        self._delivered_before = 0
        self._patient_until = 0.0
        self.delivered_at = float("-inf")
        """Loop time of the newest delivery."""
        self._epochs = Epochs()
        self.on_stream: Callable[[], None] = lambda: None
        """Called when the stream is known, or is another."""
        self.channel, self.clock = channel, GroupClock()
        self._timeout, self._history = reorder_timeout, History(history_bytes)
        self._reorder = Reorder(head=0, timeout=reorder_timeout, capacity_bytes=history_bytes)
        """Nothing comes here before `begin`."""
        self._viewers = Viewers(lambda: self.fields)
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._warned, self._warn_at = 0, 0.0

    def keep(self, *, reorder_timeout: float, history_bytes: int) -> None:
        """Wait so long for what is missing, and keep so much, from now on."""
        self._timeout, self._history.max_bytes = reorder_timeout, history_bytes
        self._reorder.wait(timeout=reorder_timeout, capacity_bytes=history_bytes)

    # --- Feed

    @property
    def fields(self) -> Mapping[str, object]:
        """What log lines about the channel carry."""
        return {"channel": self.channel, **({"node": self.node} if self.node else {})}

    @property
    def stream(self) -> Stream | None:
        """What the packets belong to; None: not known yet."""
        return self._epochs.stream

    @property
    def sdp(self) -> str:
        """SDP as the source sent it."""
        return "" if self.stream is None else self.stream.sdp

    @property
    def tracks(self) -> Sequence[Track]:
        """Tracks that are carried."""
        return () if self.stream is None else self.stream.tracks

    @property
    def sender_reports(self) -> Mapping[int, SenderReport]:
        """The newest sender report of the source per track index."""
        return self._epochs.reports

    def add_viewer(self, viewer: Viewer) -> Sequence[Packet]:
        """Begin to feed a viewer; return the packets since the last keyframe."""
        self._viewers.add(viewer)
        return self._history.packets()

    def remove_viewer(self, viewer: Viewer) -> None:
        """Feed it no more."""
        self._viewers.remove(viewer)

    # --- the node

    @property
    def viewers(self) -> int:
        """Players that are fed."""
        return len(self._viewers)

    @property
    def viewer_failures(self) -> int:
        """Players whose sessions a bug has ended."""
        return self._viewers.failures

    @property
    def lost(self) -> int:
        """Packets given up since the start."""
        return self.stats.lost_before + self._reorder.stats.lost

    @property
    def late(self) -> int:
        """Packets that came after they were given up, or twice, in the present merge."""
        return self._reorder.stats.late

    @property
    def reorder_depth(self) -> int:
        """Packets that wait behind a gap."""
        return self._reorder.held

    @property
    def head(self) -> int:
        """Next sequence number to be delivered, 0 before `begin`."""
        return self._reorder.head

    def begin(
        self,
        head: int,
        stream: Stream | None,
        reports: Mapping[int, SenderReport],
        *,
        stripes: int,
    ) -> None:
        """Deliver from sequence number `head` on; the second time the source has begun anew."""
        self._merge(head, stripes)
        self._changed(self._epochs.begin(stream, reports))

    def go_on_at(self, head: int, *, stripes: int) -> None:
        """Deliver from sequence number `head` on, which is in the midst of the same stream."""
        self._merge(head, stripes)
        self._history.wait()

    def _merge(self, head: int, stripes: int) -> None:
        self.stats.lost_before += self._reorder.stats.lost
        self._reorder = Reorder(
            head=head,
            timeout=self._timeout,
            capacity_bytes=self._history.max_bytes,
            stripes=stripes,
            begun=False,
        )
        self._history.forget()
        self.keyframe = 0
        self._delivered_before = self.stats.delivered
        self.stats.begin()
        self._patient_until = self._loop.time() + FIRST_PATIENCE

    def server_restarted(self, begins: int) -> None:
        """Note that another server process numbers from `begins` on, by another clock."""
        self.clock.restart()
        self._reorder.skip_unused(begins)

    def heard(self, stream: Stream | None) -> None:
        """Take the server proxy's word of the stream, for when its EPOCH frames do not come."""
        self._epochs.heard(stream)

    def skip_to(self, head: int) -> bool:
        """Start later than asked, before the first delivery; later it is a hole: return False."""
        if self.stats.delivered > self._delivered_before:
            return False
        self._deliver(self._reorder.skip_to(head))
        return True

    def complete(self) -> None:
        """Note that every stripe has a parent: deliver, give up gaps after `reorder_timeout`."""
        self._deliver(self._reorder.begin())
        self._patient_until = min(self._patient_until, self._loop.time() + self._timeout)
        if self._timer is not None:
            self._arm()

    def take(self, packets: Sequence[Packet]) -> None:
        """Merge new packets of any stripe and deliver what is in order."""
        now = self._loop.time()
        for packet in packets:
            if packet.flags & FLAG_KEYFRAME and packet.seq > self.keyframe:
                self.keyframe = packet.seq
        if out := self._reorder.push(packets, now):
            self._deliver(out)
        if self._timer is None and self._reorder.held:
            self._arm()

    def end(self, reason: str) -> None:
        """End all viewers: the channel is closed."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._viewers.end(reason)

    def group_time_us(self) -> int:
        """Return the group clock as it is estimated here."""
        return int(self._loop.time() * 1e6) + self.clock.offset_us

    def _next_deadline(self) -> float | None:
        deadline = self._reorder.next_deadline()
        return None if deadline is None else max(deadline, self._patient_until)

    def _expire(self) -> None:
        self._timer = None
        deadline, now = self._next_deadline(), self._loop.time()
        if deadline is not None and deadline <= now:
            self._deliver(self._reorder.expire(now))
            self._warn(now)
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        deadline = self._next_deadline()
        self._timer = None if deadline is None else self._loop.call_at(deadline, self._expire)

    def _warn(self, now: float) -> None:
        """Say what was lost, at most once a second: a stripe may be missing for long."""
        if now >= self._warn_at and self.lost > self._warned:
            log.warning(
                "%d packets lost up to sequence number %d: not there within %.3g s",
                self.lost - self._warned,
                self._reorder.head - 1,
                self._timeout,
                extra=self.fields,
            )
            self._warned, self._warn_at = self.lost, now + WARN_EVERY

    def _deliver(self, packets: Sequence[Packet]) -> None:
        if (at := self._epochs.due_at(packets)) is not None:
            self._deliver_frames(packets[:at])
            packets = packets[at:]
            text = "the source began anew: the server proxy says so, no EPOCH frame has come"
            log.info(text, extra=self.fields)
            self._changed(self._epochs.take())
            self._history.wait()
        self._deliver_frames(packets)

    def _deliver_frames(self, packets: Sequence[Packet]) -> None:
        begin = 0
        for at, packet in enumerate(packets):
            if packet.type == _EPOCH:
                self._deliver_data(packets[begin:at])
                self._epoch(packet)
                begin = at + 1
        self._deliver_data(packets[begin:] if begin else packets)

    def _deliver_data(self, packets: Sequence[Packet]) -> None:
        if not packets:
            return
        self._history.extend(packets)
        for packet in packets:
            if packet.flags & FLAG_RTCP:
                self._epochs.report(packet)
        if self.capture.on:
            flow = Flow(self.channel, None, self.node, PLAYERS)
            self.capture.take(flow, self.stream, packets)
        self._viewers.tell(lambda viewer: viewer.packets(packets))
        self._measure(packets)

    def _measure(self, packets: Sequence[Packet]) -> None:
        self.delivered_at, now_us = self._loop.time(), self.group_time_us()
        first, last = packets[0].capture_us, packets[-1].capture_us
        self.stats.deliver(len(packets), (now_us - first) / 1e6, (now_us - last) / 1e6)

    def _epoch(self, packet: Packet) -> None:
        try:
            self._changed(self._epochs.frame(packet))
        except BadMessageError as error:
            log.warning("epoch frame ignored: %s", error, extra=self.fields)

    def _changed(self, change: Change) -> None:
        """Tell the players of another stream."""
        if change == "none":
            return
        self._history.forget()
        self.on_stream()
        if change == "same codecs":
            self._viewers.tell(lambda viewer: viewer.source_restarted())
        elif change == "other codecs":
            log.info("the source has other codecs, or another format, now", extra=self.fields)
            self._viewers.end("the source has other codecs, or another format, now")
