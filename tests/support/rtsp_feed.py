"""A stand-in for the overlay: channels whose packets a test plays."""

from collections.abc import Mapping, Sequence

from clientproxy.core.events import ChannelUnavailableError, Viewer
from common.fields import SenderReport, Track
from common.frame import FLAG_KEYFRAME, Packet


class StandInFeed:
    """A feed that keeps the packets since the last keyframe."""

    def __init__(self, sdp: str, tracks: Sequence[Track]) -> None:
        self.sdp = sdp
        self.tracks = tracks
        self.reports: dict[int, SenderReport] = {}
        self.viewers: list[Viewer] = []
        self._backlog: list[Packet] = []

    @property
    def fields(self) -> Mapping[str, object]:
        return {"channel": "cam", "node": "n1"}

    @property
    def sender_reports(self) -> Mapping[int, SenderReport]:
        return self.reports

    def add_viewer(self, viewer: Viewer) -> Sequence[Packet]:
        self.viewers.append(viewer)
        return tuple(self._backlog)

    def remove_viewer(self, viewer: Viewer) -> None:
        if viewer in self.viewers:
            self.viewers.remove(viewer)

    def play(self, batch: Sequence[Packet]) -> None:
        """Give packets to all viewers."""
        for packet in batch:
            if packet.flags & FLAG_KEYFRAME:
                self._backlog.clear()
            self._backlog.append(packet)
        for viewer in list(self.viewers):
            viewer.packets(batch)

    def restart(self) -> None:
        """Tell all viewers that the source began anew."""
        self._backlog.clear()
        for viewer in list(self.viewers):
            viewer.source_restarted()

    def end(self, reason: str) -> None:
        """Tell all viewers that there is no more."""
        for viewer in list(self.viewers):
            viewer.ended(reason)


class StandInChannels:
    """Channels by name; `faults` are raised instead."""

    def __init__(self) -> None:
        self.feeds: dict[tuple[str, str | None], StandInFeed] = {}
        self.faults: dict[str, ChannelUnavailableError] = {}

    async def open(self, channel: str, server: str | None) -> StandInFeed:
        if channel in self.faults:
            raise self.faults[channel]
        feed = self.feeds.get((channel, server))
        if feed is None:
            raise ChannelUnavailableError(404, f"no channel {channel}")
        return feed
