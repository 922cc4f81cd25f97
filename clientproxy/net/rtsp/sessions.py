"""The sessions of the server: who they are, which connection they stand on, when they end."""

import contextlib
import logging
import secrets
from collections.abc import Callable, Iterator

from clientproxy.core.session import Session
from clientproxy.net.rtsp.delivery import Wire
from clientproxy.net.rtsp.player import Player
from clientproxy.net.rtsp.stats import ServerStats
from common.errors import RtspError
from common.rtsp.headers import Lower
from common.rtsp.url import Target

log = logging.getLogger(__name__)

MAX_SESSIONS = 256
_ID_BYTES = 8


class Sessions:
    """All sessions by id; `clock` counts seconds."""

    def __init__(self, clock: Callable[[], float], on_feed_end: Callable[[Wire], None]) -> None:
        """Take what to do with the connection of a session whose feed has ended."""
        self.stats = ServerStats()
        self.clock = clock
        self._on_feed_end = on_feed_end
        self._players: dict[str, Player] = {}

    def __iter__(self) -> Iterator[Player]:
        return iter(list(self._players.values()))

    def on_wire(self, wire: Wire) -> list[Player]:
        """Return the sessions that a connection set up."""
        return [player for player in self._players.values() if player.wire is wire]

    def belong_to(self, wire: Wire) -> bool:
        """Return whether a connection set up a session, or was the last to name one."""
        return any(wire in (player.wire, player.named_on) for player in self._players.values())

    def find(self, ident: str, wire: Wire) -> Player:
        """Return a session that is named on a connection, so lives. Raises RtspError(454)."""
        player = self._players.get(ident)
        if player is None:
            raise RtspError(454, "no such session")
        player.named_on = wire
        player.session.seen(self.clock())
        return player

    def refresh(self, ident: str, wire: Wire) -> None:
        """Note that a session is named on a connection; an unknown session is ignored."""
        with contextlib.suppress(RtspError):
            self.find(ident, wire)

    def create(self, target: Target, wire: Wire) -> Player:
        """Return a new session, which counts from `add` on. Raises RtspError(503)."""
        if len(self._players) >= MAX_SESSIONS:
            raise RtspError(503, f"{MAX_SESSIONS} sessions already")
        session = Session(secrets.token_hex(_ID_BYTES), self.clock())
        return Player(session, target, wire, self)

    def add(self, player: Player) -> None:
        """Keep a session; one that is kept already is left as it is.

        An older one over UDP of the same connection is dropped: its player has fallen back to
        another transport without a TEARDOWN.
        """
        if player.session.ident in self._players:
            return
        for old in self.on_wire(player.wire):
            if old.session.lower is Lower.UDP:
                self.drop(old)
        self._players[player.session.ident] = player
        self.stats.sessions = len(self._players)

    def drop(self, player: Player, *, goodbye: bool = False) -> None:
        """End a session."""
        self._players.pop(player.session.ident, None)
        self.stats.sessions = len(self._players)
        player.close(goodbye=goodbye)

    def wire_lost(self, wire: Wire) -> None:
        """End the sessions whose packets went over a connection; others outlive it."""
        for player in self.on_wire(wire):
            if player.session.lower is Lower.TCP:
                log.info("player %s: its connection has ended", player, extra=player.fields)
                self.drop(player)

    def look_at(self, player: Player) -> None:
        """Send a report that is due, or end the session of a player that shows no sign of life."""
        now = self.clock()
        if not player.connected and (why := _gone(player.session, now)):
            log.info("player %s: %s, session ended", player, why, extra=player.fields)
            self.stats.sessions_expired += 1
            self.drop(player, goodbye=True)
        else:
            player.report(now)

    def feed_ended(self, player: Player) -> None:
        """End a session whose feed has no more packets."""
        try:
            self.drop(player, goodbye=True)
        finally:
            self._on_feed_end(player.wire)


def _gone(session: Session, now: float) -> str:
    """Return why the player of a session without connection is taken for gone; empty: it is not."""
    if session.deserted(now):
        return "its ports refuse what is sent"
    return "no sign of life" if session.expired(now) else ""
