"""One player's session as the feed sees it: a viewer with its streams, outbox and path."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from clientproxy.core.events import Feed
from clientproxy.core.outbox import Outbox
from clientproxy.core.playout import Outgoing, Playout, Start
from clientproxy.core.session import Delivery, Session, State
from clientproxy.net.rtsp.delivery import InterleavedPath, Path, SocketAddress, UdpPath, Wire
from clientproxy.net.rtsp.stats import ServerStats
from common.fields import Track
from common.frame import Packet
from common.ids import Address
from common.rtsp.headers import Lower
from common.rtsp.sdp import same_codecs
from common.rtsp.url import Target

log = logging.getLogger(__name__)

REPORT_INTERVAL = 5.0
"""Seconds between sender reports (RFC 3550, 6.2)."""


class Owner(Protocol):
    """Who keeps the sessions."""

    stats: ServerStats
    clock: Callable[[], float]

    def feed_ended(self, player: "Player") -> None:
        """End a session whose feed has no more packets."""


class Player:
    """A session: its pure parts, and the feed and the path that it holds while it plays."""

    def __init__(self, session: Session, target: Target, wire: Wire, owner: Owner) -> None:
        """Take the connection that set it up, and who keeps it."""
        self.session = session
        self.target = target
        self.wire = wire
        self.named_on = wire
        """The connection of the last request that named the session."""
        self.peer = Address("?", 0)
        """Where the player is."""
        self.tunnelled = False
        """All goes through HTTP."""
        self._described: dict[int, tuple[Track, str]] = {}
        """Tracks that are set up and the SDP, as the channel carried them then."""
        self._owner = owner
        self._stats = owner.stats
        self._udp: UdpPath | None = None
        self._path: Path | None = None
        self._feed: Feed | None = None
        self._playout: Playout | None = None
        self._outbox = Outbox()
        self._next_report = 0.0

    def __str__(self) -> str:
        lower = self.session.lower
        return f"{self.session.ident[:4]} over {lower.value if lower else 'nothing yet'}"

    @property
    def fields(self) -> Mapping[str, object]:
        """Channel, node and where the player is, for the log."""
        place = {"channel": self.target.channel} if self._feed is None else self._feed.fields
        return {**place, "peer": str(self.peer)}

    def detail(self) -> dict[str, object]:
        """Return the session for the status API."""
        lower = self.session.lower
        carried = None if lower is None else "http" if self.tunnelled else lower.value.lower()
        return {
            "channel": self.target.channel,
            "server": self.target.server,
            "peer": str(self.peer),
            "transport": carried,
            "plays": self.playing,
            "skipped": self._outbox.stats.skipped_packets,
        }

    @property
    def connected(self) -> bool:
        """Whether a connection stands that belongs to the session."""
        return self.wire.open or self.named_on.open

    @property
    def playing(self) -> bool:
        """Whether packets are sent."""
        return self.session.state is State.PLAYING

    def describe(self, track: Track, sdp: str) -> None:
        """Keep what a track was when it was set up, and the SDP that told it."""
        self._described[track.index] = (track, sdp)

    def fits(self, feed: Feed) -> bool:
        """Return whether a feed carries the tracks as they were set up."""
        return all(
            track in feed.tracks and same_codecs(sdp, feed.sdp)
            for track, sdp in self._described.values()
        )

    def add_udp(
        self, track: int, delivery: Delivery, local: SocketAddress, peer: SocketAddress
    ) -> tuple[int, int]:
        """Send a track over UDP; return our ports. Raises OSError."""
        if self._udp is None:
            self._udp = UdpPath(local, peer, self._stats, self._seen, self._refused)
        self._udp.add_track(track, delivery.pair)
        return self._udp.server_ports

    def play(self, feed: Feed, now: float) -> dict[int, Start]:
        """Begin or go on; return the numbers of the next packets. `pump` sends them."""
        tracks = [track for track in feed.tracks if track.index in self.session.deliveries]
        self.session.apply("PLAY")
        if self._playout is None:
            self._playout = Playout(self.session.ident)
        elif feed is not self._feed:
            self._playout.source_restarted()
        self._feed = feed
        if self.session.lower is Lower.TCP and self._udp is not None:
            self._udp.close()
            self._udp = None
        self._path = self._udp or self._interleaved()
        self._playout.add_tracks(tracks)
        backlog = feed.add_viewer(self)
        self._playout.note_reports(feed.sender_reports)
        items, starts = self._playout.start(backlog, now)
        has_video = any(track.kind == "video" for track in tracks)
        self._outbox.start(items, needs_keyframe=has_video)
        self._next_report = now + REPORT_INTERVAL
        return starts

    def pause(self) -> None:
        """Send nothing until `play` is called again."""
        self.session.apply("PAUSE")
        if self._feed is not None:
            self._feed.remove_viewer(self)
        self._outbox.clear()

    def pump(self) -> None:
        """Send what waits, as far as that can be done now."""
        if self._path is not None:
            self._path.pump(self._outbox)

    def report(self, now: float) -> None:
        """Send sender reports if it is time for them."""
        if not self.playing or now < self._next_report:
            return
        self._next_report = now + REPORT_INTERVAL
        if self._playout is not None and self._feed is not None:
            self._playout.note_reports(self._feed.sender_reports)
            self._put(self._playout.reports())

    def close(self, *, goodbye: bool) -> None:
        """End the session and free what it holds; `goodbye` sends the rest and an RTCP BYE."""
        if self._feed is not None:
            self._feed.remove_viewer(self)
        self.session.state = State.ENDED
        try:
            if goodbye and self._playout is not None and self._path is not None:
                self._path.finish(self._outbox, self._playout.goodbye())
        finally:
            self._outbox.clear()
            if self._udp is not None:
                self._udp.close()
            elif self._path is not None:
                self._path.close()
            self._path = self._udp = self._feed = None

    def packets(self, batch: Sequence[Packet]) -> None:
        """Take packets of the feed (Viewer)."""
        if self._playout is not None and self._feed is not None and self.playing:
            self._playout.note_reports(self._feed.sender_reports)
            self._put(self._playout.push(batch, self._owner.clock()))

    def source_restarted(self) -> None:
        """Make what follows continuous (Viewer)."""
        if self._playout is not None:
            self._playout.source_restarted()

    def ended(self, reason: str) -> None:
        """End the session: the feed has no more packets (Viewer)."""
        log.info("player %s: stream ended: %s", self, reason, extra=self.fields)
        self._owner.feed_ended(self)

    def _seen(self) -> None:
        self.session.seen(self._owner.clock())

    def _refused(self, track: int) -> None:
        self.session.refused(track, self._owner.clock())

    def _interleaved(self) -> InterleavedPath:
        channels = {track: d.pair for track, d in self.session.deliveries.items()}
        return InterleavedPath(self.wire, channels, self._stats)

    def _put(self, items: Sequence[Outgoing]) -> None:
        skipped = self._outbox.stats.skipped_packets
        if self._outbox.put(items):
            self._stats.skips += 1
            first = self._outbox.stats.skips == 1
            log.log(
                logging.WARNING if first else logging.DEBUG,
                "player %s reads too slowly: skipping to the next keyframe",
                self,
                extra=self.fields,
            )
        self._stats.packets_skipped += self._outbox.stats.skipped_packets - skipped
        self.pump()
