"""The connections of the HTTP side: so many and no more, and none that never asks."""

import asyncio
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler

MAX_CONNECTIONS = 256
"""HTTP connections that one daemon has at the same time; further ones are closed at once."""
ASKS_WITHIN = 10.0
"""Seconds that a connection has for its first request, and an action for its body."""
IDLE_TIMEOUT = 75.0
"""Seconds after which a connection is closed that asks for nothing more."""


class Connections:
    """All of one server: what makes the protocol of a new one."""

    def __init__(self) -> None:
        self.count = 0
        self._silent: set[object] = set()

    def factory(self, make: Callable[[], asyncio.Protocol]) -> Callable[[], asyncio.Protocol]:
        """Return what makes a bounded protocol around each that `make` makes."""
        return lambda: _Connection(self, make())

    @web.middleware
    async def spoken(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Keep the connection of a request that has come."""
        self._silent.discard(request.protocol)
        return await handler(request)

    def is_silent(self, protocol: object) -> bool:
        """Return whether no request has come yet."""
        return protocol in self._silent

    def opened(self, protocol: object) -> bool:
        """Count one more, if there is room."""
        if self.count >= MAX_CONNECTIONS:
            return False
        self.count += 1
        self._silent.add(protocol)
        return True

    def lost(self, protocol: object) -> None:
        """Count one less."""
        self.count -= 1
        self._silent.discard(protocol)


class _Connection(asyncio.Protocol):
    """Passes everything on to aiohttp's protocol, unless there are too many."""

    def __init__(self, every: Connections, inner: asyncio.Protocol) -> None:
        self._every, self._inner = every, inner
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self._every.opened(self._inner):
            transport.close()
            return
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(ASKS_WITHIN, self._close_silent, transport)
        self._inner.connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._every.lost(self._inner)
            self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._timer is not None:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def _close_silent(self, transport: asyncio.BaseTransport) -> None:
        if self._every.is_silent(self._inner):
            transport.close()
