"""One node: this client proxy in one channel, from Join to Leave."""

import asyncio
import logging
import math
import secrets
from collections.abc import Mapping

import msgspec

from clientproxy.config import ClientConfig
from clientproxy.core.events import ChannelUnavailableError
from clientproxy.net.control import ControlLink
from clientproxy.net.feed import MergedFeed
from clientproxy.net.readiness import GONE, Readiness
from clientproxy.net.reports import rejoin, report
from clientproxy.net.stripes import Stripes
from common.clock import GroupClock
from common.fields import KICKED, EndReason
from common.ids import Address, NodeId, Stripe
from common.messages import (
    VERSION,
    Announce,
    AttachedReport,
    Candidates,
    ChildLost,
    Clock,
    Closed,
    Dismiss,
    FromServer,
    Join,
    MakeWay,
    Offer,
    ParentLost,
    Redirect,
    Rejoin,
    Serve,
    Standby,
)
from common.runtime.metrics import LoopLag
from common.runtime.tasks import Tasks
from common.words import serving

log = logging.getLogger(__name__)

TICK = 0.05
REPORT_EVERY = 2.0
UNREACHED_AFTER = 6.0
"""Seconds after which a node that the server proxy has not reached says so: it dials for 5 s."""


class Node:
    """A client proxy in one channel (`control.Member`)."""

    def __init__(
        self,
        channel: str,
        server: Address,
        config: ClientConfig,
        overlay: Address,
        tasks: Tasks,
        *,
        lag: LoopLag | None = None,
    ) -> None:
        """Prepare; `run` joins. `overlay` is where the daemon listens for other nodes."""
        self.channel, self.server, self.nonce = channel, server, secrets.token_hex(16)
        self.feed = MergedFeed(
            channel,
            reorder_timeout=config.reorder_timeout,
            history_bytes=config.log_bytes,
        )
        self.stripes: Stripes | None = None
        """None before the first Offer."""
        self.dialled_at: Address | None = None
        """Where the server proxy has reached this machine, as seen from here; None: not yet."""
        self._config, self._overlay, self._tasks = config, overlay, tasks
        self._lag = LoopLag() if lag is None else lag
        self._loop = asyncio.get_running_loop()
        self._control = ControlLink(channel, server, self)
        self._said_slow = False
        self._unreached_at = math.inf
        """When it is to be said if the server proxy has not reached this node by then."""
        self.readiness = Readiness(server, self._control, self.feed)

    async def run(self) -> None:
        """Stay joined until cancelled."""
        self._tasks.spawn(self._control.run(), name="control", fields=self.fields)
        report_at = last = self._loop.time()
        while True:
            await asyncio.sleep(TICK)
            now = self._loop.time()
            self._lag.woken(now - last, TICK)
            with self._lag.part(self.feed.fields):
                if self.tick(now, now - last, report_due=now >= report_at):
                    report_at = now + REPORT_EVERY
            last = now

    def tick(self, now: float, seconds: float, *, report_due: bool) -> bool:
        """Do what is due, `seconds` after the last time; return whether it has sent a Report.

        `report_due`: it is time for one.
        """
        self._control.tick(now)
        if (stripes := self.stripes) is None:
            return False
        stripes.uplink.search.served(now, answers=self._control.answers(now))
        self._tick_links(stripes, now, seconds)
        if now >= self._unreached_at:
            self._look_whether_reached(stripes)
        slow = stripes.uplink.watch.downlink_slow
        # That its own network is slow cannot wait: its children are behind too.
        due = (report_due or slow > self._said_slow) and self._control.up
        if due:
            self._said_slow = slow
            self._control.tell(report(stripes, self.feed, now))
        return due

    def _tick_links(self, stripes: Stripes, _now: float, seconds: float) -> None:
        """Do what is due on all stripe links; a simulator leaves out what is nothing."""
        stripes.tick(seconds)

    def _reported(self, message: AttachedReport | ParentLost | ChildLost) -> None:
        """Send a report on, and let players know of a place."""
        self._control.tell(message)
        self.readiness.parents_changed()

    @property
    def joined(self) -> bool:
        """The control link is up and every stripe has a parent."""
        return self._control.up and self.stripes is not None and self.stripes.attached

    @property
    def control_up(self) -> bool:
        """The server proxy has made an offer on the present control link."""
        return self._control.up

    @property
    def control_bytes(self) -> int:
        """Bytes of control messages sent."""
        return self._control.control_bytes

    async def close(self, reason: EndReason = "left") -> None:
        """Leave in good order: children first."""
        self._control.leave()  # first: no word of the server proxy may start anything from here on
        await self._tasks.close()
        if self.stripes is not None:
            await self.stripes.close(reason)
        self.feed.end(reason)

    def follow(self, config: ClientConfig) -> None:
        """Take another configuration: the server proxy is told what it has to know."""
        told = ("advertise", "max_children")
        anew = any(getattr(self._config, key) != getattr(config, key) for key in told)
        self._config = config
        self.feed.keep(reorder_timeout=config.reorder_timeout, history_bytes=config.log_bytes)
        if self.stripes is not None:
            self.stripes.downlink.children.limit(hard=config.max_children is not None)
            for own in self.stripes.logs:
                own.keep(max_bytes=config.log_bytes, max_age=config.log_time)
        if anew:
            self._control.anew()

    # --- Member

    @property
    def fields(self) -> Mapping[str, object]:
        """Conform to control.Member."""
        return self.feed.fields

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
        if self.stripes is None:
            return join
        return rejoin(join, self.stripes, self.feed)

    def urgent(self) -> bool:
        """Conform to control.Member."""
        return self.stripes is not None and not self.stripes.attached

    def offered(self, offer: Offer) -> None:
        """Conform to control.Member."""
        now_us = self._now_us()
        stripes = self.stripes
        self.feed.node = NodeId(offer.node)
        same = stripes is not None and (stripes.offer.node, stripes.offer.stripes) == (
            offer.node,
            offer.stripes,
        )
        if stripes is None or not same:
            stripes = self._begin(offer)
        elif stripes.offer.instance != offer.instance:
            text = "the server proxy was restarted: this node keeps its place"
            log.info(text, extra=self.feed.fields)
            self.feed.server_restarted(offer.instance)
            stripes.uplink.search.begin_anew(self._loop.time())
        else:
            log.info("the control link is up again", extra=self.feed.fields)
        self.feed.heard(offer.stream)
        stripes.offered(offer)
        self.readiness.offered(stripes)
        clock = offer.clock
        self.feed.clock.exchange(clock.sent_us, clock.received_us, clock.replied_us, now_us)
        self._unreached_at = self._loop.time() + UNREACHED_AFTER
        stripes.serving(offer.serve, offer.slots)
        for one in offer.parents:
            stripes.uplink.candidates(Stripe(one.stripe), one.candidates, 1.0)
        if same:
            stripes.uplink.ask_again()

    def _begin(self, offer: Offer) -> Stripes:
        """Start with empty logs: a first Offer, or one under a new id.

        The merge goes on where it stood if the sequence numbers do.
        """
        old = self.stripes
        verb = "joined" if old is None else "taken anew"
        told = verb, self.server, serving(offer.serve, offer.slots)
        log.info("%s by server proxy %s: %s", *told, extra=self.feed.fields)
        if old is not None:
            self._tasks.spawn(old.close("restarted"), name="old stripes", fields=self.fields)
        if old is None or old.offer.instance != offer.instance:
            self.feed.clock = GroupClock()
            reports = {one.track: one.report for one in offer.sender_reports}
            self.feed.begin(offer.start, offer.stream, reports, stripes=offer.stripes)
        self.stripes = Stripes(offer, self.server, self._config, self.feed, self._reported)
        return self.stripes

    def _look_whether_reached(self, stripes: Stripes) -> None:
        self._unreached_at = math.inf
        if not stripes.offer.addresses:
            log.warning(
                "the server proxy cannot reach overlay port %d: this node passes nothing on; "
                "open the port, or say with `advertise` where it can be reached",
                self._overlay.port,
                extra=self.feed.fields,
            )

    def told(self, message: FromServer) -> None:
        """Conform to control.Member."""
        if self.stripes is None:
            return
        match message:
            case Candidates(parents=parents, retry_after=retry_after):
                self.stripes.uplink.candidates(
                    Stripe(parents.stripe), parents.candidates, retry_after
                )
            case Standby(stripe=stripe, candidates=candidates):
                self.stripes.uplink.standby(Stripe(stripe), candidates)
            case Redirect(stripe=stripe, parent=parent, targets=targets):
                self.stripes.uplink.redirected(Stripe(stripe), NodeId(parent), targets)
            case Serve(serve=serve, slots=slots, addresses=addresses):
                self.stripes.offer = msgspec.structs.replace(
                    self.stripes.offer, addresses=addresses
                )
                self.stripes.serving(serve, slots)
            case Clock(sent_us=sent, received_us=received, replied_us=replied):
                self.feed.clock.exchange(sent, received, replied, self._now_us())
            case Announce(source_up=up, reason=reason, stream=stream):
                self.feed.heard(stream)
                self.readiness.announced(up, reason)
            case Closed(reason=reason, sentence=sentence):
                self.readiness.sent_away |= reason == KICKED
                log.warning("%s", sentence, extra=self.feed.fields)
                self.refused(ChannelUnavailableError(GONE, sentence))
            case Dismiss() | MakeWay():
                self.stripes.downlink.told(message)
            case _:
                pass

    def refused(self, error: ChannelUnavailableError) -> None:
        """Conform to control.Member."""
        self.readiness.refused(error)

    def kicked(self) -> None:
        """Conform to control.Member."""
        self.readiness.sent_away = True

    def _now_us(self) -> int:
        return int(self._loop.time() * 1e6)
