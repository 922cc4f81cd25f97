"""The daemons on their hosts.

Everything between the sockets and the players is the daemons' own code: control links, trees,
parents, logs, merge. Left out are HTTP, RTSP and the source; a `Meter` takes the place of a player.
"""

import asyncio
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.sim.hostloop import HostLoop
from bench.sim.hosts import Host
from bench.sim.watch import Meter
from clientproxy.config import ClientConfig
from clientproxy.core.events import ChannelUnavailableError
from clientproxy.net.channels import JoinedChannels
from clientproxy.net.node import TICK, Node
from clientproxy.net.stripes import Stripes
from common.fields import Track
from common.ids import Address, NodeId, Stripe
from common.runtime.listener import Listener
from common.runtime.tasks import Tasks
from serverproxy.config import ChannelConfig
from serverproxy.core.events import SourceDescription, SourcePacket
from serverproxy.net.channel import Channel
from serverproxy.net.first import FirstMessage
from serverproxy.net.served import CLOSED

if TYPE_CHECKING:
    from collections.abc import Callable

CHANNEL = "cam"
SERVER = Address("10.255.255.254", 7854)
EPOCH_US = 1_700_000_000_000_000
"""Group clock when the simulation begins."""
H264 = Track(0, "video", "H264", 90_000, 96)
H265 = Track(0, "video", "H265", 90_000, 96)
RTP = struct.Struct("!BBHII")


def rtp_packet(number: int, size: int, keyframe: bool) -> bytes:
    """Return the H.264 slice of this number."""
    head = RTP.pack(0x80, 0xE0, number & 0xFFFF, number * 3600 & 0xFFFFFFFF, 7)
    return (head + (b"\x65" if keyframe else b"\x41")).ljust(size, b"\0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What the source sends."""

    packets_per_second: float = 4.0
    packet_bytes: int = 100
    keyframe_every: int = 8
    """Packets from one keyframe to the next."""


class ServerHost:
    """The server proxy, but for its HTTP side and its source."""

    def __init__(self, host: Host, loop: HostLoop, settings: dict[str, object]) -> None:
        self.host = host
        self.sent: list[tuple[float, int]] = []
        """Time and sequence number of each packet of the source."""
        config = ChannelConfig.model_validate({"source": "rtsp://127.0.0.1/none", **settings})
        self._tasks, self._loop = Tasks(), loop
        self._playing: asyncio.Task[None] | None = None
        self.before_tick: Callable[[], object] = lambda: None
        instance_us = EPOCH_US + int(loop.time() * 1e6)
        self.channel = Channel(CHANNEL, config, self._tasks, instance_us=instance_us)
        self._channels = {CHANNEL: self.channel}
        first = FirstMessage(self._channels)
        self._listener = Listener(lambda: first, loop.listen)
        self._tasks.spawn(self._run(), name="server")

    async def _run(self) -> None:
        await self._listener.start(SERVER)
        while True:
            await asyncio.sleep(TICK)
            self.before_tick()
            self.channel.control.tick()
            self.channel.feed.downlink.tick(TICK)

    def play(self, source: Source, track: Track = H264) -> None:
        """Begin to send, or begin anew."""
        self.channel.feed.source_up(SourceDescription("v=0\r\n", (track,)))
        self._playing = self._tasks.spawn(self._play(source), name="source")

    def close_channel(self) -> None:
        """Close the channel for good, as its operator does."""
        self.host.run(lambda: self._channels.pop(CHANNEL).close(CLOSED.format(name=CHANNEL)))

    def pause(self, reason: str) -> None:
        """Send nothing more: the source is gone."""
        if self._playing is not None:
            self._playing.cancel()
        self.channel.feed.source_down(reason)

    async def _play(self, source: Source) -> None:
        while True:
            number = len(self.sent)
            keyframe = number % source.keyframe_every == 0
            payload = rtp_packet(number, source.packet_bytes, keyframe)
            self.sent.append((self._loop.time(), self.channel.feed.numbering.next))
            self.channel.feed.source_packets([SourcePacket(0, False, payload)])
            await asyncio.sleep(1 / source.packets_per_second)


class QuietNode(Node):
    """A node whose heartbeats are not sent one by one: `bench.sim.quiet` makes up for them."""

    still = False
    """Its children need nothing but heartbeats."""

    async def run(self) -> None:
        self._tasks.spawn(self._control.run(), name="control")

    def _tick_links(self, stripes: Stripes, now: float, seconds: float) -> None:
        if self.still:
            stripes.uplink.watch.tick(seconds)
            stripes.downlink.children.tick(now)
        else:
            super()._tick_links(stripes, now, seconds)


class ClientHost:
    """A client proxy, but for its RTSP and HTTP sides."""

    def __init__(self, host: Host, config: ClientConfig, loop: HostLoop, *, quiet: bool) -> None:
        self.host, self.name, self.born_at = host, host.name, loop.time()
        self.channels = JoinedChannels(config)
        self._listener = Listener(self.channels.first_handler, loop.listen)
        self._tasks = Tasks()
        kind = QuietNode if quiet else Node
        overlay = self.channels.overlay = Address(host.ip, SERVER.port + 1)
        self.node = kind(CHANNEL, SERVER, config, overlay, self._tasks)
        self.channels.nodes[CHANNEL, SERVER] = self.node
        self.meter = Meter(loop, EPOCH_US)
        self.node.feed.add_viewer(self.meter)
        self.opened: int | None = None
        """What the player was told that `open` stands for."""
        self.parents_after: float | None = None
        """Seconds until every stripe had a parent."""
        self._tasks.spawn(self._start(), name="start")

    async def _start(self) -> None:
        await self._listener.start(self.channels.overlay)
        await self.node.run()

    def open(self) -> None:
        """Let a player ask for the channel; `opened` is the RTSP status that it gets."""
        self._tasks.spawn(self._open(), name="player")

    async def _open(self) -> None:
        try:
            await self.channels.open(CHANNEL, None)
        except ChannelUnavailableError as error:
            self.opened = error.status
        else:
            self.opened = 200

    async def leave(self) -> None:
        """End in good order, as SIGTERM does."""
        await self.channels.close()
        await self._listener.close()

    @property
    def id(self) -> NodeId | None:
        """Id that the server proxy gave it."""
        return None if self.node.stripes is None else NodeId(self.node.stripes.offer.node)

    @property
    def stripes(self) -> range:
        """Numbers of the stripes, none before the Offer."""
        return range(0 if self.node.stripes is None else len(self.node.stripes.logs))

    def parent(self, stripe: int) -> NodeId | None:
        """Return the parent in a stripe."""
        stripes = self.node.stripes
        return None if stripes is None else stripes.uplink.search.parent(Stripe(stripe))

    def parents(self) -> list[NodeId | None]:
        """Return the parents in all stripes, none before the Offer."""
        stripes = self.node.stripes
        return [] if stripes is None else stripes.uplink.search.parents()

    def children(self, stripe: int) -> list[NodeId]:
        """Return the children in a stripe."""
        stripes = self.node.stripes
        return (
            []
            if stripes is None
            else [c.node for c in stripes.downlink.children.of(Stripe(stripe))]
        )
