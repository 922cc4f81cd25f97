"""The control links of one channel's nodes: carries out what `Membership` decides."""

import asyncio
import logging
from collections.abc import Sequence

from common.codec import decode_from_node
from common.ids import ROOT, Address, NodeId, Stripe
from common.messages import VERSION, Announce, Clock, Closed, Join, Leave, Rejoin, Report
from common.runtime.link import Idle, Link
from common.runtime.tasks import Tasks
from common.words import serving
from serverproxy.config import ChannelConfig
from serverproxy.core.chronicle import Chronicle, Kind
from serverproxy.core.identity import NodeIds, tag_of
from serverproxy.core.members import (
    Command,
    ControlLost,
    Event,
    Forgotten,
    Joined,
    MakeOffer,
    Reached,
    Refuse,
    Rejoined,
    Send,
    Told,
    Unreached,
)
from serverproxy.core.membership import Membership
from serverproxy.core.neighbours import message_as_seen
from serverproxy.core.numbering import may_follow
from serverproxy.net.dialback import DialBacks, within
from serverproxy.net.feed import ChannelFeed
from serverproxy.net.offers import Arrival, offer
from serverproxy.net.story import Story

log = logging.getLogger(__name__)

DIAL_BACK_WAIT = 0.15
"""Seconds that an Offer waits for the dial-back."""
DIAL_BACK_FULL = 2.0
"""The same where no slot is free for a node without slots, but perhaps for one with some."""
SILENT_AFTER = 10.0
LOOK_EVERY = 1.0
"""Seconds between two looks for silent links: with a thousand nodes each takes a while."""
HELD_UP = 1.0
"""Seconds between two ticks from which on this process was held up: it has not read its links."""


class Control:
    """All control links of one channel."""

    def __init__(
        self,
        feed: ChannelFeed,
        membership: Membership,
        tasks: Tasks,
        config: ChannelConfig,
        *,
        instance_us: int,
    ) -> None:
        """Serve the nodes of one channel."""
        self.membership = membership
        self.chronicle = Chronicle(Story(feed.name).tell)
        self.bytes = 0
        self._feed, self._tasks, self._instance_us = feed, tasks, instance_us
        self._config = config
        self._links: dict[NodeId, Link] = {}
        self._nodes: dict[Link, NodeId] = {}
        self._arrivals: dict[NodeId, Arrival] = {}
        self._ids = NodeIds(tag_of(instance_us), membership.members)
        self._dialbacks = DialBacks()
        self._dialled: dict[Link, asyncio.Task[tuple[Address, ...]]] = {}
        self._loop = asyncio.get_running_loop()
        self._ticked = self._look_at = self._loop.time()
        feed.on_source = self._source
        feed.on_child_taken = self._child_taken
        feed.on_child_lost = self._child_lost
        membership.root_feeds = feed.downlink.feeds
        feed.on_child_left = membership.root_child_left

    # --- joining

    def joined(self, link: Link, message: Join | Rejoin) -> None:
        """Take the first message of a control link."""
        join = message if isinstance(message, Join) else message.join
        rejoin = message if isinstance(message, Rejoin) else None
        if join.version != VERSION:
            link.refuse("version", f"I speak version {VERSION} of the overlay protocol")
            return
        if rejoin is not None and self._takes_back(rejoin, link.peer.host):
            node = NodeId(rejoin.node)
            if (old := self._links.pop(node, None)) is not None:
                self._nodes.pop(old, None)
                old.close("replaced")
        else:
            rejoin, node = None, self._ids.give(join.nonce)
        link.handler, link.fields = _NodeLink(self), {"channel": self._feed.name, "node": node}
        self._links[node], self._nodes[link] = link, node
        self._arrivals[node] = Arrival(join, self._feed.now_us(), rejoin)
        self._tasks.spawn(self._admit(link, node, join), name="admit", fields=link.fields)

    def _takes_back(self, rejoin: Rejoin, host: str) -> bool:
        """Whether a node keeps its id and its place, also one that another process gave."""
        node, nonce = NodeId(rejoin.node), rejoin.join.nonce
        if rejoin.instance == self._instance_us:
            return self._ids.gave(node, nonce)
        newest = max((state.newest for state in rejoin.stripes), default=0)
        if len(rejoin.stripes) != len(self._feed.logs):
            return False
        if not may_follow(newest, self._feed.now_us()):
            return False
        # An id is bound to a node only once all else that it says is good.
        if not self._ids.may_claim(node, nonce) or not self._feed.go_above(newest, host):
            return False
        self._ids.claim(node, nonce)
        if rejoin.group_key is not None:
            self._feed.adopt(rejoin.group_key)
        return True

    async def _admit(self, link: Link, node: NodeId, join: Join) -> None:
        """Dial back beside the Offer, which waits a little for it."""
        if link not in self._nodes:
            return  # it is lost already
        addresses = [Address.parse(text, join.port) for text in join.advertise]
        addresses = addresses or [Address(link.peer.host, join.port)]
        texts = set(map(str, addresses))
        dial = self._dialbacks.dial(addresses, join.nonce, link.peer.host)
        dialled = self._dialled[link] = self._tasks.spawn(dial, name="dial", fields=link.fields)
        reached = await within(dialled, DIAL_BACK_WAIT)
        if link.closed or node not in self._arrivals:
            return
        arrival = self._arrivals[node]
        if arrival.rejoin is None:
            self._place(node, join, reached, dialling=not dialled.done())
            if node in self._arrivals:  # no room without slots: perhaps it has some soon
                reached = await within(dialled, DIAL_BACK_FULL)
                if node in self._arrivals:
                    self._place(node, join, reached)
        else:
            self.handle(
                Rejoined(
                    node=node,
                    addresses=reached,
                    max_children=join.max_children,
                    stripes=arrival.rejoin.stripes,
                    # Not invented ones: what it says now is what is being dialled.
                    reached=tuple(t for t in arrival.rejoin.addresses if t in texts),
                    restarted=arrival.rejoin.instance != self._instance_us,
                )
            )
        if reached:
            return
        late = await within(dialled, None)
        if self._links.get(node) is not link:
            return  # it has come back on another link, which is dialled back for itself
        if late:
            self.handle(Reached(node, late))
        elif arrival.rejoin is not None and not arrival.has_children:
            self.handle(Unreached(node))

    def _place(
        self, node: NodeId, join: Join, reached: tuple[str, ...], *, dialling: bool = False
    ) -> None:
        most = join.max_children
        self.handle(Joined(node=node, addresses=reached, max_children=most, dialling=dialling))

    # --- the core's shell

    def handle(self, event: Event) -> None:
        """Give an event to the membership and do what it says."""
        # Who has left may still be heard of.
        if event.node in self.membership.members:
            self.chronicle.event(event, self._parent_of, self._feed.now_us())
        self._run(self.membership.handle(event, self._loop.time()))

    def order(self, commands: Sequence[Command], what: str) -> None:
        """Do what the operator wants; `what` says it for those who watch."""
        self.chronicle.add("asked", self._feed.now_us(), reason=what)
        self._run(commands)

    def tick(self) -> None:
        """Do what is due."""
        now = self._loop.time()
        deadline = self.membership.next_deadline()
        if deadline is not None and deadline <= now:
            self._run(self.membership.expire(now))
        held_up, self._ticked = now - self._ticked > HELD_UP, now
        if now >= self._look_at and not held_up:
            self._look_at = now + LOOK_EVERY
            for link in list(self._links.values()):
                if now - link.heard > SILENT_AFTER:
                    link.abort("silent")

    def close(self, sentence: str = "") -> None:
        """End all control links; with a sentence, say that the channel is gone for good."""
        for link in list(self._links.values()):
            if sentence:
                link.send(Closed(reason="unknown_channel", sentence=sentence))
            link.close("server proxy ends")

    def _parent_of(self, node: NodeId, stripe: Stripe) -> NodeId | None:
        known = node in self.membership.trees and stripe < len(self._feed.logs)
        return self.membership.trees.parent(node, stripe) if known else None

    def _run(self, commands: Sequence[Command]) -> None:
        self.chronicle.commands(commands, self._feed.now_us())
        for command in commands:
            log.debug("%s", command, extra={"channel": self._feed.name, "node": command.node})
            match command:
                case MakeOffer():
                    self._offer(command)
                case Send(node, message) if node == ROOT:
                    self._feed.downlink.told(message)
                case Send(node, message):
                    if (link := self._links.get(node)) is not None:
                        before = link.sent_bytes
                        link.send(message_as_seen(message, link.local.host))
                        self.bytes += link.sent_bytes - before
                case Refuse(node, reason, sentence, retry_after):
                    self._arrivals.pop(node, None)
                    if (link := self._links.get(node)) is not None:
                        link.refuse(reason, sentence, retry_after)
                case Forgotten():
                    pass

    def _offer(self, command: MakeOffer) -> None:
        link, arrival = self._links.get(command.node), self._arrivals.pop(command.node, None)
        if link is None or arrival is None:
            return
        feed = self._feed
        feed.keep_key()
        link.send(offer(command, arrival, feed, self._config, self._instance_us, link.local.host))
        verb = "joined" if arrival.rejoin is None else "is back"
        told = verb, link.peer, serving(command.serve, command.slots)
        log.info("%s from %s: %s", *told, extra=link.fields)
        if not feed.up:
            link.send(Announce(source_up=False, reason=feed.trouble))
        kind: Kind = "joined" if arrival.rejoin is None else "back"
        self.chronicle.add(kind, feed.now_us(), node=command.node)

    def _source(self, up: bool, reason: str) -> None:
        kind: Kind = "source_up" if up else "source_down"
        self.chronicle.add(kind, self._feed.now_us(), reason=reason or None)
        feed = self._feed
        for link in self._links.values():
            link.send(Announce(source_up=up, reason=feed.trouble, stream=feed.new_epoch))

    def _child_taken(self, stripe: Stripe, node: NodeId) -> None:
        """Take the server proxy's own word about a child: it comes before the node's report."""
        self._run(self.membership.root_child_taken(stripe, node))

    def _child_lost(self, stripe: Stripe, node: NodeId, reason: str) -> None:
        """Take the server proxy's own word about a child: it is a parent too."""
        self._run(self.membership.root_child_lost(stripe, node))

    # --- from the links

    def message(self, link: Link, text: bytes) -> None:
        """Take a message of a node that has joined."""
        message = decode_from_node(text)
        if (node := self._nodes.get(link)) is None:
            return
        if isinstance(message, Report):
            now_us = self._feed.now_us()
            link.send(Clock(sent_us=message.sent_us, received_us=now_us, replied_us=now_us))
        if isinstance(message, Leave):
            self._arrivals.pop(node, None)  # it may still be dialled back
        self.handle(Told(node, message))

    def lost(self, link: Link, reason: str) -> None:
        """Note that a control link ended: nobody waits for its dial-back any more."""
        if (dialled := self._dialled.pop(link, None)) is not None:
            dialled.cancel()
        node = self._nodes.pop(link, None)
        if node is None:
            return
        if self._links.get(node) is link:
            del self._links[node]
            self._arrivals.pop(node, None)
            self.handle(ControlLost(node))


class _NodeLink(Idle):
    """Handler of a node's control link."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def message(self, link: Link, text: bytes) -> None:
        self._control.message(link, text)

    def lost(self, link: Link, reason: str) -> None:
        self._control.lost(link, reason)
