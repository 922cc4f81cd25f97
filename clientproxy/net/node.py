"""One node: this client proxy in one channel, from Join to Leave."""

import asyncio
import logging
import secrets
from collections.abc import Mapping

import msgspec

from clientproxy.config import ClientConfig
from clientproxy.core.events import ChannelUnavailableError
from clientproxy.net.control import ControlLink
from clientproxy.net.feed import MergedFeed
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
    Report,
    Serve,
    Standby,
)
from common.runtime.metrics import LoopLag
from common.runtime.tasks import Tasks

log = logging.getLogger(__name__)

TICK = 0.05
REPORT_EVERY = 2.0
FRESH = 2.0
"""Seconds since the last packet for which a stream without its server proxy counts as playing."""
NO_ROOM = 453
"""RTSP status: nobody has a slot for this node."""
GONE = 404
"""RTSP status: there is no such channel."""
TRY_AGAIN = 503
"""RTSP status of what may pass: waiting players go on waiting."""
FULL = 453
"""RTSP status where no slot is free: waiting players are told, those that play wait for one."""


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
        self.source_up = False
        self.source_trouble = ""
        """Why the source is down, and since when, as the server proxy says."""
        self.sent_away = False
        """The operator of the server proxy wants it to leave."""
        self._config, self._overlay, self._tasks = config, overlay, tasks
        self._lag = LoopLag() if lag is None else lag
        self._loop = asyncio.get_running_loop()
        self._control = ControlLink(channel, server, self)
        self._error: ChannelUnavailableError | None = None
        self._placed = False
        """It had a parent in every stripe once."""
        self._news = asyncio.Event()
        self.feed.on_stream = self._news.set

    async def run(self) -> None:
        """Stay joined until cancelled."""
        self._tasks.spawn(self._control.run(), name=f"control {self.channel}")
        report_at = last = self._loop.time()
        said_slow = False
        while True:
            await asyncio.sleep(TICK)
            now = self._loop.time()
            self._lag.woken(now - last, TICK)
            with self._lag.part(self.feed.fields):
                self._control.tick(now)
                if self.stripes is not None:
                    answers = self._control.answers(now)
                    self.stripes.uplink.search.served(now, answers=answers)
                    self.stripes.tick(now - last)
                    slow = self.stripes.uplink.watch.downlink_slow
                    # That its own network is slow cannot wait: its children are behind too.
                    if (now >= report_at or slow > said_slow) and self._control.up:
                        report_at, said_slow = now + REPORT_EVERY, slow
                        self._control.tell(self._report(self.stripes, now))
            last = now

    async def ready(self, within: float) -> MergedFeed:
        """Wait until players can be served; raise ChannelUnavailableError with a reason."""
        if self._error is not None and self._error.status == GONE and not self.sent_away:
            # That was some time ago.
            self._error = None
            self._control.ask()
        try:
            async with asyncio.timeout(within):
                while True:
                    if self._error is not None and self._error.status != TRY_AGAIN:
                        raise self._error
                    if self._plays():
                        return self.feed
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            later = ChannelUnavailableError(TRY_AGAIN, self._why_not(), 5.0)
            raise self._error or self._no_parent() or later from None

    def _plays(self) -> bool:
        """Whether there is something to play now; without the server proxy the trees may go on."""
        if self.feed.stream is None or self._seeks or self._control.gone:
            return False
        fresh = self._loop.time() - self.feed.delivered_at < FRESH
        return self.source_up if self._control.up else fresh

    @property
    def _seeks(self) -> bool:
        """With `join: redirect` there may be no place: players wait until there is one."""
        redirect = self.stripes is not None and self.stripes.offer.join == "redirect"
        return redirect and not self._placed

    def _reported(self, message: AttachedReport | ParentLost | ChildLost) -> None:
        """Send a report on, and let players know of a place."""
        self._control.tell(message)
        if not self._placed and self.stripes is not None and self.stripes.attached:
            self._placed = True
            self._news.set()

    def _no_parent(self) -> ChannelUnavailableError | None:
        """Return what a player is told whose node nobody takes."""
        if self.stripes is None or not self._seeks:
            return None
        if (why := self.stripes.uplink.search.why_not()) is None:
            return None
        return ChannelUnavailableError(NO_ROOM, f"channel {self.channel}: {why}", 5.0)

    def _why_not(self) -> str:
        if self.stripes is None:
            return f"channel {self.channel}: no answer from server proxy {self.server} yet"
        if self._seeks:
            return f"channel {self.channel}: still looking for a parent"
        why = self.source_trouble or "it does not say why"
        return f"channel {self.channel}: its source does not play: {why}"

    @property
    def joined(self) -> bool:
        """The control link is up and every stripe has a parent."""
        return self._control.up and self.stripes is not None and self.stripes.attached

    @property
    def control_up(self) -> bool:
        """The server proxy has made an offer on the present control link."""
        return self._control.up

    @property
    def error(self) -> ChannelUnavailableError | None:
        """Why the server proxy cannot be had, or does not want the node; None: it does."""
        return self._error

    @property
    def trouble(self) -> str | None:
        """Why the channel cannot be had, as a player is told."""
        return None if self._error is None else self._error.why

    @property
    def full(self) -> bool:
        """The server proxy has said that no slot is free."""
        return self._error is not None and self._error.status == FULL

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
        if self.stripes is not None:
            self.stripes.downlink.children.limit(hard=config.max_children is not None)
        self.feed.keep(reorder_timeout=config.reorder_timeout, history_bytes=config.log_bytes)
        for own in () if self.stripes is None else self.stripes.logs:
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
        offer = self.stripes.offer
        return Rejoin(
            join=join,
            node=offer.node,
            instance=offer.instance,
            stripes=self.stripes.states(),
            players=self.feed.viewers,
            group_key=offer.group_key,
            addresses=offer.addresses,
        )

    def urgent(self) -> bool:
        """Conform to control.Member."""
        return self.stripes is not None and not self.stripes.attached

    def offered(self, offer: Offer) -> None:
        """Conform to control.Member."""
        now_us = self._now_us()
        stripes, self._error = self.stripes, None
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
        stripes.uplink.links.rekey(offer.group_key)
        stripes.offer, self.source_up = offer, offer.source_up
        if offer.source_up:
            self.source_trouble = ""
        clock = offer.clock
        self.feed.clock.exchange(clock.sent_us, clock.received_us, clock.replied_us, now_us)
        if not offer.addresses:
            log.warning(
                "the server proxy cannot reach overlay port %d: this node passes nothing on; "
                "open the port, or say with `advertise` where it can be reached",
                self._overlay.port,
                extra=self.feed.fields,
            )
        stripes.serving(offer.serve, offer.slots)
        for one in offer.parents:
            stripes.uplink.candidates(Stripe(one.stripe), one.candidates, 1.0)
        if same:
            stripes.uplink.ask_again()
        self._news.set()

    def _begin(self, offer: Offer) -> Stripes:
        """Start with empty logs: a first Offer, or one under a new id.

        The merge goes on where it stood if the sequence numbers do.
        """
        old = self.stripes
        verb = "joined" if old is None else "taken anew"
        told = verb, self.server, offer.serve, offer.slots
        log.info("%s by server proxy %s: serves stripe %s, %d slots", *told, extra=self.feed.fields)
        if old is not None:
            self._tasks.spawn(old.close("restarted"), name="old stripes")
        if old is None or old.offer.instance != offer.instance:
            self.feed.clock = GroupClock()
            reports = {one.track: one.report for one in offer.sender_reports}
            self.feed.begin(offer.start, offer.stream, reports, stripes=offer.stripes)
        self.stripes = Stripes(offer, self.server, self._config, self.feed, self._reported)
        return self.stripes

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
            case Announce(source_up=up, reason=reason):
                self._announced(up, reason)
            case Closed(reason=reason, sentence=sentence):
                self.sent_away |= reason == KICKED
                self._error = ChannelUnavailableError(404, sentence)
                log.warning("%s", sentence, extra=self.feed.fields)
                self._news.set()
                self.feed.end(sentence)
            case Dismiss() | MakeWay():
                self.stripes.downlink.told(message)
            case _:
                pass

    def _announced(self, up: bool, reason: str) -> None:
        if (self.source_up, self.source_trouble) != (up, reason):
            text = "the source is up" if up else f"the source is down: {reason}"
            log.info("%s", text, extra=self.feed.fields)
        self.source_up, self.source_trouble = up, "" if up else reason
        self._news.set()

    def refused(self, error: ChannelUnavailableError) -> None:
        """Conform to control.Member: who watches a channel that is gone is told so."""
        self._error = error
        self._news.set()
        if error.status not in {TRY_AGAIN, FULL}:
            self.feed.end(error.why)

    def kicked(self) -> None:
        """Conform to control.Member."""
        self.sent_away = True

    def _report(self, stripes: Stripes, now: float) -> Report:
        return Report(
            sent_us=int(now * 1e6),
            delay=self.feed.delay,
            stripes=stripes.reports(),
            players=self.feed.viewers,
            delivered=self.feed.stats.delivered,
            lost=self.feed.lost,
            downlink_slow=stripes.uplink.watch.downlink_slow,
        )

    def _now_us(self) -> int:
        return int(self._loop.time() * 1e6)
