"""What the player side and the overlay side of a client proxy say to each other."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from common.errors import ProxyError
from common.fields import SenderReport, Track
from common.frame import Packet


class ChannelUnavailableError(ProxyError):
    """A player's channel cannot be had; `status` is the RTSP status that says so."""

    def __init__(self, status: int, why: str, retry_after: float | None = None) -> None:
        """Take 404, 453 or 503, a sentence for the log, and seconds until a retry makes sense."""
        super().__init__(why)
        self.status, self.why, self.retry_after = status, why, retry_after


class Viewer(Protocol):
    """A player's session, as the feed of its channel sees it."""

    def packets(self, batch: Sequence[Packet]) -> None:
        """Take packets in order, each once. `Packet.type` is always DATA."""

    def source_restarted(self) -> None:
        """Note that the source began anew with the same codecs before the next batch.

        RTP sequence numbers, timestamps and SSRC of the packets jump here.
        """

    def ended(self, reason: str) -> None:
        """Note that no packet will come any more: other codecs (new epoch), channel closed."""


class Feed(Protocol):
    """One joined channel in merged order."""

    @property
    def fields(self) -> Mapping[str, object]:
        """Channel and node, for the log."""

    @property
    def sdp(self) -> str:
        """SDP as the source sent it."""

    @property
    def tracks(self) -> Sequence[Track]:
        """Tracks of the SDP that are carried."""

    @property
    def sender_reports(self) -> Mapping[int, SenderReport]:
        """The newest sender report of the source per track index, where there was one."""

    def add_viewer(self, viewer: Viewer) -> Sequence[Packet]:
        """Begin to feed a viewer; return the packets since the last keyframe, in order.

        The packets that follow come through `viewer.packets`.
        """

    def remove_viewer(self, viewer: Viewer) -> None:
        """Feed it no more. A viewer that is not fed is ignored."""


class Channels(Protocol):
    """Where the RTSP server gets its feeds."""

    async def open(self, channel: str, server: str | None) -> Feed:
        """Return the feed of a channel, joining it first if need be.

        `server` is `host` or `host:port` when the player's URL names the server proxy
        (`rtsp://localhost:8554/host:7854/cam`). Raises ChannelUnavailableError within
        `join_timeout`.
        """
