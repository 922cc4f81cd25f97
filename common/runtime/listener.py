"""The overlay port of a daemon: takes links, each of which must soon say what it is."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from common.fewlines import FewLines
from common.ids import Address
from common.runtime import ports
from common.runtime.link import CLOSE_WITHIN, Handler, Idle, Link, Undecided
from common.runtime.ports import OpenPort

FIRST_MESSAGE_TIMEOUT = 5.0
"""Seconds that a new link may take to say what it is."""
MAX_LINKS = 4096
"""Links of one listener; beyond it new ones are closed at once."""
MOST_REFUSALS = 10
"""Lines about refused links of one host within `REFUSALS_WITHIN`; then the 100th, 1000th …"""
REFUSALS_WITHIN = 60.0
_LOOK_EVERY = 0.02


class Listener:
    """The overlay port of a daemon: each accepted link is `first`'s until it says what it is."""

    def __init__(
        self,
        first: Callable[[], Handler],
        listen: Callable[[Callable[[], Link], Address], Awaitable[OpenPort]] = ports.listen,
    ) -> None:
        """Take a function that makes the first handler of each link, and how to listen."""
        self._first, self._listen = first, listen
        self._links: set[Link] = set()
        self._port: OpenPort | None = None
        self._refusals = FewLines(REFUSALS_WITHIN)

    async def start(self, address: Address) -> Address:
        """Listen, on all addresses if the host is empty. Raises OSError. Returns the real port."""
        self._port = await self._listen(self._accept, address)
        return Address(address.host or "0.0.0.0", self._port.number)  # noqa: S104 - asked for

    async def close(self) -> None:
        """Accept no more and end all accepted links."""
        if self._port is not None:
            await self._port.close()
        for link in list(self._links):
            link.close()
        for _ in range(int(CLOSE_WITHIN / _LOOK_EVERY) + 2):
            if not self._links:
                break
            await asyncio.sleep(_LOOK_EVERY)

    def _accept(self) -> Link:
        return _Accepted(self._first(), self._links, self._refusals)


class _Accepted(Link):
    """A link that must soon say what it is; its peer hears the last word."""

    __slots__ = ("_first", "_links", "_refusals", "_timer")

    def __init__(self, handler: Handler, links: set[Link], refusals: FewLines) -> None:
        super().__init__(handler)
        self._links, self._first, self._refusals = links, handler, refusals
        self._timer = self._loop.call_later(FIRST_MESSAGE_TIMEOUT, self._late)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._links.add(self)
        if len(self._links) > MAX_LINKS:
            self.abort("too many links")

    def _tell_refusal(self, level: int, sentence: str, reason: str) -> None:
        if level >= logging.INFO:
            host = self.peer.host
            count = self._refusals.count(host, self._loop.time())
            if count > MOST_REFUSALS and str(count).strip("0") != "1":
                return
            if count >= MOST_REFUSALS:
                reason += f"; {count} of {host} within a minute, the {10 * count}th is told next"
        super()._tell_refusal(level, sentence, reason)

    def _end(self, transport: asyncio.Transport) -> bool:
        """Let the peer close first: it may be writing, and is told by then why this one ends.

        Bytes that come for a closed socket are answered with a reset (RFC 9293, 3.6.1), and that
        overtakes the last word. Who owns the link hears of its end as ever.
        """
        unsent = transport.get_write_buffer_size()
        if transport.is_closing() or unsent or not transport.can_write_eof():
            return super()._end(transport)
        try:
            transport.write_eof()
        except OSError:  # it was reset just now
            return super()._end(transport)
        owner, self.handler = self.handler, Idle()
        self._loop.call_soon(owner.lost, self, self._why)
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        self._links.discard(self)
        super().connection_lost(exc)

    def _late(self) -> None:
        if self.handler is self._first or isinstance(self.handler, Undecided):
            self.refuse("bad_request", "no message came")
