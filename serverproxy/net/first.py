"""What an accepted link of the server proxy is: a node's control link, a probe, or a child."""

import asyncio
import logging
from collections.abc import Mapping

from common.attach import Attach, Probe
from common.codec import decode_first
from common.errors import BadMessageError
from common.fewlines import FewLines
from common.messages import Join, Rejoin
from common.refusals import NO_CHANNEL, unknown_channel
from common.runtime.link import Idle, Link
from serverproxy.net.channel import Channel

TOLD_FOR = 600.0
"""Seconds for which the log does not say again that a peer has asked for an unknown channel."""


class FirstMessage(Idle):
    """Finds out what an accepted link is: one for all links."""

    def __init__(self, channels: Mapping[str, Channel]) -> None:
        """Look in these channels."""
        self._channels = channels
        self._unknown = FewLines(TOLD_FOR)
        """About each host and the channel that it has asked for, which there is not."""

    def message(self, link: Link, text: bytes) -> None:
        """Conform to Handler."""
        match decode_first(text):
            case (Join() | Rejoin()) as message:
                name = message.channel if isinstance(message, Join) else message.join.channel
                node = message.node if isinstance(message, Rejoin) else None
                if (channel := self._find(link, name, node)) is not None:
                    channel.control.joined(link, message)
            case (Probe() | Attach()) as request:
                node = request.node if isinstance(request, Attach) else None
                if (channel := self._find(link, request.channel, node)) is not None:
                    channel.feed.downlink.asked(link, request)
            case other:
                raise BadMessageError(f"{type(other).__name__} is for a client proxy")

    def _find(self, link: Link, name: str, node: str | None) -> Channel | None:
        channel = self._channels.get(name)
        if channel is None:
            link.fields = {"channel": name, "peer": str(link.peer)} | (
                {"node": node} if node else {}
            )
            level = logging.INFO if self._is_news(link.peer.host, name) else logging.DEBUG
            link.refuse("unknown_channel", unknown_channel(name, self._channels), level=level)
        return channel

    def _is_news(self, host: str, name: str) -> bool:
        """Whether the log shall say it: whoever waits for a channel asks again and again."""
        if name == NO_CHANNEL:
            return False
        now = asyncio.get_running_loop().time()
        return self._unknown.count(f"{host} {name}", now) == 1
