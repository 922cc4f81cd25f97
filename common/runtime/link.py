"""One TCP connection of the overlay: messages first, frames once it is a stripe link.

A link belongs to one handler at a time. Whatever the peer sends can at most end its own link: what
does not parse is answered with Refused while the link speaks messages, and closes it.
"""

import asyncio
import logging
import socket
from asyncio.staggered import staggered_race
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Protocol

from common.codec import MessageReader, encode_message
from common.errors import PeerError
from common.fields import MAX_SENTENCE
from common.frame import FrameReader, Received
from common.ids import Address
from common.messages import Message, Refused

log = logging.getLogger(__name__)

MAX_WAITING_BYTES = 4 << 20
"""Bytes of a link that may wait for a peer that does not read; beyond it the link ends."""
NOTSENT_LOWAT_BYTES = 64 << 10
"""Unsent bytes in the kernel, so that the backlog of a slow child is ours to skip."""
USER_TIMEOUT_MS = 10_000
"""Unacknowledged bytes end a link after this time (RFC 5482)."""
CONNECT_TIMEOUT = 3.0
HELD_UP = 0.15
"""Seconds between two ticks from which on this process was held up: it has not read its links."""
STAGGER = 0.25
"""Seconds after which the next address of a peer is tried beside the one before (RFC 8305, 5)."""
CLOSE_WITHIN = 1.0
"""Seconds that a peer may take to read what was written before its link was closed."""


class Handler(Protocol):
    """Who owns a link. A PeerError that a method raises ends the link."""

    def message(self, link: "Link", text: bytes) -> None:
        """Take the JSON text of one message."""

    def frames(self, link: "Link", received: Received) -> None:
        """Take what one read brought, once the link is binary."""

    def writable(self, link: "Link") -> None:
        """Note that all that was written has gone to the kernel."""

    def lost(self, link: "Link", reason: str) -> None:
        """Note that the link has ended, for `closed` or another reason; comes once."""


class Link(asyncio.Protocol):
    """A connection of the overlay, accepted or made."""

    # What is touched with each packet has slots, here and elsewhere. With many links the time goes
    # by waiting for memory, and a dictionary is one place more to wait for: an eighth in all.
    __slots__ = (
        "_closing", "_loop", "_messages", "_reader", "_transport", "_why", "closed", "fields",
        "handler", "heard", "local", "new_reader", "paused", "peer", "received_bytes", "sent_bytes",
    )  # fmt: skip

    def __init__(self, handler: Handler) -> None:
        """Give the link to its first handler."""
        self.handler = handler
        self.peer = Address("?", 0)
        self.local = Address("?", 0)
        self.paused = False
        """The kernel takes no more for now: write nothing until `writable`."""
        self.closed = False
        self.fields: Mapping[str, object] = {}
        """Channel, stripe and node that it belongs to, once that is known: for the log."""
        self._loop = asyncio.get_running_loop()
        self.heard = self._loop.time()
        """Loop time at which the peer was last heard."""
        self.received_bytes = self.sent_bytes = 0
        self._transport: asyncio.Transport | None = None
        self._messages = MessageReader()
        self._reader: FrameReader | None = None
        self.new_reader: Callable[[], FrameReader] = FrameReader
        """Makes the reader of a binary link: a simulator has one that shares what it has read."""
        self._why = "closed"
        self._closing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Conform to asyncio.Protocol."""
        self._transport = transport
        transport.set_write_buffer_limits(high=0)
        peer, local = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        if peer and local:
            self.peer, self.local = _address(peer), _address(local)
        if (sock := transport.get_extra_info("socket")) is not None:
            _tune(sock)

    def data_received(self, data: bytes) -> None:
        """Conform to asyncio.Protocol."""
        if self.closed:
            return
        self.heard = self._loop.time()
        self.received_bytes += len(data)
        try:
            if self._reader is None:
                self._messages.feed(data)
                data = self._read_messages()
            if data and self._reader is not None and not self.closed:
                self.handler.frames(self, self._reader.feed(data))
        except PeerError as error:
            self.refuse(error.reason, str(error))

    def _read_messages(self) -> bytes:
        """Hand out messages until the link turns binary; return the frames behind them."""
        while not self.closed and (text := self._messages.take()) is not None:
            self.handler.message(self, text)
            if self._reader is not None:
                return self._messages.rest()
        return b""

    def eof_received(self) -> bool:
        """Conform to asyncio.Protocol: a half-closed link is a closed one."""
        return False

    def pause_writing(self) -> None:
        """Conform to asyncio.Protocol."""
        self.paused = True
        if self._transport and self._transport.get_write_buffer_size() > MAX_WAITING_BYTES:
            self.abort("peer does not read")

    def resume_writing(self) -> None:
        """Conform to asyncio.Protocol."""
        self.paused = False
        if not self.closed:
            self.handler.writable(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Conform to asyncio.Protocol."""
        ended, self.closed = self.closed, True
        self._transport = None
        if self._closing is not None:
            self._closing.cancel()
        if exc is not None and not ended:
            self._why = "closed"
            log.debug("link with %s: %s", self.peer, exc, extra=self.fields)
        self.handler.lost(self, self._why)

    def begin_frames(self) -> None:
        """Turn binary: what comes from now on is frames."""
        self._reader = self.new_reader()

    def send(self, message: Message) -> None:
        """Write one message. On a closed link it goes nowhere: `lost` tells."""
        self.write(encode_message(message))

    def write(self, data: bytes) -> None:
        """Write frames."""
        if self._transport is None or self.closed:
            return
        self.sent_bytes += len(data)
        self._transport.write(data)
        if self.paused and self._transport.get_write_buffer_size() > MAX_WAITING_BYTES:
            self.abort("peer does not read")

    def refuse(
        self,
        reason: str,
        sentence: str,
        retry_after: float | None = None,
        *,
        level: int = logging.INFO,
    ) -> None:
        """Say no and close; on a binary link, close. `level` is that of the line in the log."""
        if self.closed:
            return
        self._tell_refusal(level, sentence, reason)
        if self._reader is None:
            self.send(
                Refused(reason=reason, sentence=sentence[:MAX_SENTENCE], retry_after=retry_after)
            )
        self.close(reason)

    def _tell_refusal(self, level: int, sentence: str, reason: str) -> None:
        told = self.peer, sentence, reason
        log.log(level, "link with %s refused: %s (%s)", *told, extra=self.fields)

    def close(self, reason: str = "closed") -> None:
        """Close after what was written has gone out, or cannot go out in time."""
        if self._transport is not None and not self.closed:
            self.closed, self._why = True, reason
            if self._end(self._transport):
                self._closing = self._loop.call_later(CLOSE_WITHIN, self.abort, reason)

    def _end(self, transport: asyncio.Transport) -> bool:
        """End the connection; return whether that may take a while."""
        transport.close()
        return transport.get_write_buffer_size() > 0

    def abort(self, reason: str) -> None:
        """Close at once; what was written and not sent is dropped."""
        if self._transport is not None:
            if not self.closed:
                self._why = reason
            self.closed = True
            self._transport.abort()


class Idle:
    """Handler of a link that nobody owns any more."""

    __slots__ = ()

    def message(self, link: Link, text: bytes) -> None:
        """Ignore it."""

    def frames(self, link: Link, received: Received) -> None:
        """Ignore them."""

    def writable(self, link: Link) -> None:
        """Ignore it."""

    def lost(self, link: Link, reason: str) -> None:
        """Ignore it."""


class Undecided(Idle):
    """Handler of a link that has still to say what it is: it has only so long."""

    __slots__ = ()


async def connect(address: Address, handler: Handler, *, within: float = CONNECT_TIMEOUT) -> Link:
    """Open a link. Raises OSError (TimeoutError among them)."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(within):
            _, link = await loop.create_connection(lambda: Link(handler), *address)
    except UnicodeError as error:  # a name that no resolver takes
        raise OSError(f"{address.host!r} is no host name") from error
    return link


async def connect_any(addresses: Sequence[Address], handler: Handler, *, within: float) -> Link:
    """Open a link to the first of a peer's addresses that answers.

    Raises OSError: of the first one if none does, TimeoutError after `within` seconds.
    """
    if len(addresses) == 1:
        return await connect(addresses[0], handler, within=within)
    tries = [partial(connect, one, Idle(), within=within) for one in addresses]
    link: Link | None
    async with asyncio.timeout(within):
        link, _, errors = await staggered_race(tries, STAGGER)
    if link is None or link.closed:
        failed = (one for one in errors if isinstance(one, OSError))
        raise next(failed, ConnectionError("no address"))
    link.handler = handler
    return link


def _tune(sock: socket.socket) -> None:
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, NOTSENT_LOWAT_BYTES)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, USER_TIMEOUT_MS)


def _address(name: tuple[str, int]) -> Address:
    host = name[0]
    return Address(host.removeprefix("::ffff:") if "." in host else host, name[1])
