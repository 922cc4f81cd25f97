"""A short visit to a channel, as a node that takes no children: what comes, from whom, how fast."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from clientproxy.config import ClientConfig
from clientproxy.core.diagnosis.looks import Look, delay, fastest
from clientproxy.core.diagnosis.measured import Clock, Parent, Sample
from clientproxy.net.channels import JoinedChannels
from clientproxy.net.doctor.probing import Probing
from clientproxy.net.doctor.progress import Progress
from clientproxy.net.node import Node
from clientproxy.net.stripes import Stripes
from common.ids import Address, Stripe
from common.runtime.listener import Listener
from common.runtime.tasks import Tasks

PLACE_WITHIN = 5.0
"""Seconds for the server proxy's Offer: it dials back before it refuses as full."""
PLAYS_WITHIN = 5.0
"""Seconds from the Offer to the first packet."""
SOURCE_WITHIN = 1.0
"""Seconds that a source which is down may take to come up."""
DIALLED_FOR = 5.2
"""Seconds after which the server proxy has given up to reach this machine."""
LOOK_EVERY = 0.05
HELD_UP = 0.1
"""Seconds that a look may come late."""


class Visit:
    """One visit; `close` leaves."""

    def __init__(self, channel: str, server: Address, config: ClientConfig, until: float) -> None:
        """Prepare. `until`: loop time at which every wait ends."""
        self._channel, self._server, self._until = channel, server, until
        self._config = config
        self._loop = asyncio.get_running_loop()
        self._tasks = Tasks()
        self._channels = JoinedChannels(config)
        self._listener = Listener(self._channels.first_handler)
        self._node: Node | None = None
        self._probing: Probing | None = None
        self._asked_at = self._loop.time()
        self._looks: list[Look] = []
        self._first: int | None = None
        """Index of the first look that saw a packet delivered."""
        self._deepest = self._late_looks = 0

    async def make(self, seconds: float, progress: Progress) -> None:
        """Join, look for `seconds`, and wait whether this machine is reached."""
        try:
            self._channels.overlay = await self._listener.start(self._config.listen)
        except OSError:  # whose it is, `ports` says: another one will do
            self._channels.overlay = await self._listener.start(Address("", 0))
        progress.say(f"asking for a place in channel {self._channel}")
        node = await self._place()
        if node.stripes is None:
            return
        self._probing = Probing(self._server, self._channel, node.stripes.offer.group_key)
        self._tasks.spawn(self._probing.run(), name="probes")
        progress.say("waiting for the first packet")
        up = await self._wait(lambda: node.readiness.source_up, SOURCE_WITHIN)
        if up and await self._wait(lambda: self._first is not None, PLAYS_WITHIN):
            progress.say(f"watching channel {self._channel} for {seconds:g} s")
            await self._wait(lambda: False, seconds)
        elif not up:
            await self._wait(lambda: False, min(seconds, SOURCE_WITHIN))  # for the round trips
        left = self._asked_at + DIALLED_FOR - self._loop.time()
        if not self._reached and left > 0:
            progress.say(f"waiting whether the server proxy reaches TCP port {self._port}")
            await self._wait(lambda: bool(self._reached), left)

    async def _place(self) -> Node:
        """Ask as one who only watches.

        Where there is no room for such it stays outside: a node with slots would take a leaf's
        place and feed that leaf, until it leaves a few seconds later.
        """
        self._asked_at = self._loop.time()
        node = self._channels.join(self._channel, self._server)
        self._node = node
        ready = node.readiness
        await self._wait(
            lambda: node.stripes is not None or ready.trouble is not None, PLACE_WITHIN
        )
        return node

    @property
    def _port(self) -> int:
        return self._channels.overlay.port

    @property
    def _reached(self) -> Sequence[str]:
        if (node := self._node) is None:
            return ()
        if node.stripes is None:  # no Offer says it
            return () if node.dialled_at is None else (str(node.dialled_at),)
        return node.stripes.offer.addresses

    async def _wait(self, condition: Callable[[], bool], within: float) -> bool:
        """Look twenty times a second; return whether the condition came to hold in time."""
        end = min(self._loop.time() + within, self._until)
        while not condition():
            began = self._loop.time()
            if began >= end:
                return False
            await asyncio.sleep(min(LOOK_EVERY, end - began))
            self._late_looks += self._loop.time() - began > LOOK_EVERY + HELD_UP
            self._look()
        return True

    def _look(self) -> None:
        node = self._node
        if node is None or node.stripes is None:
            return
        received = sum(one.received_bytes for one in node.stripes.stats)
        feed, now = node.feed, self._loop.time()
        captured = feed.delivered_at - feed.stats.delay
        if self._first is None and feed.stats.delivered:
            self._first = len(self._looks)
        self._looks.append(Look(now, received, feed.stats.delivered, captured))
        self._deepest = max(self._deepest, feed.reorder_depth)

    async def close(self) -> None:
        """Leave the channel and end everything."""
        await self._tasks.close()
        await self._channels.close()
        await self._listener.close()

    # --- what was seen; to be asked before `close`

    def round_trips(self) -> Sequence[float]:
        """Return the seconds of each, in order."""
        return () if self._probing is None else tuple(self._probing.round_trips)

    def clock(self) -> Clock | None:
        """Return the server proxy's clock less this machine's."""
        if self._node is None or not self._node.feed.clock.synchronized:
            return None
        feed = self._node.feed
        offset = feed.group_time_us() / 1e6 - datetime.now(UTC).timestamp()
        return Clock(offset=offset, uncertainty=feed.clock.uncertainty_us / 1e6)

    def sample(self) -> Sample:
        """Return what came."""
        node = self._node
        if node is None or node.stripes is None:
            return Sample(
                channel=self._channel,
                refused=("" if node is None else node.readiness.trouble) or "",
                full=node is not None and node.readiness.full,
                reached=self._reached,
                tested_port=self._port,
            )
        feed, looks = node.feed, self._looks[self._first or 0 :]
        first, last = (looks[0], looks[-1]) if looks else (_NEVER, _NEVER)
        return Sample(
            channel=self._channel,
            offered=True,
            source_up=node.readiness.source_up,
            source_trouble=node.readiness.source_trouble,
            reached=self._reached,
            tested_port=self._port,
            advertised=tuple(map(str, self._config.advertise)),
            tracks=tuple(feed.tracks),
            stripes=len(node.stripes.logs),
            first_packet=None if self._first is None else first.at - self._asked_at,
            seconds=last.at - first.at,
            stream_seconds=max(0.0, last.captured - first.captured),
            bytes=last.received_bytes - first.received_bytes,
            packets=last.delivered - first.delivered,
            fastest=fastest(self._looks),
            delay=delay(looks) if self._first is not None else 0.0,
            lost=feed.lost,
            late=feed.late,
            deepest=self._deepest,
            held_up=self._late_looks / max(1, len(self._looks)),
            parents=[_parent(node.stripes, stripe) for stripe in node.stripes.stripes],
            no_parent=node.stripes.uplink.search.why_not() or "",
        )


_NEVER = Look(0.0, 0, 0, 0.0)


def _parent(stripes: Stripes, stripe: Stripe) -> Parent:
    uplink, received = stripes.uplink, stripes.stats[stripe].received
    node = uplink.search.parent(stripe)
    link = None if node is None else uplink.links.get(stripe, node)
    if link is None:
        return Parent(stripe=stripe, node=node, received=received)
    return Parent(
        stripe=stripe,
        node=node,
        hops=len(link.path),
        rtt=link.rtt,
        behind=link.lag.seconds,
        received=received,
    )
