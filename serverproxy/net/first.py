"""What an accepted link of the server proxy is: a node's control link, a probe, or a child."""

from collections.abc import Mapping

from common.codec import decode_first
from common.errors import BadMessageError
from common.messages import Attach, Join, Probe, Rejoin
from common.refusals import unknown_channel
from common.runtime.link import Idle, Link
from serverproxy.net.channel import Channel


class FirstMessage(Idle):
    """Finds out what an accepted link is."""

    def __init__(self, channels: Mapping[str, Channel]) -> None:
        """Look in these channels."""
        self._channels = channels

    def message(self, link: Link, text: bytes) -> None:
        """Conform to Handler."""
        match decode_first(text):
            case (Join() | Rejoin()) as message:
                name = message.channel if isinstance(message, Join) else message.join.channel
                if (channel := self._find(link, name)) is not None:
                    channel.control.joined(link, message)
            case (Probe() | Attach()) as request:
                if (channel := self._find(link, request.channel)) is not None:
                    channel.feed.downlink.asked(link, request)
            case other:
                raise BadMessageError(f"{type(other).__name__} is for a client proxy")

    def _find(self, link: Link, name: str) -> Channel | None:
        channel = self._channels.get(name)
        if channel is None:
            link.refuse("unknown_channel", unknown_channel(name, self._channels))
        return channel
