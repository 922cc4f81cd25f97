"""A server proxy whose source is the test itself, and viewers that remember what they got."""

import asyncio
import struct
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from time import time_ns

from clientproxy.net.node import Node
from common.fields import Track
from common.frame import Packet
from common.ids import Address
from common.runtime.link import Idle, Link
from common.runtime.listener import Listener
from common.runtime.tasks import Tasks
from serverproxy.config import ChannelConfig
from serverproxy.core.events import SourceDescription, SourcePacket
from serverproxy.net.channel import Channel
from serverproxy.net.first import FirstMessage

H264 = Track(0, "video", "H264", 90_000, 96)
H265 = Track(0, "video", "H265", 90_000, 96)
KEYFRAME_EVERY = 20
RTP = struct.Struct("!BBHII")


def packet(number: int, size: int = 200) -> SourcePacket:
    """Return the RTP packet of this number: an H.264 slice, each `KEYFRAME_EVERY`-th an IDR."""
    slice_type = b"\x65" if number % KEYFRAME_EVERY == 0 else b"\x41"
    head = RTP.pack(0x80, 0xE0, number & 0xFFFF, number * 3600 & 0xFFFFFFFF, 7)
    body = slice_type + number.to_bytes(8, "big")
    return SourcePacket(0, False, head + body.ljust(size, b"\0"))


def number_of(payload: bytes) -> int:
    return int.from_bytes(payload[13:21], "big")


class Viewer:
    """A player, as the feed of a node sees it."""

    def __init__(self, node: Node) -> None:
        self.numbers: list[int] = []
        self.restarts = 0
        self.end: str | None = None
        self.packets(node.feed.add_viewer(self))

    def packets(self, batch: Sequence[Packet]) -> None:
        self.numbers += [number_of(one.payload) for one in batch]

    def source_restarted(self) -> None:
        self.restarts += 1

    def ended(self, reason: str) -> None:
        self.end = reason

    @property
    def exact(self) -> bool:
        """In order, none missing, none twice."""
        first = self.numbers[0] if self.numbers else 0
        return self.numbers == list(range(first, first + len(self.numbers)))


class _Noting(FirstMessage):
    """Remembers the links."""

    def __init__(self, channels: Mapping[str, Channel], links: list[Link]) -> None:
        super().__init__(channels)
        self._noted = links

    def message(self, link: Link, text: bytes) -> None:
        self._noted.append(link)
        super().message(link, text)


class SyntheticServer:
    """One channel, `cam`, that the test feeds."""

    def __init__(self, **settings: object) -> None:
        config = ChannelConfig.model_validate({"source": "rtsp://127.0.0.1/none", **settings})
        self.tasks = Tasks()
        self.channel = Channel("cam", config, self.tasks, instance_us=time_ns() // 1000)
        self.address = Address("", 0)
        self.sent = 0
        """Number of the next packet."""
        self._channels = {"cam": self.channel}
        self._links: list[Link] = []
        self._listener = Listener(lambda: _Noting(self._channels, self._links))

    async def start(self, port: int = 0) -> Address:
        self.address = await self._listener.start(Address("127.0.0.1", port))
        self.tasks.spawn(self._tick(), name="tick")
        return self.address

    async def close(self) -> None:
        self.channel.control.close()
        self.channel.feed.downlink.close("ended")
        await self.tasks.close()
        await self._listener.close()

    async def kill(self) -> None:
        """End like a process that is killed: without a word, all links at the same moment."""
        for link in self._links:
            link.handler = Idle()
            link.abort("killed")
        await self.close()

    @property
    def open_links(self) -> int:
        """Links that have said what they are and have not ended."""
        return sum(not link.closed for link in self._links)

    def rename(self, old: str, new: str) -> None:
        """Serve the channel under another name."""
        self._channels[new] = self._channels.pop(old)

    def up(self, track: Track = H264) -> None:
        self.channel.feed.source_up(SourceDescription("v=0\r\n", (track,)))

    def push(self, count: int = 1, size: int = 200) -> None:
        packets = [packet(self.sent + at, size) for at in range(count)]
        self.channel.feed.source_packets(packets)
        self.sent += count

    def play(self, count: int = 3, size: int = 200) -> "asyncio.Task[None]":
        """Push packets every 10 ms until cancelled."""
        return self.tasks.spawn(self._play(count, size), name="play")

    async def _play(self, count: int, size: int) -> None:
        while True:
            self.push(count, size)
            await asyncio.sleep(0.01)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(0.05)
            self.channel.control.tick()
            self.channel.feed.downlink.tick(0.05)


@asynccontextmanager
async def synthetic(port: int = 0, **settings: object) -> AsyncIterator[SyntheticServer]:
    server = SyntheticServer(**settings)
    await server.start(port)
    try:
        yield server
    finally:
        await server.close()
