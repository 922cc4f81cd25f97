"""The stripes of one node: from the parents' links into the logs, to the children, into the merge.

One object lives as long as the node has its place, also where the server proxy is restarted.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from secrets import randbelow
from typing import TypeAlias

from clientproxy.config import ClientConfig
from clientproxy.core.holding import Holding
from clientproxy.net.feed import MergedFeed
from clientproxy.net.uplink import Uplink
from common.attach import Attach
from common.children import children_of, policy_of
from common.fields import (
    Candidate,
    EndReason,
    LostReason,
    PathEntry,
    ServeFrame,
)
from common.frame import FrameReader, Received
from common.ids import Address, NodeId, Stripe
from common.messages import VERSION, AttachedReport, ChildLost, Offer, ParentLost
from common.runtime.downlink import Downlink
from common.runtime.pcap import Flow
from common.runtime.tasks import Tasks
from common.words import serving

log = logging.getLogger(__name__)

Tell: TypeAlias = Callable[[AttachedReport | ParentLost | ChildLost], None]

ORDERLY = frozenset(
    {"bye", "moved", "redirected", "left", "replaced", "restarted", "ended", "too_slow"}
)
"""Ends of a child's link that nobody needs to repair."""
HAND_OVER_WITHIN = 1.5
"""Seconds for which a node that leaves feeds its children on, while they look for another."""
HAND_OVER_LOOK = 0.02


class Stripes:
    """All stripes of one node (`uplink.Membership`, `downlink.Upstream`)."""

    __slots__ = (
        "_channel", "_closed", "_feed", "_held", "_paths", "_tasks", "_tell", "downlink", "logs",
        "offer", "rejoins", "serve", "stats", "stripes", "uplink",
    )  # fmt: skip

    def __init__(
        self,
        offer: Offer,
        server: Address,
        config: ClientConfig,
        feed: MergedFeed,
        tell: Tell,
    ) -> None:
        """Begin with empty logs and without parents, as the offer says."""
        self.offer, self.serve = offer, offer.serve
        self.stripes = [Stripe(number) for number in range(offer.stripes)]
        """All stripe numbers."""
        self._held = [
            Holding(stripe, offer.stripes, max_bytes=config.log_bytes, max_age=config.log_time)
            for stripe in self.stripes
        ]
        self.logs = [own.log for own in self._held]
        self.stats = [own.stats for own in self._held]
        self.rejoins: dict[tuple[Stripe, LostReason], int] = {}
        """Parents lost, by stripe and reason."""
        self._tasks = Tasks()
        self._channel, self._feed, self._tell = feed.channel, feed, tell
        self._paths: list[tuple[PathEntry, ...] | None] = [None] * offer.stripes
        self._closed = False
        children = children_of(offer, randbelow, hard_limit=config.max_children is not None)
        self.downlink = Downlink(self.logs, children, self)
        self.uplink = Uplink(self._channel, server, self, self._tasks, offer)

    def offered(self, offer: Offer) -> None:
        """Take an Offer for the place that the node has: key and rules may be others now."""
        before, self.offer = self.offer, offer
        self.uplink.offered(offer)
        if (before.join, before.add_policy) != (offer.join, offer.add_policy):
            self.downlink.children.follow(policy_of(offer, randbelow))

    @property
    def attached(self) -> bool:
        """Every stripe has a parent."""
        return self.uplink.search.attached

    def serving(self, serve: int | None, slots: int) -> None:
        """Note what the server proxy wants this node to serve, and tell the parents."""
        changed = (self.serve, self.downlink.children.slots) != (serve, slots)
        self.serve = serve
        self.downlink.children.slots = slots
        if changed:
            fields = {"channel": self._channel, "node": self.offer.node}
            log.info("%s, from now on", serving(serve, slots), extra=fields)
            self.uplink.serving(ServeFrame(serve, slots, self.offer.addresses))

    def tick(self, seconds: float) -> None:
        """Do what is due on all stripe links."""
        self.uplink.watch.tick(seconds)
        self.downlink.tick(seconds)

    async def close(self, reason: EndReason) -> None:
        """Hand the children over, say bye to the parents, end all stripe links.

        The children are fed until each has another parent, `HAND_OVER_WITHIN` seconds at most;
        in a stripe that brings nothing, because it has no parent, they are not kept.
        """
        self._closed = True
        if reason == "left":
            await self._hand_over()
        self.uplink.close()
        self.downlink.close(reason)
        await self._tasks.close()

    async def _hand_over(self) -> None:
        self.downlink.hand_over(self.uplink.search.way_in)
        loop = asyncio.get_running_loop()
        last, until = loop.time(), loop.time() + HAND_OVER_WITHIN
        while last < until and any(
            self._paths[child.stripe] is not None for child in self.downlink.children
        ):
            await asyncio.sleep(HAND_OVER_LOOK)
            now = loop.time()
            self.tick(now - last)
            last = now

    def fields(self, stripe: Stripe, child: NodeId | None = None) -> Mapping[str, object]:
        """Conform to uplink.Membership and downlink.Upstream: of this node, about a `child` too."""
        return {"channel": self._channel, "stripe": stripe, "node": self.offer.node}

    # --- Membership: the links to parents

    def wanted(self, stripe: Stripe) -> int:
        """Conform to uplink.Membership."""
        head = self._feed.head
        # Once the merge goes on, what is older only keeps live packets waiting behind it.
        logs_from = self.offer.logs_from if head <= self.offer.start else 0
        return self._held[stripe].wanted(head, logs_from)

    def attach_request(
        self, stripe: Stripe, *, orphan: bool, visited: tuple[str, ...], active: bool = True
    ) -> Attach:
        """Conform to uplink.Membership."""
        return Attach(
            version=VERSION,
            channel=self._channel,
            stripe=stripe,
            node=self.offer.node,
            group_key=self.offer.group_key,
            serve=self.serve,
            slots=self.downlink.children.slots,
            addresses=self.offer.addresses,
            start=self.wanted(stripe),
            orphan=orphan,
            active=active,
            visited=visited,
        )

    def newest(self, stripe: Stripe) -> int:
        """Conform to uplink.Membership."""
        return self._held[stripe].newest

    def feeds(self, stripe: Stripe) -> bool:
        """Conform to uplink.Membership."""
        return bool(self.downlink.children.of(stripe))

    def take(self, stripe: Stripe, received: Received, *, parent: NodeId) -> None:
        """Conform to uplink.Membership: into the log, to the children, into the merge."""
        new = self._held[stripe].take(
            received,
            head=self._feed.head,
            begins=self.offer.instance,
            group_time_us=self._feed.group_time_us(),
        )
        if (capture := self._feed.capture).on:
            flow = Flow(self._channel, stripe, parent, self.offer.node)
            capture.take(flow, self._feed.stream, received.packets)
        if new:
            self.downlink.appended(stripe)
            self._feed.take(new)

    def hole(self, stripe: Stripe, first: int) -> int:
        """Conform to uplink.Membership."""
        head, now_us = self._feed.head, self._feed.group_time_us()
        begins = self.offer.instance
        return self._held[stripe].hole(first, head=head, begins=begins, group_time_us=now_us)

    def attached_to(self, stripe: Stripe, parent: NodeId, first: int) -> None:
        """Conform to uplink.Membership."""
        extra = self.fields(stripe)
        log.info("attached to %s from sequence number %d on", parent, first, extra=extra)
        hole, now_us = self.hole(stripe, first), self._feed.group_time_us()
        self._held[stripe].goes_on_at(first, head=self._feed.head, group_time_us=now_us)
        if hole and not self._feed.skip_to(first):
            self.stats[stripe].holes += hole
            text = "%s has nothing before %d: %d packets are missing"
            log.warning(text, parent, first, hole, extra=extra)
        if self.attached:
            self._feed.complete()

    def leapt(self, stripe: Stripe, newest: int) -> bool:
        """Conform to uplink.Membership."""
        return self._held[stripe].leapt(newest)

    def begin_anew(self, stripe: Stripe, head: int) -> None:
        """Conform to uplink.Membership: the merge too, with what the other stripes hold by then."""
        held, stripes = self.newest(stripe), len(self.logs)
        text = "sequence number %d was never sent: no parent comes near it; going on at %d"
        log.warning(text, held, head, extra=self.fields(stripe))
        self._held[stripe].begin_anew(head)
        if self._feed.head <= held:  # it has not come there: nothing is delivered twice
            head = max(head, self._feed.head)
        self._feed.go_on_at(head, stripes=stripes)
        if self.attached:
            self._feed.complete()
        for own in self.logs:
            data, _, _ = own.read(head, own.size_bytes)
            self._feed.take(FrameReader().feed(data).packets)

    def path_changed(self, stripe: Stripe, path: Sequence[PathEntry] | None) -> None:
        """Conform to uplink.Membership: tell the children, and leave a cycle at once."""
        if path is None:
            self._paths[stripe] = None
            self.downlink.path_changed(stripe)
            return
        if any(entry.node == self.offer.node for entry in path):
            self.uplink.give_up(stripe, "loop")
            return
        own = (*path, PathEntry(self.offer.node, self.offer.addresses))
        if own != self._paths[stripe]:
            self._paths[stripe] = own
            self.downlink.path_changed(stripe)

    def parent_lost(self, stripe: Stripe, parent: NodeId, reason: LostReason) -> None:
        """Conform to uplink.Membership."""
        self.rejoins[stripe, reason] = self.rejoins.get((stripe, reason), 0) + 1
        log.info("parent %s lost: %s", parent, reason, extra=self.fields(stripe))

    def pass_on(self, stripe: Stripe, targets: Sequence[Candidate]) -> None:
        """Conform to uplink.Membership."""
        self.downlink.pass_on(stripe, targets)

    def tell(self, message: AttachedReport | ParentLost) -> None:
        """Conform to uplink.Membership."""
        self._tell(message)

    # --- Upstream: the links to children

    def path(self, stripe: Stripe) -> Sequence[PathEntry] | None:
        """Conform to downlink.Upstream."""
        return self._paths[stripe]

    def starved(self, stripe: Stripe) -> bool:
        """Conform to downlink.Upstream."""
        return self._paths[stripe] is None or self.uplink.silent(stripe)

    def newest_keyframe(self) -> int:
        """Conform to uplink.Membership and downlink.Upstream."""
        return self._feed.keyframe

    def accepts(self, group_key: str) -> bool:
        """Conform to downlink.Upstream."""
        return self.uplink.links.knows(group_key) and not self._closed

    def delay(self) -> float:
        """Conform to downlink.Upstream."""
        return self._feed.stats.delay

    def sent(self, stripe: Stripe, node: NodeId, data: bytes) -> None:
        """Conform to downlink.Upstream."""
        if (capture := self._feed.capture).on:
            flow = Flow(self._channel, stripe, self.offer.node, node)
            capture.take_frames(flow, self._feed.stream, data)

    def child_taken(self, stripe: Stripe, node: NodeId) -> None:
        """Conform to downlink.Upstream."""
        log.info("feeds %s", node, extra=self.fields(stripe))

    def child_lost(self, stripe: Stripe, node: NodeId, reason: str) -> None:
        """Conform to downlink.Upstream."""
        log.info("child %s gone: %s", node, reason, extra=self.fields(stripe))
        if reason == "moved" and (child := self.downlink.children.target(node, stripe)) is not None:
            self.uplink.left_by(stripe, child)
        if reason not in ORDERLY:
            lost: LostReason = "silent" if reason == "silent" else "closed"
            self._tell(ChildLost(stripe=stripe, child=node, reason=lost))
