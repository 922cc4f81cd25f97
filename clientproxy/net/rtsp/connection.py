"""One RTSP connection: bytes in, answers and interleaved packets out.

RTSP over HTTP is two of them. The one of the GET is the player's connection, whose requests come in
through the one of the POST: that has no dialogue of its own, and is read only as fast as the other
answers.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from types import MappingProxyType
from typing import TYPE_CHECKING

from clientproxy.net.rtsp.dialogue import Dialogue, Ends
from clientproxy.net.rtsp.sessions import Sessions
from common import rtcp
from common.errors import RtspError
from common.ids import Address
from common.rtsp import tunnel
from common.rtsp.messages import HTTP, Interleaved, Message, Request, Response
from common.rtsp.parser import MessageReader

if TYPE_CHECKING:
    from clientproxy.core.tunnels import Tunnels

log = logging.getLogger(__name__)

WRITE_BUFFER_BYTES = 64 * 1024
_OPTIONS = MappingProxyType(
    {
        "TCP_NOTSENT_LOWAT": 64 * 1024,
        "TCP_KEEPIDLE": 30,
        "TCP_KEEPINTVL": 10,
        "TCP_KEEPCNT": 3,
    }
)
"""TCP options that not every platform has: bytes that the kernel holds unsent, seconds, tries."""
_UNREAD_BYTES = 4 * WRITE_BUFFER_BYTES
"""A peer that leaves more than this unread gets no further answers."""
_CLOSE_TIMEOUT = 2.0
"""Seconds that a peer has to read what is left once its connection is closed."""

MakeDialogue = Callable[["Connection", Ends], Dialogue]


class Connection(asyncio.Protocol):
    """A player's connection: the wire of the sessions that it sets up (`delivery.Wire`)."""

    def __init__(
        self,
        sessions: Sessions,
        tunnels: "Tunnels[Connection]",
        make_dialogue: MakeDialogue,
        on_open: Callable[["Connection"], None],
        on_lost: Callable[["Connection"], None],
    ) -> None:
        """Take who answers, and who is told of the connection's beginning and end."""
        self.lost = asyncio.Event()
        self._sessions = sessions
        self._tunnels = tunnels
        self._make_dialogue = make_dialogue
        self._on_open = on_open
        self._on_lost = on_lost
        self._readers = [MessageReader()]
        """Of what comes here, and of what comes through the POST of a tunnel."""
        self._begun = False
        """There was a message."""
        self._post: Connection | None = None
        self._is_post = False
        self._take: Callable[[bytes], None] = self._readers[0].feed
        self._arrived = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._eof = False
        self._ends: Ends | None = None
        self._transport: asyncio.Transport | None = None
        self._abort: asyncio.TimerHandle | None = None
        self.last_request = sessions.clock()

    @property
    def open(self) -> bool:
        """Whether the connection stands."""
        return self._transport is not None

    @property
    def _fields(self) -> dict[str, object]:
        """Who is at the other end, for the log."""
        return {} if self._ends is None else {"peer": str(Address(*self._ends.peer[:2]))}

    @property
    def congested(self) -> bool:
        """Whether the peer reads too slowly for more."""
        return not self._writable.is_set()

    def connection_made(  # uvloop's transports are no asyncio.Transport by isinstance
        self,
        transport: asyncio.Transport,  # type: ignore[override]
    ) -> None:
        """Begin (asyncio)."""
        self._transport = transport
        transport.set_write_buffer_limits(high=WRITE_BUFFER_BYTES)
        local, peer = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
        sock = transport.get_extra_info("socket")
        if peer is None or sock is None:
            transport.abort()
            return
        _set_options(sock)
        self._ends = Ends(local, peer)
        self._on_open(self)

    def data_received(self, data: bytes) -> None:
        """Take bytes; no more are read until these are handled (asyncio)."""
        if self._transport is not None:
            self._transport.pause_reading()
        self._take(data)
        self._arrived.set()

    def eof_received(self) -> bool:
        """Answer what was asked before the end, then close (asyncio)."""
        self._eof = True
        self._arrived.set()
        return not self._is_post

    def pause_writing(self) -> None:
        """Leave packets in the outboxes (asyncio)."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Send what waits in the outboxes (asyncio)."""
        self._writable.set()
        for player in self._sessions.on_wire(self):
            player.pump()

    def connection_lost(self, exc: Exception | None) -> None:
        """End with the sessions that need the connection (asyncio)."""
        if self._abort is not None:
            self._abort.cancel()
        self._transport = None
        self._eof = True
        self._writable.set()
        self._arrived.set()
        self.lost.set()
        self._sessions.wire_lost(self)
        if (post := self._tunnels.lost(self)) is not None:
            post.close()
        self._on_lost(self)

    def write(self, data: bytes) -> None:
        """Send bytes; where the connection is gone they are lost."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """Close once what was written has gone out, or after a while."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.close()
            loop = asyncio.get_running_loop()
            self._abort = loop.call_later(_CLOSE_TIMEOUT, self._transport.abort)

    def refuse(self) -> None:
        """Answer 503 to whatever comes, and close: too many connections."""
        self.write(Response(503, (("Connection", "close"),)).encode(None))
        self.close()

    async def serve(self) -> None:
        """Answer requests, one after the other, until the connection ends."""
        if self._ends is None:
            return
        dialogue = self._make_dialogue(self, self._ends)
        try:
            while await self._next(dialogue):
                pass
        except RtspError as error:
            log.info("connection ended: %s", error, extra=self._fields)
            self.write(Response(error.status, (("Connection", "close"),)).encode(None))
        finally:
            self.close()

    async def _next(self, dialogue: Dialogue) -> bool:
        """Handle one message or wait for one; return whether the connection goes on."""
        message = self._message()
        if message is None:
            if self._eof:
                return False
            self._arrived.clear()
            self.read_on()
            await self._arrived.wait()
            return True
        first, self._begun = not self._begun, True
        if isinstance(message, Interleaved):
            self._sessions.stats.receiver_reports += rtcp.is_valid(message.payload)
        elif isinstance(message, Request):
            self.last_request = self._sessions.clock()
            if message.version.startswith(HTTP):
                return await self._half(message, dialogue, first=first)
            return await self._answer(message, dialogue)
        return True

    def _message(self) -> Message | None:
        found = (reader.next_message() for reader in self._readers)
        return next((message for message in found if message is not None), None)

    async def _answer(self, request: Request, dialogue: Dialogue) -> bool:
        if self._transport and self._transport.get_write_buffer_size() > _UNREAD_BYTES:
            await self._writable.wait()
        answer = await dialogue.answer(request)
        self.write(answer.response)
        if answer.starts is not None:
            answer.starts.pump()
        return not answer.last

    # --- RTSP over HTTP

    async def _half(self, request: Request, dialogue: Dialogue, *, first: bool) -> bool:
        """Be one half of a tunnel; return whether the connection goes on by itself."""
        if not first:
            raise RtspError(400, "HTTP in the midst of RTSP")
        try:
            name = tunnel.cookie(request)
            if request.method == "POST":
                self._become_post(name)
                await self.lost.wait()
                return False
            post = self._tunnels.opened(name, self, self._sessions.clock())
        except RtspError as error:
            log.info("tunnel refused: %s", error, extra=self._fields)
            self.write(tunnel.refusal(error.status))
            return False
        dialogue.through_http(request)
        self.write(tunnel.ACCEPTED)
        self._readers.append(MessageReader())
        if post is not None:
            self.take_from(post)
        return True

    def _become_post(self, name: str) -> None:
        """Carry the requests of a GET, at once or once that is there."""
        get, before = self._tunnels.posted(name, self, self._sessions.clock())
        self._is_post = True
        if before is not None:
            before.close()
        if get is not None:
            get.take_from(self)

    def take_from(self, post: "Connection") -> None:
        """Read the requests that a POST carries from now on."""
        reader, unwrapper = self._readers[1], tunnel.Unwrapper()

        def take(data: bytes) -> None:
            try:
                reader.feed(unwrapper.feed(data))
            except RtspError as error:
                log.info("tunnel ended: %s", error, extra=self._fields)
                self.write(Response(error.status, (("Connection", "close"),)).encode(None))
                self.close()
            self._arrived.set()

        self._post = post
        take(post.give_to(take))

    def give_to(self, take: Callable[[bytes], None]) -> bytes:
        """Let another connection take what comes; return what has come already."""
        self._take = take
        return self._readers[0].rest()

    def read_on(self) -> None:
        """Let more come in, here and through the POST."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
        if self._post is not None:
            self._post.read_on()


def _set_options(sock: socket.socket) -> None:
    """Keep a slow player's backlog in our outbox, where it can be skipped; notice dead hosts."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _OPTIONS.items():
        if (option := getattr(socket, name, None)) is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
