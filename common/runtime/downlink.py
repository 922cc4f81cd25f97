"""The children of a node or of the server proxy: admits them and feeds them from the stripe logs.

Each child is a cursor in the log of its stripe. New frames are written to every child that has
caught up as soon as they are there, the same bytes for all; a child that catches up gets a bounded
share each tick; one that falls off the tail of the log is skipped forward, counted, and the second
time detached. No child holds back another.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from common.children import Admit, Children, Refuse, SendAway, candidate
from common.codec import decode_end, decode_from_prober, encode_body
from common.errors import BadMessageError
from common.frame import HEADER_BYTES, FrameType, Heartbeat, Received, encode_control
from common.ids import NodeId, Stripe
from common.messages import (
    VERSION,
    Attach,
    Attached,
    Candidate,
    EndFrame,
    Message,
    PathEntry,
    Probe,
    ProbeReply,
    Redirect,
    RedirectFrame,
    Refused,
)
from common.runtime.link import Idle, Link
from common.stripelog import StripeLog

log = logging.getLogger(__name__)

HEARTBEAT_AFTER_US = 100_000
"""A link that has sent nothing for this long sends a heartbeat."""
SILENT_AFTER = 10.0
"""Seconds after which a child that says nothing is given up."""
BURST_BYTES = 256 << 10
"""What a newcomer may get at once before its catching up is paced."""
CATCH_UP_RATE = 3
"""A child catches up at most so many times as fast as its stripe flows."""
LIVE_BYTES = 1 << 20
"""The most that is written to a child at once."""
SKIP_WINDOW = 60.0
"""A child that falls off the log twice within so many seconds is detached."""
SKIP_BEHIND_US = 2_000_000


class Upstream(Protocol):
    """What a parent knows of its own place in a stripe."""

    def path(self, stripe: Stripe) -> Sequence[PathEntry] | None:
        """Return the path from the server proxy to this parent itself; None: detached."""

    def newest_keyframe(self) -> int:
        """Return the newest sequence number that starts a keyframe; 0: none."""

    def accepts(self, group_key: str) -> bool:
        """Return whether this is the channel's group key, the current or the previous one."""

    def delay(self) -> float:
        """Return the seconds from capture to delivery here."""

    def child_taken(self, stripe: Stripe, node: NodeId) -> None:
        """Note a new child."""

    def child_lost(self, stripe: Stripe, node: NodeId, reason: str) -> None:
        """Note that a child is gone; `bye` is an orderly end."""


@dataclass(slots=True)
class DownlinkStats:
    """Counts since the start, per stripe where a list."""

    sent_bytes: list[int]
    """RTP and RTCP bytes in data frames written to children."""
    header_bytes: int = 0
    heartbeat_bytes: int = 0
    control_bytes: int = 0
    skipped: int = 0
    """Sequence numbers that slow children were skipped over."""
    refused: dict[str, int] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class _Feed:
    """One child's link and cursor."""

    link: Link
    node: NodeId
    stripe: Stripe
    cursor: int
    budget: int = BURST_BYTES
    live: bool = False
    sent_us: int = 0
    peer_us: int = 0
    """The child's clock as it last told, less our own then."""
    skipped_at: float | None = None
    redirected_at: float | None = None
    reason: str = "closed"


class Downlink:
    """The parent's side of all stripe links of one channel."""

    def __init__(
        self,
        channel: str,
        logs: Sequence[StripeLog],
        children: Children,
        upstream: Upstream,
        *,
        repair_grace: float = 10.0,
    ) -> None:
        """Feed children from `logs`, one for each stripe."""
        self.children, self.stats = children, DownlinkStats([0] * len(logs))
        self._channel, self._logs, self._upstream = channel, logs, upstream
        self._grace = repair_grace
        self._feeds: dict[tuple[Stripe, NodeId], _Feed] = {}
        self._by_stripe: list[list[_Feed]] = [[] for _ in logs]
        self._by_link: dict[Link, _Feed] = {}
        self._loop = asyncio.get_running_loop()

    # --- being asked

    def asked(self, link: Link, request: Probe | Attach) -> None:
        """Answer a Probe or an Attach; on the link of a Probe, Attach may follow."""
        if request.version != VERSION:
            self._refuse(link, "version", f"I speak version {VERSION} of the overlay protocol")
        elif not self._upstream.accepts(request.group_key):
            self._refuse(link, "unauthorized", "this is not the group key of the channel")
        elif isinstance(request, Attach):
            self._attach(link, request)
        else:
            self._probe(link)

    def _probe(self, link: Link) -> None:
        stripes = range(len(self._logs))
        held = [s for s in stripes if self._upstream.path(Stripe(s)) is not None]
        newest = max((one.newest or 0 for one in self._logs), default=0)
        free = max((self.children.free(Stripe(s)) for s in stripes), default=0)
        link.handler = _Probed(self)
        link.send(
            ProbeReply(
                stripes=tuple(held),
                newest=newest,
                delay=self._upstream.delay(),
                free_slots=max(0, free),
            )
        )

    def _attach(self, link: Link, request: Attach) -> None:
        stripe = Stripe(request.stripe)
        if stripe >= len(self._logs):
            self._refuse(link, "bad_request", f"this channel has {len(self._logs)} stripes")
            return
        path = self._upstream.path(stripe)
        if path is None:
            self._refuse(link, "detached", "I have no parent in this stripe myself")
            return
        match self.children.ask(request, {NodeId(entry.node) for entry in path}):
            case Admit(dismiss):
                self._admit(link, request, path)
                if dismiss is not None:
                    self._redirect(stripe, dismiss, NodeId(request.node), dismiss=True)
            case SendAway(targets):
                self._answer(link, Redirect(stripe=stripe, parent=path[-1].node, targets=targets))
                link.close("redirected")
            case Refuse(reason, sentence):
                self._refuse(link, reason, sentence)

    def _refuse(self, link: Link, reason: str, sentence: str) -> None:
        self.stats.refused[reason] = self.stats.refused.get(reason, 0) + 1
        self._answer(link, Refused(reason=reason, sentence=sentence))
        link.close(reason)

    def _answer(self, link: Link, message: Message) -> None:
        before = link.sent_bytes
        link.send(message)
        self.stats.control_bytes += link.sent_bytes - before

    def _admit(self, link: Link, request: Attach, path: Sequence[PathEntry]) -> None:
        stripe, node = Stripe(request.stripe), NodeId(request.node)
        if (old := self._feeds.get((stripe, node))) is not None:
            self._forget(old)
            old.link.close("replaced")
        own = self._logs[stripe]
        start = max(request.start, own.floor)
        first = own.first_from(start)
        link.handler = self
        feed = _Feed(link, node, stripe, start)
        self._feeds[stripe, node] = self._by_link[link] = feed
        self._by_stripe[stripe].append(feed)
        self._answer(
            link,
            Attached(
                first=start if first is None else first,
                newest=own.newest or 0,
                keyframe=self._upstream.newest_keyframe(),
                path=tuple(path),
            ),
        )
        link.begin_frames()
        self._upstream.child_taken(stripe, node)
        self._catch_up(feed)

    # --- feeding

    def appended(self, stripe: Stripe) -> None:
        """Write what is new in a log to all children that have caught up."""
        for feed in self._by_stripe[stripe]:
            if feed.live:
                self._write(feed, LIVE_BYTES)

    def _write(self, feed: _Feed, most: int) -> int:
        """Write at most about `most` bytes; return how many."""
        own = self._logs[feed.stripe]
        if feed.cursor < own.floor:
            self._skip(feed, own)
        wrote = 0
        while not feed.link.paused and wrote < most and not feed.link.closed:
            data, cursor, count = own.read(feed.cursor, most)
            if not data:
                feed.live = True
                break
            wrote += len(data)
            self.stats.sent_bytes[feed.stripe] += len(data) - count * HEADER_BYTES
            self.stats.header_bytes += count * HEADER_BYTES
            feed.cursor = cursor
            feed.link.write(data)
            if own.newest is not None and cursor > own.newest:
                feed.live = True
                break
        if wrote:
            feed.sent_us = self._now_us()
        return wrote

    def _catch_up(self, feed: _Feed) -> None:
        if feed.budget > 0 and not feed.link.paused and not feed.link.closed:
            feed.budget -= self._write(feed, feed.budget)

    def _skip(self, feed: _Feed, own: StripeLog) -> None:
        """Move a child that fell off the tail to the newest keyframe or 2 s before live."""
        now = self._loop.time()
        if feed.skipped_at is not None and now - feed.skipped_at < SKIP_WINDOW:
            feed.reason = "too_slow"
            body = encode_body(EndFrame("too_slow"))
            feed.link.write(encode_control(FrameType.END, body))
            feed.link.close("too_slow")
            return
        live = own.since_capture(own.newest_capture_us - SKIP_BEHIND_US)
        to = max(live, self._upstream.newest_keyframe(), own.floor)
        self.stats.skipped += to - feed.cursor
        log.warning(
            "child cannot keep up: skipped %d sequence numbers",
            to - feed.cursor,
            extra={"channel": self._channel, "stripe": feed.stripe, "node": feed.node},
        )
        feed.cursor, feed.skipped_at = to, now

    # --- time

    def tick(self, seconds: float) -> None:
        """Do what is due: catching up, heartbeats, silent children. `seconds`: since last time."""
        now, now_us = self._loop.time(), self._now_us()
        busy = any(feed.live and feed.link.paused for feed in self._by_link.values())
        for feed in list(self._by_link.values()):
            if not feed.live and not busy:
                rate = self._logs[feed.stripe].rate_bytes
                feed.budget = max(64 << 10, int(CATCH_UP_RATE * rate * seconds))
                self._catch_up(feed)
            if now_us - feed.sent_us >= HEARTBEAT_AFTER_US and not feed.link.paused:
                self._heartbeat(feed, now_us)
            if feed.redirected_at is not None and now - feed.redirected_at > self._grace:
                feed.redirected_at = None
                self.children.stayed(feed.node, feed.stripe)
            if now - feed.link.heard > SILENT_AFTER:
                feed.reason = "silent"
                feed.link.abort("silent")

    def _heartbeat(self, feed: _Feed, now_us: int) -> None:
        newest = self._logs[feed.stripe].newest or 0
        starved = self._upstream.path(feed.stripe) is None
        echo = feed.peer_us + now_us if feed.peer_us else 0
        keyframe = self._upstream.newest_keyframe()
        data = Heartbeat(newest, keyframe, now_us, max(0, echo), starved).encode()
        feed.link.write(data)
        self.stats.heartbeat_bytes += len(data)
        feed.sent_us = now_us

    def path_changed(self, stripe: Stripe) -> None:
        """Tell the children of a stripe their new ancestors."""
        path = self._upstream.path(stripe)
        if path is None:
            return
        data = encode_control(FrameType.PATH, encode_body(tuple(path)))
        for feed in self._by_stripe[stripe]:
            feed.link.write(data)
            self.stats.control_bytes += len(data)

    def redirect(self, stripe: Stripe, node: NodeId, targets: tuple[Candidate, ...]) -> None:
        """Ask a child to leave for one of these."""
        feed = self._feeds.get((stripe, node))
        if feed is None or not targets:
            return
        feed.redirected_at = self._loop.time()
        data = encode_control(FrameType.REDIRECT, encode_body(RedirectFrame(targets)))
        feed.link.write(data)
        self.stats.control_bytes += len(data)

    def _redirect(
        self, stripe: Stripe, node: NodeId, target: NodeId, *, dismiss: bool = False
    ) -> None:
        if (to := self.children.target(target, stripe)) is None:
            return
        log.debug(
            "splice: child is redirected to %s",
            target,
            extra={"channel": self._channel, "stripe": stripe, "node": node},
        )
        self.redirect(stripe, node, (to,))
        if dismiss and (feed := self._feeds.get((stripe, node))) is not None:
            feed.reason = "redirected"
            feed.link.close("redirected")

    def hand_over(self) -> None:
        """Redirect every child to a sibling or an ancestor: this node is about to leave."""
        for feed in list(self._by_link.values()):
            targets = [
                candidate(other)
                for other in self.children.of(feed.stripe)
                if other.node != feed.node and not other.leaf
            ]
            path = self._upstream.path(feed.stripe) or ()
            targets += [Candidate(e.node, e.addresses, 0.0, available=False) for e in path[-2:-1]]
            self.redirect(feed.stripe, feed.node, tuple(targets[:10]))

    def close(self, reason: str) -> None:
        """End all links to children."""
        for feed in list(self._by_link.values()):
            feed.link.write(encode_control(FrameType.END, encode_body(EndFrame(reason))))
            feed.link.close(reason)

    # --- Handler of the children's links

    def message(self, link: Link, text: bytes) -> None:
        """Conform to Handler: a child's link is binary."""
        raise BadMessageError("a message on a stripe link")

    def frames(self, link: Link, received: Received) -> None:
        """Conform to Handler."""
        feed = self._by_link.get(link)
        if feed is None:
            return
        if received.packets:
            raise BadMessageError("data from a child")
        for kind, body in received.control:
            if kind is FrameType.HEARTBEAT:
                self._heard(feed, Heartbeat.decode(body))
            elif kind is FrameType.BYE:
                feed.reason = "bye" if decode_end(body).reason == "bye" else "moved"
                link.close("bye")

    def _heard(self, feed: _Feed, beat: Heartbeat) -> None:
        feed.peer_us = beat.time_us - self._now_us()
        newest = self._logs[feed.stripe].newest
        if feed.live and (newest is None or beat.newest + 1 >= feed.cursor):
            leaf = self.children.caught_up(feed.node, feed.stripe)
            if leaf is not None:
                self._redirect(feed.stripe, leaf, feed.node)

    def writable(self, link: Link) -> None:
        """Conform to Handler."""
        feed = self._by_link.get(link)
        if feed is not None and feed.live:
            self._write(feed, LIVE_BYTES)
        elif feed is not None:
            self._catch_up(feed)

    def lost(self, link: Link, reason: str) -> None:
        """Conform to Handler."""
        feed = self._by_link.get(link)
        if feed is None:
            return
        self._forget(feed)
        self.children.gone(feed.node, feed.stripe)
        self._upstream.child_lost(
            feed.stripe, feed.node, feed.reason if feed.reason != "closed" else reason
        )

    def _forget(self, feed: _Feed) -> None:
        self._by_link.pop(feed.link, None)
        self._by_stripe[feed.stripe].remove(feed)
        if self._feeds.get((feed.stripe, feed.node)) is feed:
            del self._feeds[feed.stripe, feed.node]

    def _now_us(self) -> int:
        return int(self._loop.time() * 1e6)


class _Probed(Idle):
    """Handler of a link that was probed: Attach may follow."""

    def __init__(self, downlink: Downlink) -> None:
        self._downlink = downlink

    def message(self, link: Link, text: bytes) -> None:
        self._downlink.asked(link, decode_from_prober(text))
