"""Many nodes in one process, over real TCP: both daemons' own parts, without their HTTP sides."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from clientproxy.config import ClientConfig
from clientproxy.net.channels import JoinedChannels
from clientproxy.net.node import Node
from common.frame import FLAG_RTCP, Packet
from common.ids import Address
from common.runtime.daemon import Stop
from common.runtime.listener import Listener
from serverproxy.app import ServerProxy
from serverproxy.config import ServerConfig
from tests.support.capture import Capture

if TYPE_CHECKING:
    from tests.support.cable import Cable

ANY_PORT = "127.0.0.1:0"


async def until(condition: Callable[[], bool], within: float, what: str) -> None:
    """Wait until `condition` holds; fail with `what` after `within` seconds."""
    end = asyncio.get_running_loop().time() + within
    while not condition():
        assert asyncio.get_running_loop().time() < end, f"not within {within} s: {what}"
        await asyncio.sleep(0.02)


class Watcher:
    """Takes what a node delivers, as a capture of its RTP packets."""

    def __init__(self, node: Node) -> None:
        self.capture, self._node = Capture(), node
        self.packets(node.feed.add_viewer(self))

    def packets(self, batch: Sequence[Packet]) -> None:
        kinds = {track.index: track.kind for track in self._node.feed.tracks}
        for packet in batch:
            is_rtcp = bool(packet.flags & FLAG_RTCP)
            self.capture.take(kinds[packet.track], is_rtcp, bytes(packet.payload))

    def source_restarted(self) -> None: ...

    def ended(self, reason: str) -> None: ...


class InProcessNode:
    """One client proxy, but for its RTSP and HTTP servers."""

    def __init__(self, server: Address, **settings: object) -> None:
        config = ClientConfig.model_validate({"server": str(server), **settings})
        self._server = server
        self.cable: Cable | None = None
        """What lies in front of its overlay port, if that is what it advertises."""
        self.channels = JoinedChannels(config)
        self._listener = Listener(self.channels.first_handler)

    async def join(self, channel: str) -> Node:
        self.channels.overlay = await self._listener.start(Address("127.0.0.1", 0))
        if self.cable is not None:
            self.cable.to = self.channels.overlay
        return self.channels.join(channel, self._server)

    async def close(self) -> None:
        await self.channels.close()
        await self._listener.close()


@asynccontextmanager
async def running_server(**channels: str | dict[str, object]) -> AsyncIterator[ServerProxy]:
    """Run a server proxy with these channels (source URL or keys of a channel)."""
    config = {
        "listen": ANY_PORT,
        "http": ANY_PORT,
        "channels": {
            name: {"source": one} if isinstance(one, str) else one for name, one in channels.items()
        },
    }
    server, stop = ServerProxy(ServerConfig.model_validate(config)), Stop()
    task = asyncio.get_running_loop().create_task(server.run(stop))
    try:
        await until(lambda: bool(server.overlay) or task.done(), 10, "server proxy listens")
        yield server
    finally:
        stop.set()
        await task
