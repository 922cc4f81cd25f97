"""One node: this client proxy in one channel.

Ties the control link, the links to parents, the stripe logs, the links to children and the merged
feed together. Data goes from a parent's link into the log, from there to the children and into the
merge, all within one wake-up.
"""

import asyncio
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from clientproxy.config import ClientConfig
from clientproxy.core.events import ChannelUnavailableError
from clientproxy.net.control import ControlLink
from clientproxy.net.feed import MergedFeed
from clientproxy.net.uplink import Uplink
from common.children import Children
from common.clock import GroupClock
from common.errors import BadFrameError
from common.frame import FrameType, Received
from common.ids import Address, NodeId, Stripe
from common.messages import (
    VERSION,
    Announce,
    Attach,
    Attached,
    AttachedReport,
    Candidates,
    ChildLost,
    Clock,
    Closed,
    FromServer,
    Join,
    Offer,
    ParentLost,
    PathEntry,
    Redirect,
    Rejoin,
    Report,
    Serve,
    StripeReport,
    StripeState,
)
from common.runtime.downlink import Downlink
from common.runtime.tasks import Tasks
from common.stripelog import StripeLog

log = logging.getLogger(__name__)

TICK = 0.05
REPORT_EVERY = 2.0


@dataclass(slots=True)
class StripeStats:
    """Counts of one stripe since the start."""

    received_bytes: int = 0
    """RTP and RTCP bytes in data frames."""
    received: int = 0
    holes: int = 0
    """Sequence numbers that no parent had any more."""


class Node:
    """A client proxy in one channel."""

    def __init__(
        self, channel: str, server: Address, config: ClientConfig, overlay: Address, tasks: Tasks
    ) -> None:
        """Prepare; `run` joins. `overlay` is where the daemon listens for other nodes."""
        self.channel, self.server, self.nonce = channel, server, secrets.token_hex(16)
        self.clock = GroupClock()
        self.feed = MergedFeed(
            channel,
            self.clock,
            reorder_timeout=config.reorder_timeout,
            history_bytes=config.log_bytes,
        )
        self.offer: Offer | None = None
        self.stats: list[StripeStats] = []
        self.rejoins: dict[tuple[Stripe, str], int] = {}
        self.logs: list[StripeLog] = []
        self.downlink: Downlink | None = None
        self.uplink: Uplink | None = None
        self.source_up = False
        self.serve: int | None = None
        self._config, self._overlay, self._tasks = config, overlay, tasks
        self._paths: list[tuple[PathEntry, ...] | None] = []
        self._loop = asyncio.get_running_loop()
        self._control = ControlLink(channel, server, self)
        self._previous_keys: set[str] = set()
        self._error: ChannelUnavailableError | None = None
        self._news = asyncio.Event()
        self._closed = False

    # --- life

    async def run(self) -> None:
        """Stay joined until cancelled."""
        self._tasks.spawn(self._control.run(), name=f"control {self.channel}")
        report_at = last = self._loop.time()
        while True:
            await asyncio.sleep(TICK)
            now = self._loop.time()
            self._control.tick(now)
            if self.uplink is not None and self.downlink is not None:
                self.uplink.tick()
                self.downlink.tick(now - last)
                if now >= report_at and self._control.up:
                    report_at = now + REPORT_EVERY
                    self._control.tell(self._report(now))
            last = now

    async def ready(self, within: float) -> MergedFeed:
        """Wait until players can be served; raise ChannelUnavailableError with a reason."""
        try:
            async with asyncio.timeout(within):
                while not (self.feed.stream and self.source_up):
                    if self._error is not None and self._error.status != 503:  # noqa: PLR2004
                        raise self._error
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            why = f"channel {self.channel}: no answer from server proxy {self.server} yet"
            if self.offer is not None:
                why = f"channel {self.channel}: its source is down"
            raise self._error or ChannelUnavailableError(503, why, 5.0) from None
        return self.feed

    @property
    def joined(self) -> bool:
        """The control link is up and every stripe has a parent."""
        return self._control.up and self.uplink is not None and self.uplink.search.attached

    @property
    def control_bytes(self) -> int:
        """Bytes of control messages sent."""
        return self._control.control_bytes

    def close(self, reason: str = "left") -> None:
        """Hand the children over, say bye to the parents and leave."""
        if self._closed:
            return
        self._closed = True
        if self.downlink is not None:
            self.downlink.hand_over()
        self._control.leave()
        if self.uplink is not None:
            self.uplink.close()
        if self.downlink is not None:
            self.downlink.close(reason)
        self.feed.end(reason)

    # --- Member: the control link

    def join_request(self) -> Join | Rejoin:
        """Conform to control.Member."""
        join = Join(
            version=VERSION,
            channel=self.channel,
            port=self._overlay.port,
            nonce=self.nonce,
            sent_us=self._now_us(),
            advertise=tuple(
                str(Address(one.host, one.port or self._overlay.port))
                for one in self._config.advertise
            ),
            max_children=self._config.max_children,
        )
        if self.offer is None or self.uplink is None or self.downlink is None:
            return join
        return Rejoin(
            join=join,
            node=self.offer.node,
            instance=self.offer.instance,
            stripes=tuple(self._stripe_state(Stripe(s)) for s in range(len(self.logs))),
            players=self.feed.viewers,
        )

    def _stripe_state(self, stripe: Stripe) -> StripeState:
        assert self.offer is not None
        assert self.uplink is not None
        assert self.downlink is not None
        return StripeState(
            stripe,
            self.offer.serve == stripe,
            self.uplink.search.parent(stripe),
            tuple(child.node for child in self.downlink.children.of(stripe)),
            self.newest(stripe),
        )

    def offered(self, offer: Offer) -> None:
        """Conform to control.Member."""
        now_us = self._now_us()
        self._error = None
        same = self.offer is not None and self.offer.instance == offer.instance
        if not same:
            self.clock.restart()
            self._begin(offer)
        elif self.offer is not None and self.offer.group_key != offer.group_key:
            self._previous_keys = {self.offer.group_key}
        self.offer = offer
        self.source_up = offer.source_up
        clock = offer.clock
        self.clock.exchange(clock.sent_us, clock.received_us, clock.replied_us, now_us)
        if not offer.addresses:
            log.warning(
                "the server proxy cannot reach %s: this node passes nothing on; open the overlay "
                "port or set `advertise`",
                self._overlay,
                extra={"channel": self.channel, "node": offer.node},
            )
        self._serve(offer.serve, offer.slots)
        assert self.uplink is not None
        for one in offer.parents:
            self.uplink.candidates(Stripe(one.stripe), one.candidates, 1.0)
        if same:
            self.uplink.ask_again()
        self._news.set()

    def _begin(self, offer: Offer) -> None:
        """Start from nothing: the first Offer, or the first of another server process."""
        if self.uplink is not None and self.downlink is not None:
            log.info("the server proxy has restarted", extra={"channel": self.channel})
            self.uplink.close()
            self.downlink.close("restarted")
        config, stripes = self._config, offer.stripes
        self.logs = [
            StripeLog(max_bytes=config.log_bytes, max_age=config.log_time) for _ in range(stripes)
        ]
        while len(self.stats) < stripes:
            self.stats.append(StripeStats())
        self._paths = [None] * stripes
        children = Children(slots=offer.slots, hard_limit=config.max_children is not None)
        self.downlink = Downlink(self.channel, self.logs, children, self)
        self.uplink = Uplink(
            self.channel,
            self.server,
            self,
            self._tasks,
            group_key=offer.group_key,
            stripes=stripes,
        )
        reports = {one.track: one.report for one in offer.sender_reports}
        self.feed.begin(offer.start, offer.stream, reports)

    def _serve(self, serve: int | None, slots: int) -> None:
        assert self.downlink is not None
        self.serve = serve
        self.downlink.children.slots = slots

    def told(self, message: FromServer) -> None:
        """Conform to control.Member."""
        if self.uplink is None or self.offer is None:
            return
        match message:
            case Candidates(parents=parents, retry_after=retry_after):
                self.uplink.candidates(Stripe(parents.stripe), parents.candidates, retry_after)
            case Redirect(stripe=stripe, parent=parent, targets=targets):
                self.uplink.redirected(Stripe(stripe), NodeId(parent), targets)
            case Serve(serve=serve, slots=slots):
                self._serve(serve, slots)
            case Clock(sent_us=sent, received_us=received, replied_us=replied):
                self.clock.exchange(sent, received, replied, self._now_us())
            case Announce(source_up=up, reason=reason):
                if self.source_up != up:
                    text = "the source is up" if up else f"the source is down: {reason}"
                    log.info("%s", text, extra={"channel": self.channel})
                self.source_up = up
                self._news.set()
            case Closed(sentence=sentence):
                self._error = ChannelUnavailableError(404, sentence)
                log.warning("%s", sentence, extra={"channel": self.channel})
                self._news.set()
                self.feed.end(sentence)
            case _:
                pass

    def refused(self, error: ChannelUnavailableError) -> None:
        """Conform to control.Member."""
        self._error = error
        self._news.set()

    # --- Membership: the links to parents

    def attach_request(self, stripe: Stripe, *, orphan: bool, visited: tuple[str, ...]) -> Attach:
        """Conform to uplink.Membership."""
        assert self.offer is not None
        own = self.logs[stripe]
        return Attach(
            version=VERSION,
            channel=self.channel,
            stripe=stripe,
            node=self.offer.node,
            group_key=self.offer.group_key,
            serve=self.serve,
            slots=0 if self.downlink is None else self.downlink.children.slots,
            addresses=self.offer.addresses,
            start=self.feed.head if own.newest is None else own.newest + 1,
            orphan=orphan,
            visited=visited,
        )

    def newest(self, stripe: Stripe) -> int:
        """Conform to uplink.Membership."""
        return self.logs[stripe].newest or 0

    def keyframe(self) -> int:
        """Conform to uplink.Membership."""
        return self.feed.keyframe

    def take(self, stripe: Stripe, received: Received, *, parent: NodeId) -> None:
        """Conform to uplink.Membership: into the log, to the children, into the merge."""
        stripes, last = len(self.logs), -1
        for packet in received.packets:
            if packet.seq % stripes != stripe or packet.seq <= last:
                raise BadFrameError(f"sequence number {packet.seq} in stripe {stripe}")
            last = packet.seq
        new = self.logs[stripe].append(received.packets, received.frames)
        if not new:
            return
        assert self.downlink is not None
        self.downlink.appended(stripe)
        stats = self.stats[stripe]
        stats.received += len(new)
        stats.received_bytes += sum(
            len(packet.payload) for packet in new if packet.type == FrameType.DATA
        )
        self.feed.take(new)

    def attached(self, stripe: Stripe, parent: NodeId, reply: Attached) -> None:
        """Conform to uplink.Membership."""
        own, stripes = self.logs[stripe], len(self.logs)
        expected = self.feed.head if own.newest is None else own.newest + stripes
        log.info(
            "attached to %s from sequence number %d on",
            parent,
            reply.first,
            extra=self._extra(stripe),
        )
        if reply.first >= expected + stripes and self.feed.head:
            if self.feed.stats.delivered == 0:
                self.feed.skip_to(reply.first)
                return
            hole = (reply.first - expected) // stripes
            self.stats[stripe].holes += hole
            log.warning(
                "%s has nothing before %d: %d packets are missing",
                parent,
                reply.first,
                hole,
                extra=self._extra(stripe),
            )

    def path_changed(self, stripe: Stripe, path: Sequence[PathEntry] | None) -> None:
        """Conform to uplink.Membership: tell the children, and leave a cycle at once."""
        if path is None or self.offer is None:
            self._paths[stripe] = None
            return
        if any(entry.node == self.offer.node for entry in path):
            assert self.uplink is not None
            if (link := self.uplink.current(stripe)) is not None:
                link.give_up("loop")
            return
        own = (*path, PathEntry(self.offer.node, self.offer.addresses))
        if own != self._paths[stripe]:
            self._paths[stripe] = own
            assert self.downlink is not None
            self.downlink.path_changed(stripe)

    def parent_lost(self, stripe: Stripe, parent: NodeId, reason: str) -> None:
        """Conform to uplink.Membership."""
        self.rejoins[stripe, reason] = self.rejoins.get((stripe, reason), 0) + 1
        log.info("parent %s lost: %s", parent, reason, extra=self._extra(stripe))

    def tell(self, message: AttachedReport | ParentLost) -> None:
        """Conform to uplink.Membership."""
        self._control.tell(message)

    # --- Upstream: the links to children

    def path(self, stripe: Stripe) -> Sequence[PathEntry] | None:
        """Conform to downlink.Upstream."""
        return self._paths[stripe]

    def newest_keyframe(self) -> int:
        """Conform to downlink.Upstream."""
        return self.feed.keyframe

    def accepts(self, group_key: str) -> bool:
        """Conform to downlink.Upstream."""
        if self.offer is None or self._closed:
            return False
        return group_key == self.offer.group_key or group_key in self._previous_keys

    def delay(self) -> float:
        """Conform to downlink.Upstream."""
        return self.feed.delay

    def child_taken(self, stripe: Stripe, node: NodeId) -> None:
        """Conform to downlink.Upstream."""
        log.info("feeds %s", node, extra=self._extra(stripe))

    def child_lost(self, stripe: Stripe, node: NodeId, reason: str) -> None:
        """Conform to downlink.Upstream."""
        log.info("child %s gone: %s", node, reason, extra=self._extra(stripe))
        if reason not in ("bye", "moved", "redirected", "left"):
            self._control.tell(ChildLost(stripe=stripe, child=node, reason=reason))

    # --- figures

    def _report(self, now: float) -> Report:
        assert self.uplink is not None
        assert self.downlink is not None
        return Report(
            sent_us=int(now * 1e6),
            delay=self.feed.delay,
            stripes=tuple(
                StripeReport(
                    stripe,
                    self.uplink.search.parent(Stripe(stripe)),
                    self.feed.delay,
                    stats.received,
                    stats.holes,
                    0,
                    tuple(child.node for child in self.downlink.children.of(Stripe(stripe))),
                )
                for stripe, stats in enumerate(self.stats)
            ),
            players=self.feed.viewers,
            delivered=self.feed.stats.delivered,
            lost=self.feed.lost,
        )

    def _extra(self, stripe: Stripe) -> dict[str, object]:
        node = "?" if self.offer is None else self.offer.node
        return {"channel": self.channel, "stripe": stripe, "node": node}

    def _now_us(self) -> int:
        return int(self._loop.time() * 1e6)
