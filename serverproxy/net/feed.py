"""One channel of the server proxy: numbers the source's packets and feeds the first nodes."""

import asyncio
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from common import rtcp
from common.children import Children
from common.codec import encode_body
from common.fields import PathEntry, SenderReport, Stream, TrackReport
from common.frame import FLAG_RTCP, Packet, encode
from common.ids import ROOT, NodeId, Stripe
from common.policies import add_policy
from common.runtime.capture import Capture
from common.runtime.childfeed import BURST_BYTES
from common.runtime.downlink import Downlink
from common.runtime.pcap import SOURCE, Flow
from common.stripelog import StripeLog
from serverproxy.config import ChannelConfig
from serverproxy.core.events import SourceDescription, SourcePacket
from serverproxy.core.numbering import Numbering

log = logging.getLogger(__name__)

COMING_BACK = 2.0
"""Seconds after the start within which the nodes of an earlier process come back."""
MOST_WHY = 900
"""Characters of a source's trouble that nodes are told: a Sentence has room for 1,000."""

MOST_KEYS = 4
"""Group keys that are good: this process's own, and the first that nodes bring from earlier ones.
Whoever asks is given one anyway; the node of one that is not among them is taken once it is back.
"""


class ChannelFeed:
    """The root of both trees of one channel (`events.SourceSink`, `downlink.Upstream`)."""

    def __init__(self, name: str, config: ChannelConfig, *, instance_us: int) -> None:
        """Begin with sequence numbers at `instance_us`, the start of the process in Unix time."""
        self.name, self.group_key = name, secrets.token_hex(16)
        self._keys, self._key_is_kept = [self.group_key], False
        self.numbering = Numbering(first=instance_us, stripes=config.stripes)
        self.logs = [
            StripeLog(max_bytes=config.log_bytes, max_age=config.log_time)
            for _ in range(config.stripes)
        ]
        policy = config.add_policy if config.join == "redirect" else None
        children = Children(
            slots=config.children_per_stripe,
            spare=config.repair_slots,
            per_stripe=True,
            policy=add_policy(policy, secrets.randbelow),
        )
        self.downlink = Downlink(self.logs, children, self, repair_grace=config.repair_grace)
        self._began = self._first = self.numbering.next
        self._instance_us = instance_us
        self.up = False
        """The source plays."""
        self.changed_us = instance_us
        """Group time at which it came up, or went down."""
        self.new_epoch: Stream | None = None
        """What it carries, if it came up with other codecs than before."""
        self._why_down = "not connected yet"
        self.capture = Capture()
        """That of the daemon, where there is one."""
        self.on_source: Callable[[bool, str], None] = lambda _up, _reason: None
        self.on_child_taken: Callable[[Stripe, NodeId], None] = lambda _s, _n: None
        self.on_child_lost: Callable[[Stripe, NodeId, str], None] = lambda _s, _n, _r: None
        self.on_child_left: Callable[[Stripe, NodeId], None] = lambda _s, _n: None
        self._reports: dict[int, SenderReport] = {}
        self._loop = asyncio.get_running_loop()
        self._clock_offset_us = instance_us - int(self._loop.time() * 1e6)

    @property
    def stream(self) -> Stream | None:
        """What the channel carries, None before the source was up."""
        return self.numbering.stream

    @property
    def start(self) -> int:
        """First sequence number for a newcomer: the last keyframe that is still held."""
        keyframe = self.numbering.keyframe
        floor = max(one.floor for one in self.logs)
        if keyframe >= max(floor, self._began):
            return keyframe
        if keyframe < self._began:
            # Nothing from before the source, or the numbers, began anew: they jump there.
            return max(floor, self._began)
        return max(floor, min(one.since_capture(self.now_us() - 2_000_000) for one in self.logs))

    @property
    def logs_from(self) -> int:
        """Where a newcomer's logs shall begin, for those who may come under it; 0: at `start`.

        Who comes back from an earlier process lacks all that this one has sent, its marks too.
        """
        young = self.now_us() - self._instance_us < COMING_BACK * 1e6
        # So much is given at once; for more than that its player would wait.
        short = max(one.size_bytes for one in self.logs) <= BURST_BYTES
        return self._first if young and short else 0

    @property
    def reports(self) -> tuple[TrackReport, ...]:
        """The newest sender report per track."""
        return tuple(TrackReport(track, report) for track, report in self._reports.items())

    @property
    def trouble(self) -> str:
        """Why the source does not play, and since when; empty: it plays."""
        if self.up:
            return ""
        since = datetime.fromtimestamp(self.changed_us / 1e6, UTC)
        return f"{self._why_down[:MOST_WHY]} (since {since:%H:%M:%S} UTC)"

    def now_us(self) -> int:
        """Return the group clock."""
        return int(self._loop.time() * 1e6) + self._clock_offset_us

    # --- SourceSink

    def source_up(self, description: SourceDescription) -> None:
        """Conform to events.SourceSink."""
        before = self.stream
        stream = self.numbering.begin(description)
        self.new_epoch = stream if before is None or before.epoch != stream.epoch else None
        self._reports.clear()
        self._began = self.numbering.next
        now_us = self.now_us()
        self._append(self.numbering.marks(encode_body(stream), now_us))
        self.up, self.changed_us = True, self.now_us()
        self.on_source(True, "")

    def adopt(self, group_key: str) -> None:
        """Take the key of an earlier process as good too: who shows it may not be back yet.

        Go on with the first one, so that its nodes know each other's children, but only while no
        node has been given another (`keep_key`).
        """
        if not self._key_is_kept:
            self.group_key, self._key_is_kept = group_key, True
        if group_key not in self._keys and len(self._keys) < MOST_KEYS:
            self._keys.append(group_key)

    def keep_key(self) -> None:
        """Stay with the present key: a node is given it."""
        self._key_is_kept = True

    def go_above(self, number: int, host: str) -> bool:
        """Go on above what a node at `host` brings from an earlier process; False: it cannot."""
        before = self.numbering.next
        if not self.numbering.go_above(number, host):
            return False
        if self.numbering.next != before:
            log.info("numbers on from %d", self.numbering.next, extra={"channel": self.name})
            # Who joins now may come under who has come back, and has nothing from in between.
            self._began = self._first = self.numbering.next
            if self.stream is not None:
                self._append(self.numbering.marks(encode_body(self.stream), self.now_us()))
        return True

    def source_packets(self, packets: Sequence[SourcePacket]) -> None:
        """Conform to events.SourceSink."""
        numbered = self.numbering.push(packets, self.now_us())
        for packet in numbered:
            if packet.flags & FLAG_RTCP and (info := rtcp.sender_info(packet.payload)):
                self._reports[packet.track] = SenderReport(info.ssrc, info.ntp, info.rtp)
        if self.capture.on:
            self.capture.take(Flow(self.name, None, SOURCE, ROOT), self.stream, numbered)
        self._append(numbered)

    def source_down(self, reason: str) -> None:
        """Conform to events.SourceSink."""
        was, self.up, self._why_down = self.up, False, reason
        self.new_epoch = None
        if was:
            self.changed_us = self.now_us()
            self.on_source(False, reason)

    def _append(self, packets: Sequence[Packet]) -> None:
        stripes = len(self.logs)
        for stripe, own in enumerate(self.logs):
            mine = [packet for packet in packets if packet.seq % stripes == stripe]
            if mine:
                own.append(mine, [encode(packet) for packet in mine])
                self.downlink.appended(Stripe(stripe))

    # --- Upstream

    def path(self, stripe: Stripe) -> Sequence[PathEntry] | None:
        """Conform to downlink.Upstream."""
        return (PathEntry(ROOT, ()),)

    def starved(self, stripe: Stripe) -> bool:
        """Conform to downlink.Upstream: the source is no link."""
        return False

    def newest_keyframe(self) -> int:
        """Conform to downlink.Upstream."""
        return self.numbering.keyframe

    def accepts(self, group_key: str) -> bool:
        """Conform to downlink.Upstream."""
        shown = group_key.encode()
        return any(secrets.compare_digest(shown, known.encode()) for known in self._keys)

    def delay(self) -> float:
        """Conform to downlink.Upstream: the clock starts here."""
        return 0.0

    def fields(self, stripe: Stripe, child: NodeId) -> Mapping[str, object]:
        """Conform to downlink.Upstream."""
        return {"channel": self.name, "stripe": stripe, "node": child}

    def sent(self, stripe: Stripe, node: NodeId, data: bytes) -> None:
        """Conform to downlink.Upstream."""
        if self.capture.on:
            self.capture.take_frames(Flow(self.name, stripe, ROOT, node), self.stream, data)

    def child_taken(self, stripe: Stripe, node: NodeId) -> None:
        """Conform to downlink.Upstream."""
        log.info("feeds %s", node, extra=self.fields(stripe, node))
        self.on_child_taken(stripe, node)

    def child_lost(self, stripe: Stripe, node: NodeId, reason: str) -> None:
        """Conform to downlink.Upstream."""
        log.info("child %s gone: %s", node, reason, extra=self.fields(stripe, node))
        if reason in ("bye", "moved", "redirected", "left"):
            self.on_child_left(stripe, node)
        else:
            self.on_child_lost(stripe, node, reason)
