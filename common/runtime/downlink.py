"""The children of a node or of the server proxy: feeds them, and sends them on.

Who asks to be one is answered by `common.runtime.admission`. New frames are written to every child
that has caught up, the same bytes for all. No child holds back another.
"""

import asyncio
import logging
from collections.abc import Sequence

from common.attach import Attach, Attached, Probe
from common.children import Admit, Children, Refuse, SendAway
from common.codec import decode_end, decode_serve
from common.errors import BadFrameError
from common.fields import KICKED, Candidate, EndReason, PathEntry, RedirectFrame
from common.frame import FrameType, Heartbeat, Received, decode_resume
from common.ids import NodeId, Stripe
from common.messages import Dismiss, MakeWay, Message
from common.policies import WayIn
from common.runtime.admission import Admission
from common.runtime.childfeed import ChildFeed, DownlinkStats, Place, Upstream
from common.runtime.link import HELD_UP, Idle, Link
from common.stripelog import StripeLog

log = logging.getLogger(__name__)

BUSY_PART = 0.25
"""Of what children get beyond the flow of their stripes, to catch up, while another cannot take
what is live: still faster than the stripe flows, so that no slow child holds up the rest."""

REDIRECT_HOLDS = 10.0
"""Seconds after which a child that was redirected and has not gone may be redirected again."""


class Downlink(Idle):
    """The parent's side of all stripe links of one channel."""

    __slots__ = (
        "_admission", "_by_link", "_by_stripe", "_feeds", "_grace", "_logs", "_loop", "_upstream",
        "children", "stats",
    )  # fmt: skip

    def __init__(
        self,
        logs: Sequence[StripeLog],
        children: Children,
        upstream: Upstream,
        *,
        repair_grace: float = REDIRECT_HOLDS,
    ) -> None:
        """Feed children from `logs`, one for each stripe.

        `repair_grace`: seconds that a redirected child has to go.
        """
        self.children, self.stats = children, DownlinkStats([0] * len(logs))
        self._logs, self._upstream = logs, upstream
        self._grace = repair_grace
        self._feeds: dict[tuple[Stripe, NodeId], ChildFeed] = {}
        self._by_stripe: list[list[ChildFeed]] = [[] for _ in logs]
        self._by_link: dict[Link, ChildFeed] = {}
        self._admission = Admission(logs, children, upstream, self.stats, self._admit)
        self._loop = asyncio.get_running_loop()

    def feeds(self, node: NodeId, stripe: Stripe) -> bool:
        """Whether there is a link that feeds this node in a stripe."""
        return (feed := self._feeds.get((stripe, node))) is not None and not feed.standby

    # --- being asked

    def asked(self, link: Link, request: Probe | Attach) -> None:
        """Answer a Probe or an Attach; on the link of a Probe, Attach may follow."""
        self._admission.asked(link, request)

    def _admit(
        self, link: Link, request: Attach, path: Sequence[PathEntry], instead_of: NodeId | None
    ) -> None:
        """Feed, or hold, who was admitted; a leaf makes way for it if there is no other room."""
        stripe, node = Stripe(request.stripe), NodeId(request.node)
        if (old := self._feeds.get((stripe, node))) is not None:
            self._forget(old)
            old.link.close("replaced")
        own = self._logs[stripe]
        start, first = self._start(stripe, request.start)
        link.handler = self
        feed = ChildFeed(link, Place(stripe, node), own, self._upstream, self.stats, start=start)
        feed.standby = not request.active
        self._feeds[stripe, node] = self._by_link[link] = feed
        self._admission.answer(
            link,
            Attached(
                first=first,
                newest=own.newest or 0,
                keyframe=self._upstream.newest_keyframe(),
                path=tuple(path),
            ),
        )
        link.begin_frames()
        if request.active:
            self._begin(feed)
        self._make_way(stripe, instead_of, node)

    def _start(self, stripe: Stripe, wanted: int) -> tuple[int, int]:
        """Return where a cursor begins for whoever wants `wanted`, and the first frame there."""
        start = max(wanted, self._logs[stripe].floor)
        return start, self._logs[stripe].first_from(start) or start

    def _begin(self, feed: ChildFeed) -> None:
        self._by_stripe[feed.stripe].append(feed)
        self._upstream.child_taken(feed.stripe, feed.node)
        feed.feed()

    def _resume(self, feed: ChildFeed, wanted: int) -> None:
        """Answer the RESUME of a node that is held."""
        stripe, node = feed.stripe, feed.node
        if not feed.standby:
            feed.back_to(self._start(stripe, wanted)[0])
            return
        if (path := self._upstream.path(stripe)) is None:
            feed.end("detached")
            return
        match self.children.resume(node, stripe, {NodeId(entry.node) for entry in path}):
            case Admit(instead_of):
                feed.resume(*self._start(stripe, wanted))
                self._begin(feed)
                self._make_way(stripe, instead_of, node)
            case SendAway(targets):
                feed.send(FrameType.REDIRECT, RedirectFrame(targets))
            case Refuse(reason):
                self.stats.refused[reason] = self.stats.refused.get(reason, 0) + 1
                feed.end("loop" if reason == "loop" else "full")

    def _make_way(self, stripe: Stripe, leaf: NodeId | None, newcomer: NodeId) -> None:
        """Send a leaf away and end its link, where there is no room for it and the newcomer."""
        feed = None if leaf is None else self._feeds.get((stripe, leaf))
        if feed is not None:
            self._splice(feed, newcomer)
            feed.end("full")  # not a parent that died: nobody shall suspect it
            feed.reason = "redirected"

    # --- feeding

    def appended(self, stripe: Stripe) -> None:
        """Write what is new in a log to all children that have caught up."""
        for feed in self._by_stripe[stripe]:
            if feed.live:
                feed.feed()

    def tick(self, seconds: float) -> None:
        """Do what is due: catching up, heartbeats, silent children. `seconds`: since last time."""
        now, feeds = self._loop.time(), list(self._by_link.values())
        self.children.tick(now)
        # Catching up yields while a child that has caught up cannot be given what is live.
        busy = bool([feed for feed in feeds if feed.live and feed.link.paused])
        behind = len([feed for feed in feeds if feed.behind and not feed.link.paused])
        part = (BUSY_PART if busy else 1.0) / max(1, behind)
        for feed in feeds:
            if not feed.standby and seconds < HELD_UP:
                self._look_after(feed, now)
            if not feed.live:
                feed.catch_up(seconds, part)
            feed.beat()
            if feed.redirected_at is not None and now - feed.redirected_at > self._grace:
                feed.redirected_at = None
                self.children.stayed(feed.node, feed.stripe)

    def _look_after(self, feed: ChildFeed, now: float) -> None:
        """Give the slot of a child that is stalled to others, for as long as it is."""
        if (stalled := feed.stalled(now)) != feed.is_stalled:
            feed.is_stalled = stalled
            feed.redirect(self.children.stalled(feed.node, feed.stripe, stalled=stalled))
            if stalled:
                self._upstream.child_lost(feed.stripe, feed.node, "silent")

    def path_changed(self, stripe: Stripe) -> None:
        """Tell the children of a stripe, and who is held there, their new ancestors, or none."""
        path = self._upstream.path(stripe)
        for feed in [one for one in self._by_link.values() if one.stripe == stripe]:
            if path is None:
                feed.beat(at_once=True)  # it says that there is nothing new to come: starved
            else:
                feed.send(FrameType.PATH, tuple(path))

    # --- sending on

    def _splice(self, leaf: ChildFeed, newcomer: NodeId) -> None:
        """Hand a leaf to the newcomer that has taken its place."""
        if (target := self.children.target(newcomer, leaf.stripe)) is not None:
            log.debug("splice: child %s goes to %s", leaf.node, newcomer, extra=leaf.link.fields)
            leaf.redirect([target])

    def hand_over(self, way_in: WayIn) -> None:
        """Redirect every child to its grandparent or a sibling, or as the delete policy says."""
        for stripe in map(Stripe, range(len(self._logs))):
            above = way_in.delete.targets(self._upstream.path(stripe) or ())
            for node, targets in self.children.farewell(stripe, above):
                if (feed := self._feeds.get((stripe, node))) is not None:
                    to = above if way_in.redirect and above else targets
                    feed.redirect(to, everyone=way_in.delete.everyone)

    def pass_on(self, stripe: Stripe, targets: Sequence[Candidate]) -> None:
        """Redirect all children of a stripe, and all descendants after them, each by itself."""
        for feed in list(self._by_stripe[stripe]):
            feed.redirect(targets, everyone=True)

    def told(self, message: Message) -> None:
        """Take the server proxy's word about a child."""
        match message:
            case Dismiss(node=node):
                self._dismiss(NodeId(node))
            case MakeWay(stripe=stripe, node=node, child=child):
                now = self._loop.time()
                self.children.make_way(Stripe(stripe), NodeId(node), NodeId(child), now)
            case _:
                pass

    def _dismiss(self, node: NodeId) -> None:
        """End all links of a node that was sent away, and take it no more."""
        self._admission.dismiss(node)
        for feed in [one for one in self._by_link.values() if one.node == node]:
            feed.end(KICKED)

    def close(self, reason: EndReason) -> None:
        """End all links to children."""
        for feed in list(self._by_link.values()):
            feed.end(reason)

    # --- Handler of the children's links

    def frames(self, link: Link, received: Received) -> None:
        """Conform to Handler."""
        if (feed := self._by_link.get(link)) is None:
            return
        if received.packets:
            raise BadFrameError("data from a child")
        for kind, body in received.control:
            if kind is FrameType.HEARTBEAT:
                if feed.heard(Heartbeat.decode(body)):
                    self._caught_up(feed)
            elif kind is FrameType.RESUME:
                self._resume(feed, decode_resume(body))
            elif kind is FrameType.SERVE:
                self.children.served(feed.node, feed.stripe, decode_serve(body))
            elif kind is FrameType.BYE:
                feed.reason = decode_end(body).reason
                link.close(feed.reason)
            else:
                raise BadFrameError(f"frame {kind.name} from a child")

    def _caught_up(self, feed: ChildFeed) -> None:
        leaf = self.children.caught_up(feed.node, feed.stripe)
        if leaf is not None and (spliced := self._feeds.get((feed.stripe, leaf))) is not None:
            self._splice(spliced, feed.node)

    def writable(self, link: Link) -> None:
        """Conform to Handler."""
        if (feed := self._by_link.get(link)) is not None:
            feed.feed()

    def lost(self, link: Link, reason: str) -> None:
        """Conform to Handler."""
        if (feed := self._by_link.get(link)) is None:
            return
        self._forget(feed)
        why = feed.reason if feed.reason != "closed" else reason
        if not feed.standby and (why, feed.is_stalled) != ("silent", True):
            self._upstream.child_lost(feed.stripe, feed.node, why)
        self.children.gone(feed.node, feed.stripe)

    def _forget(self, feed: ChildFeed) -> None:
        self._by_link.pop(feed.link, None)
        if not feed.standby:
            self._by_stripe[feed.stripe].remove(feed)
        if self._feeds.get((feed.stripe, feed.node)) is feed:
            del self._feeds[feed.stripe, feed.node]
