"""The channels of this daemon: joined for the first player, left `linger` after the last.

Also the first handler of every link that other nodes, or the server proxy, open to this daemon.
"""

import asyncio
import contextlib
import logging

from clientproxy.config import ClientConfig
from clientproxy.core.events import ChannelUnavailableError
from clientproxy.net.feed import MergedFeed
from clientproxy.net.node import Node
from clientproxy.net.readiness import NO_ROOM
from common.attach import Attach, Probe
from common.codec import decode_first
from common.errors import BadMessageError
from common.fields import STAYS_AWAY
from common.ids import SERVER_PORT, Address
from common.messages import VERSION, Hello, HelloReply
from common.runtime.capture import Capture
from common.runtime.keys import follow, take
from common.runtime.link import Idle, Link
from common.runtime.metrics import LoopLag
from common.runtime.tasks import Tasks

log = logging.getLogger(__name__)

MAX_CHANNELS = 64
"""Channels that one daemon joins at the same time."""


class JoinedChannels:
    """All nodes of this client proxy (`events.Channels`)."""

    def __init__(self, config: ClientConfig) -> None:
        """Start with none."""
        self.nodes: dict[tuple[str, Address], Node] = {}
        self.overlay = Address("", 0)
        """Where other nodes come to: to be set before the first join."""
        self.config = config
        """What is in force: keys that need a restart have the value of the start."""
        self.lag, self.capture = LoopLag(), Capture()
        self._leave_at: dict[Node, float] = {}
        self._opening: dict[Node, int] = {}
        self._leaving, self._ending = Tasks(), False
        self._away_until: dict[tuple[str, Address], float] = {}

    def join(self, channel: str, server: Address) -> Node:
        """Return the node of a channel; begin to join it if it is new."""
        node = self.nodes.get((channel, server))
        if node is None:
            if self._ending:
                raise ChannelUnavailableError(503, "this client proxy is ending")
            if (channel, server) in self._away_until:
                raise ChannelUnavailableError(
                    404, f"sent away from channel {channel} by the operator of its server proxy"
                )
            if len(self.nodes) >= MAX_CHANNELS:
                raise ChannelUnavailableError(
                    NO_ROOM, f"{MAX_CHANNELS} channels are joined already"
                )
            tasks = Tasks()
            node = Node(channel, server, self.config, self.overlay, tasks, lag=self.lag)
            node.feed.capture = self.capture
            self.nodes[channel, server] = node
            tasks.spawn(node.run(), name="node", fields=node.fields)
        return node

    def join_all(self) -> None:
        """Join the channels that are to be joined without waiting for a player."""
        if (server := self.config.server) is None:
            return
        for channel in self.config.join:
            try:
                self.join(channel, server)
            except ChannelUnavailableError as error:
                log.warning("not joined: %s", error.why, extra={"channel": channel})

    def reload(self) -> None:
        """Read the configuration again and follow it. Raises ConfigError: nothing has changed."""
        self.config, by_effect = follow(self.config, self.config.reload())
        take(by_effect, self.config.log_level, self.config.log_format)
        if not by_effect:
            log.info("reloaded: nothing has changed")
        for node in self.nodes.values():
            node.follow(self.config)
        self.join_all()
        self.capture.follow(self.config.capture)

    async def open(self, channel: str, server: str | None) -> MergedFeed:
        """Conform to events.Channels."""
        node = self.join(channel, self._server(server))
        self._opening[node] = self._opening.get(node, 0) + 1
        linger = self.config.linger
        try:
            return await node.readiness.wait(self.config.join_timeout)
        except ChannelUnavailableError as error:
            if node.stripes is None or error.status == NO_ROOM:
                linger = 0.0
            raise
        finally:
            if node in self._opening:
                self._opening[node] -= 1
                self._leave_at[node] = asyncio.get_running_loop().time() + linger

    def _server(self, text: str | None) -> Address:
        if text is None:
            if self.config.server is None:
                raise ChannelUnavailableError(
                    404,
                    "no server proxy is configured: open "
                    f"rtsp://localhost/SERVER:{SERVER_PORT}/CHANNEL",
                )
            return self.config.server
        try:
            server = Address.parse(text.lower(), SERVER_PORT)
        except ValueError as error:
            raise ChannelUnavailableError(404, str(error)) from None
        if not self.config.allows(server):
            raise ChannelUnavailableError(404, f"{server} is not among allow_servers")
        return server

    async def run(self) -> None:
        """Leave channels that nobody watches any more, until cancelled."""
        while True:
            await asyncio.sleep(0.5)
            self.lag.beats += 1
            with self.lag.part({}):
                self._look()

    def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        self._heed(now)
        for (channel, server), node in list(self.nodes.items()):
            pinned = server == self.config.server and channel in self.config.join
            if pinned or node.feed.viewers or self._opening.get(node):
                self._leave_at[node] = now + self.config.linger
            elif now >= self._leave_at.setdefault(node, now + self.config.linger):
                log.info("nobody watches: leaving", extra=node.fields)
                self._leave(channel, server)

    def _heed(self, now: float) -> None:
        """Leave where this daemon was sent away, children first; come back after a while."""
        for key, node in list(self.nodes.items()):
            if node.readiness.sent_away:
                if len(self._away_until) < MAX_CHANNELS:
                    self._away_until[key] = now + STAYS_AWAY
                self._leave(*key)
        over = [key for key, until in self._away_until.items() if now >= until]
        for key in over:
            del self._away_until[key]
            if key[1] == self.config.server and key[0] in self.config.join:
                with contextlib.suppress(ChannelUnavailableError):
                    self.join(*key)

    def _leave(self, channel: str, server: Address) -> None:
        """Leave a channel, beside all else: handing children over may take a while."""
        node = self.nodes.pop((channel, server))
        self._leave_at.pop(node, None)
        self._opening.pop(node, None)
        self._leaving.spawn(node.close(), name=f"leave {channel}")

    async def close(self) -> None:
        """Leave all channels and join none any more.

        Returns once all are left, those too that were being left already.
        """
        self._ending = True
        for key in list(self.nodes):
            self._leave(*key)
        await self._leaving.ended()

    def first_handler(self) -> "FirstMessage":
        """Return the handler of a link that was just accepted."""
        return FirstMessage(self)


class FirstMessage(Idle):
    """Finds out what an accepted link is."""

    def __init__(self, channels: JoinedChannels) -> None:
        """Look in these channels."""
        self._channels = channels

    def message(self, link: Link, text: bytes) -> None:
        """Conform to Handler."""
        match decode_first(text):
            case (Probe() | Attach()) as request:
                for node in self._channels.nodes.values():
                    if node.stripes is not None and node.stripes.accepts(request.group_key):
                        node.stripes.downlink.asked(link, request)
                        return
                link.refuse("unknown_channel", f"channel {request.channel} is not joined here")
            case Hello(version=version, nonce=nonce):
                nodes = self._channels.nodes.values()
                mine = next((node for node in nodes if node.nonce == nonce), None)
                if version != VERSION:
                    link.refuse("version", f"I speak version {VERSION} of the overlay protocol")
                elif mine is not None:
                    mine.dialled_at = link.local
                    link.send(HelloReply(nonce=nonce))
                    link.close()
                else:
                    link.refuse("unauthorized", "this nonce is not mine")
            case other:
                kind = type(other).__name__
                raise BadMessageError(f"{kind} is for a server proxy; this is a client proxy")
