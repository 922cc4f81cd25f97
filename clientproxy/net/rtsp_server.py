"""The RTSP server for players: listens, counts, and ends what it began."""

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable

from clientproxy.core.events import Channels
from clientproxy.core.session import SESSION_TIMEOUT
from clientproxy.core.tunnels import Tunnels
from clientproxy.net.rtsp.connection import Connection
from clientproxy.net.rtsp.delivery import Wire
from clientproxy.net.rtsp.dialogue import Dialogue, Ends
from clientproxy.net.rtsp.sessions import Sessions
from clientproxy.net.rtsp.stats import ServerStats
from clientproxy.net.rtsp.terms import Terms
from common.ids import Address, is_loopback
from common.rtsp.auth import Access, Guard, Nonces
from common.runtime.metrics import LoopLag
from common.runtime.ports import OpenPort, listen
from common.runtime.tasks import Tasks

log = logging.getLogger(__name__)

MAX_CONNECTIONS = 256
_TICK = 0.5
_IDLE_TIMEOUT = 2 * SESSION_TIMEOUT
"""Seconds after which a connection without session and request is closed."""
_CLOSE_TIMEOUT = 3.0


class RtspServer:
    """RTSP server: `start` it on each address, `close` it in the end."""

    def __init__(
        self,
        channels: Channels,
        tasks: Tasks,
        *,
        access: Callable[[], Access | None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        lag: LoopLag | None = None,
    ) -> None:
        """Take where feeds come from.

        `access` is asked at each connection whether its player has to know a password.
        """
        self._channels = channels
        self._tasks = tasks
        self._access = access
        self._nonces = Nonces(secrets.token_bytes(16))
        self._clock, self._lag = clock, LoopLag() if lag is None else lag
        self.beyond_loopback = False
        """It listens where other machines can reach it."""
        self._tunnels: Tunnels[Connection] = Tunnels()
        self._sessions = Sessions(clock, self._end_wire)
        self._ports: list[OpenPort] = []
        self._connections: set[Connection] = set()
        self._serving: set[asyncio.Task[None]] = set()
        self._ticker: asyncio.Task[None] | None = None

    @property
    def stats(self) -> ServerStats:
        """Counts since the start."""
        return self._sessions.stats

    @property
    def sessions(self) -> list[dict[str, object]]:
        """What each player's session does, as the status API shows it."""
        return [player.detail() for player in self._sessions]

    async def start(self, address: Address) -> Address:
        """Listen, on one more address at the second call; return it with the port that was taken.

        Raises OSError.
        """
        port = await listen(self._connection, address)
        self._ports.append(port)
        self.beyond_loopback |= not all(map(is_loopback, port.hosts))
        if self._ticker is None:
            self._ticker = self._tasks.spawn(self._tick(), name="rtsp-sessions")
        return Address(address.host, port.number)

    async def close(self) -> None:
        """Say goodbye to every player, close everything; nothing is left after that."""
        for port in self._ports:
            await port.close()
        for player in self._sessions:
            with self._lag.part(player.fields):
                self._sessions.drop(player, goodbye=True)
        for connection in list(self._connections):
            connection.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_TIMEOUT):
                for connection in list(self._connections):
                    await connection.lost.wait()
        ending = [*self._serving, *([self._ticker] if self._ticker else [])]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    def _connection(self) -> Connection:
        return Connection(self._sessions, self._tunnels, self._dialogue, self._opened, self._lost)

    def _dialogue(self, connection: Connection, ends: Ends) -> Dialogue:
        access = self._access()
        guard = None if access is None else Guard(access, self._nonces)
        terms = Terms(guard)
        return Dialogue(self._channels, self._sessions, terms, connection, ends)

    def _opened(self, connection: Connection) -> None:
        self._connections.add(connection)
        self.stats.connections = len(self._connections)
        if len(self._connections) > MAX_CONNECTIONS:
            self.stats.connections_refused += 1
            connection.refuse()
            return
        task = self._tasks.spawn(connection.serve(), name="rtsp-connection")
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    def _lost(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self.stats.connections = len(self._connections)

    def _end_wire(self, wire: Wire) -> None:
        """Close a connection whose last stream has ended: some players notice nothing else."""
        if not self._sessions.on_wire(wire):
            for connection in list(self._connections):
                if connection is wire:
                    connection.close()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            with self._lag.part({}):
                self._expire()

    def _expire(self) -> None:
        for session in self._sessions:
            with self._lag.part(session.fields):
                self._sessions.look_at(session)
        now = self._clock()
        for half in self._tunnels.expired(now):
            half.close()
        for connection in list(self._connections):
            player = self._tunnels.get_of(connection) or connection
            idle = now - player.last_request > _IDLE_TIMEOUT
            if idle and not self._sessions.belong_to(player):
                connection.close()
