"""Heartbeats without sending them: for many nodes over long times.

A node whose links are sound and settled is still: it is looked at only when it reports, every two
seconds. While anything is going on, a link made or lost or gone silent, a stripe without a parent,
a child that has not caught up, the node is looked at in each tick, as without this.

Each look makes up for the heartbeats that would have come: a link that can be heard counts as
heard, a parent that is still has told what it holds, a child too. So a node sends its parents none
that would get there, and while it is still its children none. Hosts have no rates here: a heartbeat
that waits behind data would say what is made up.
"""

from typing import TYPE_CHECKING, Protocol

from bench.sim.daemons import ClientHost, QuietNode, ServerHost
from bench.sim.hostloop import HostLoop
from bench.sim.hosts import End, Host
from clientproxy.net.node import REPORT_EVERY, TICK
from clientproxy.net.parentlink import ParentLink
from common.frame import PREFIX_BYTES, FrameType, Heartbeat, Received
from common.ids import ROOT, NodeId
from common.runtime.downlink import Downlink
from common.runtime.link import Link

if TYPE_CHECKING:
    import asyncio

SETTLED_AFTER = 0.5
"""Seconds without news after which a node is looked at less often."""
HEARTBEAT_EVERY = 0.1
TOLD_EVERY = 0.25
"""Seconds between two heartbeats of a parent beside data."""


class Run(Protocol):
    """Whose nodes these are."""

    loop: HostLoop
    clients: dict[str, ClientHost]


class _Looked:
    """When a node is looked at."""

    __slots__ = ("busy_until", "client", "next_at", "pending", "report_at", "still", "told_at")

    def __init__(self, client: ClientHost, report_at: float) -> None:
        self.client, self.report_at = client, report_at
        self.busy_until = self.next_at = self.told_at = 0.0
        self.still = False
        """It sends no heartbeats for now."""
        self.pending: asyncio.TimerHandle | None = None


class Heartbeats:
    """Looks at all nodes of a run."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._looked: dict[str, _Looked] = {}
        self._names: dict[NodeId, str] = {}
        run.loop.network.on_trouble = self._trouble
        run.loop.network.on_change.append(self._news)

    def born(self, client: ClientHost) -> None:
        """Look at a new node from now on."""
        now = self._run.loop.time()
        looked = _Looked(client, now + REPORT_EVERY * self._run.loop.rng.random())
        self._looked[client.name] = looked
        self._keep_busy(looked)

    def of_server(self, server: ServerHost) -> None:
        """Let the server proxy hear its children before each of its ticks."""
        server.before_tick = lambda: self._hear_children(server)

    def _hear_children(self, server: ServerHost) -> None:
        now = self._run.loop.time()
        for child in server.channel.feed.downlink.children:
            looked = self._looked.get(self._names.get(child.node, ""))
            if looked is None:
                continue
            for end in looked.client.host.ends:
                if end.peer.host is server.host and self._run.loop.network.hears(end.peer):
                    self._child_tells(end.peer, now)

    def _news(self, host: Host) -> None:
        if (looked := self._looked.get(host.name)) is not None:
            self._keep_busy(looked)

    def _trouble(self, end: End) -> None:
        """Note that nothing will come here from now on; the last heartbeat is not long ago."""
        loop = self._run.loop
        if isinstance(end.protocol, Link) and not end.ended:
            last = loop.time() - HEARTBEAT_EVERY * loop.rng.random()
            end.protocol.heard = max(end.protocol.heard, last)
        self._news(end.host)

    def _keep_busy(self, looked: _Looked) -> None:
        now = self._run.loop.time()
        looked.busy_until = now + SETTLED_AFTER
        if looked.pending is None or looked.next_at > now + TICK:
            self._look_at(looked, now + TICK)

    def _look_at(self, looked: _Looked, when: float) -> None:
        if looked.pending is not None:
            looked.pending.cancel()
        looked.next_at = when
        context = looked.client.host.context
        looked.pending = self._run.loop.call_at(when, self._look, looked, context=context)

    def _look(self, looked: _Looked) -> None:
        now, client = self._run.loop.now, looked.client
        looked.pending = None
        heard = self._run.loop.network.heard(client.host)
        looked.still = len(heard) == len(client.host.ends) and self._settled(client)
        if not looked.still or now >= looked.report_at:
            self._look_after(looked, heard, now)
        busy = not looked.still or now < looked.busy_until
        self._look_at(looked, now + TICK if busy else looked.report_at)

    def _look_after(self, looked: _Looked, heard: list[End], now: float) -> None:
        """Make up for heartbeats on the links that can be heard, and let the node do its tick."""
        if told := now >= looked.told_at:
            looked.told_at = now + TOLD_EVERY
        for end in heard:
            self._hear(end, now, told=told)
            if not looked.still:
                self._child_tells(end, now)
        report, node = now >= looked.report_at, looked.client.node
        if node.stripes is not None:
            self._names[NodeId(node.stripes.offer.node)] = looked.client.name
        assert isinstance(node, QuietNode)
        node.still = looked.still
        node.tick(now, TICK, report_due=report)
        if report:
            looked.report_at = now + REPORT_EVERY

    def _hear(self, end: End, now: float, *, told: bool) -> None:
        """Let a link count as heard; to a parent that gets what is sent nothing need be said."""
        if not isinstance(near := end.protocol, Link):
            return
        near.heard = now
        if isinstance(parent := near.handler, ParentLink):
            # The server proxy makes up for its children, not for those it stands by for.
            unheard = parent.standby and parent.node == ROOT
            if not unheard and self._run.loop.network.goes_out(end):
                parent.beat_at = now
            if told and parent.is_attached:
                self._parent_tells(parent, end, now)

    def _parent_tells(self, parent: ParentLink, end: End, now: float) -> None:
        """Take the heartbeat of a parent that is still: all that it holds has come here."""
        there = self._looked.get(end.peer.host.name)
        if there is None or not there.still or (its := there.client.node.stripes) is None:
            return
        own, stripe = self._looked[end.host.name].client.node.stripes, parent.stripe
        if own is not None:
            newest = min(own.newest(stripe), its.newest(stripe))
            beat = self._beat(end, newest, now, starved=its.starved(stripe))
            own.uplink.heartbeat(parent, beat)

    def _child_tells(self, end: End, now: float) -> None:
        """Let a link from below count as heard, and what a child holds as told."""
        near, far = end.protocol, end.peer.protocol
        if not isinstance(near, Link) or not isinstance(far, Link):
            return
        downlink, child = near.handler, far.handler
        if not isinstance(downlink, Downlink) or not isinstance(child, ParentLink):
            return
        near.heard = now
        looked = self._looked.get(end.peer.host.name)
        stripes = None if looked is None else looked.client.node.stripes
        if stripes is not None and child.is_attached and not child.standby:
            beat = self._beat(end, stripes.newest(child.stripe), now).encode()[PREFIX_BYTES:]
            downlink.frames(near, Received([], [], [(FrameType.HEARTBEAT, beat)]))

    def _beat(self, end: End, newest: int, now: float, *, starved: bool = False) -> Heartbeat:
        """Return the heartbeat that comes in here now from the other side."""
        way = self._run.loop.network.delay(end.host, end.peer.host)
        return Heartbeat(newest, 0, int((now - way) * 1e6), 0, starved)

    def _settled(self, client: ClientHost) -> bool:
        """Whether a tick would do nothing but send heartbeats."""
        stripes = client.node.stripes
        if stripes is None:
            return False
        if not stripes.attached or client.node.feed.reorder_depth:
            return False
        for link in stripes.uplink.links:
            if link.silent or link.slow:
                return False
        for child in stripes.downlink.children:
            if child.splicing or child.leaving or child.stalled or not child.fresh:
                return False
        return True
