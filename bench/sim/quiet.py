"""Heartbeats without sending them: for many nodes over long times.

A node whose links are sound and settled is looked at only when it reports, every two seconds. Each
look makes up for the heartbeats that would have come: a link that can be heard counts as heard.
While anything is going on, a link made or lost or gone silent, a stripe without a parent, a child
that has not caught up, the node is looked at in each tick, as without this.
"""

from typing import TYPE_CHECKING, Protocol

from bench.sim.daemons import ClientHost, QuietNode, ServerHost
from bench.sim.hostloop import HostLoop
from bench.sim.hosts import End, Host
from clientproxy.net.node import REPORT_EVERY, TICK
from clientproxy.net.parentlink import ParentLink
from common.frame import PREFIX_BYTES, FrameType, Heartbeat, Received
from common.runtime.downlink import Downlink
from common.runtime.link import Link

if TYPE_CHECKING:
    import asyncio

    from common.ids import NodeId

SETTLED_AFTER = 0.5
"""Seconds without news after which a node is looked at less often."""
HEARTBEAT_EVERY = 0.1


class Run(Protocol):
    """Whose nodes these are."""

    loop: HostLoop
    clients: dict[str, ClientHost]


class _Looked:
    """When a node is looked at."""

    __slots__ = ("busy_until", "client", "next_at", "pending", "report_at")

    def __init__(self, client: ClientHost, report_at: float) -> None:
        self.client, self.report_at = client, report_at
        self.busy_until = self.next_at = 0.0
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
            for end in list(looked.client.host.ends):
                if end.peer.host is server.host and self._run.loop.network.hears(end.peer):
                    self._hear_one(end.peer, now)
            if not child.fresh:
                self._keep_busy(looked)

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
        now, client = self._run.loop.time(), looked.client
        looked.pending = None
        sound = self._hear(client.host, now)
        assert isinstance(client.node, QuietNode)
        client.node.look(now, report=now >= looked.report_at)
        if now >= looked.report_at:
            looked.report_at = now + REPORT_EVERY
        busy = not sound or now < looked.busy_until or not self._settled(client)
        self._look_at(looked, now + TICK if busy else looked.report_at)

    def _hear(self, host: Host, now: float) -> bool:
        """Let every link count as heard that can be; return whether all can."""
        network, sound = self._run.loop.network, True
        for end in list(host.ends):
            if network.hears(end):
                self._hear_one(end, now)
            else:
                sound = False
        return sound

    def _hear_one(self, end: End, now: float) -> None:
        """Let a link count as heard, and what a child has as told."""
        near, far = end.protocol, end.peer.protocol
        if not isinstance(near, Link):
            return
        near.heard = now
        downlink = near.handler
        if isinstance(downlink, Downlink) and isinstance(far, Link):
            child = far.handler
            if isinstance(child, ParentLink) and child.is_attached and not child.standby:
                self._tell_newest(near, downlink, child, end.peer.host.name)

    def _tell_newest(self, link: Link, downlink: Downlink, child: ParentLink, name: str) -> None:
        if (looked := self._looked.get(name)) is None:
            return
        stripes = looked.client.node.stripes
        if stripes is not None:
            now_us = int(self._run.loop.now * 1e6)
            beat = Heartbeat(stripes.newest(child.stripe), 0, now_us, 0, starved=False)
            body = beat.encode()[PREFIX_BYTES:]
            downlink.frames(link, Received([], [], [(FrameType.HEARTBEAT, body)]))

    def _settled(self, client: ClientHost) -> bool:
        stripes = client.node.stripes
        if stripes is None or not stripes.attached or client.node.feed.reorder_depth:
            return False
        if client.id is not None:
            self._names[client.id] = client.name
        return self.children_settled(stripes.downlink)

    def children_settled(self, downlink: Downlink) -> bool:
        """Whether nobody below is on the way; who has not caught up sends heartbeats."""
        settled = True
        for child in downlink.children:
            if child.splicing or child.leaving or not child.fresh:
                settled = False
                looked = self._looked.get(self._names.get(child.node, ""))
                if looked is not None and not child.fresh:
                    self._keep_busy(looked)
        return settled
