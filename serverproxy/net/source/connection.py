"""aiortsp's connection with its sharp edges covered (reference: libraries.md, sections 2 and 3).

What this keeps of aiortsp: connecting, CSeq bookkeeping, sending requests, parsing messages. What
it replaces: splitting the byte stream (bounded, linear, tolerant), authentication, answers to the
server's own requests, and telling of a lost connection.
"""

import asyncio
import contextlib
import logging
import secrets
import ssl
from collections.abc import Callable, Iterator
from typing import Final

from aiortsp.rtsp.auth import Auth
from aiortsp.rtsp.connection import RTSPConnection
from aiortsp.rtsp.errors import RTSPConnectionError, RTSPError
from aiortsp.rtsp.parser import RTSPRequest, RTSPResponse

from common.errors import PeerError, SourceError
from serverproxy.core.authorization import Challenge, Credentials, authorize, choose
from serverproxy.core.interleaved import BadRtspError, InterleavedReader
from serverproxy.core.rtspurl import SourceUrl
from serverproxy.net.source.tls import check_fingerprint

_QUIET = logging.getLogger("aiortsp.source")
_QUIET.setLevel(logging.CRITICAL + 1)
# aiortsp logs requests with their Authorization at DEBUG, and peers' bytes at ERROR
_ENDING = ("TEARDOWN", "REDIRECT", "ANNOUNCE")
_HARMLESS = ("OPTIONS", "GET_PARAMETER", "SET_PARAMETER")
_FIRST_FINAL_STATUS = 200
_MOST_UNSENT_BYTES = 256 * 1024


def header(message: RTSPRequest | RTSPResponse, name: str) -> str:
    """Return a header, the first if it came several times, empty if it did not come."""
    value = message.headers.get(name, "")
    return value[0] if isinstance(value, list) else value


def _cancellations() -> int:
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


@contextlib.contextmanager
def _cancellation_wins() -> Iterator[None]:
    """Raise CancelledError at the end where the task was cancelled meanwhile, whatever came of it.

    aiortsp waits by `asyncio.wait_for`, which before Python 3.12 returns the result or raises the
    error, and forgets the cancellation, if both come at the same turn of the loop.
    """
    before = _cancellations()
    try:
        yield
    finally:
        if _cancellations() > before:
            raise asyncio.CancelledError


class _Authorization(Auth):
    """Answers the challenge that was chosen, one try per challenge of the server."""

    def __init__(self, credentials: Credentials, challenge: Challenge) -> None:
        super().__init__(max_retry=1)
        self._credentials, self._challenge, self._count = credentials, challenge, 0

    def renew(self, challenge: Challenge) -> bool:
        self.retry_count += 1
        self._challenge, self._count = challenge, 0
        return self.retry_count <= self.max_retry

    def make_auth(self, method: str, url: str, headers: dict[str, str]) -> None:
        self._count += 1
        headers["Authorization"] = authorize(
            self._challenge, self._credentials, (method, url), self._count, secrets.token_hex(8)
        )


class SourceConnection(RTSPConnection):
    """One RTSP connection to a source, with the packets that are interleaved on it."""

    def __init__(
        self,
        url: SourceUrl,
        credentials: Credentials | None,
        *,
        tls: ssl.SSLContext | None,
        timeout: float,
        on_lost: Callable[[str], None],
    ) -> None:
        """Take where to connect to; `on_lost` is told once why the connection ended."""
        super().__init__(url.host, url.port, logger=_QUIET, ssl=tls, timeout=timeout)
        self._credentials = credentials
        self._authorization: _Authorization | None = None
        self._on_lost = on_lost
        self._reader = InterleavedReader()
        self._why = ""
        self.on_batch: Callable[[], None] = lambda: None
        """Called after all packets of one read have gone to their handlers."""
        self.stray: int = 0
        """Packets of channels that nobody asked for."""
        self.gone: Final = asyncio.get_running_loop().create_future()
        """Done when the transport has ended."""
        self.result.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def connect(self) -> None:
        """Connect, as `prepare` does; a cancellation is never swallowed."""
        with _cancellation_wins():
            await self.prepare()

    async def request(self, method: str, url: str, headers: dict[str, str]) -> RTSPResponse:
        """Send a request, as `send_request` does; a cancellation is never swallowed."""
        with _cancellation_wins():
            return await self.send_request(method, url, headers)

    def verify(self, fingerprint: str | None) -> None:
        """Check the certificate's fingerprint, if one is asked for; raises SourceError."""
        if fingerprint is not None:
            tls = self._transport.get_extra_info("ssl_object") if self._transport else None
            check_fingerprint(tls, fingerprint)

    def endpoint(self, which: str) -> tuple[str, int, int, int]:
        """Return `peername` or `sockname` as host, port, flow and scope (0 with IPv4)."""
        name = self._transport.get_extra_info(which) if self._transport else None
        if not isinstance(name, tuple):
            raise SourceError("the connection was closed")
        host, port, *rest = name
        flow, scope = rest or (0, 0)
        return str(host), int(port), int(flow), int(scope)

    def abort(self) -> None:
        """End the connection at once."""
        if self._transport:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Conform to asyncio.Protocol."""
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what is pending and tell why."""
        super().connection_lost(exc)
        if not self.gone.done():
            self.gone.set_result(None)
        self._on_lost(self._why or f"the source closed the connection{f' ({exc})' if exc else ''}")

    def data_received(self, data: bytes) -> None:
        """Hand packets and messages to those who wait for them."""
        try:
            pieces = self._reader.feed(data)
            for channel, payload in pieces:
                if channel is None:
                    self._message(payload)
                elif (handler := self.binary_handlers.get(channel)) is not None:
                    handler(payload)
                else:
                    self.stray += 1
        except PeerError as error:
            self._fail(error)
        self.on_batch()

    @property
    def junk_bytes(self) -> int:
        """Bytes between packets that were skipped."""
        return self._reader.junk_bytes

    def on_request(self, request: RTSPRequest) -> None:
        """Answer the server's own request; some of them end the pull."""
        if request.method in _HARMLESS:
            self.send_response(request, 200, "OK", {"Public": ", ".join(_HARMLESS)})
        elif request.method in _ENDING:
            self.send_response(request, 200, "OK")
            self._why = f"the source sent {request.method}"
            self.close()
        else:
            self.send_response(request, 501, "Not Implemented")

    def send_message(
        self, msg: str, cseq: int, headers: dict[str, str], body: bytes | None = None
    ) -> None:
        """Send, or fail at once if the connection is gone: aiortsp would wait for an answer."""
        if not self._transport:
            raise RTSPConnectionError("the connection is closed")
        super().send_message(msg, cseq, headers, body)

    def send_packet(self, channel: int, packet: bytes) -> None:
        """Send an interleaved packet, unless the source does not read what we send."""
        if self._transport and self._transport.get_write_buffer_size() < _MOST_UNSENT_BYTES:
            self.send_binary(channel, packet)

    def handle_401(self, resp: RTSPResponse) -> bool:
        """Choose how to authenticate; tell whether another try makes sense."""
        offers = resp.headers.get("www-authenticate", [])
        challenge = choose([offers] if isinstance(offers, str) else offers)
        if challenge is None or self._credentials is None:
            return False
        if self._authorization is None:
            self._authorization = _Authorization(self._credentials, challenge)
            self._auth = self._authorization
        return self._authorization.renew(challenge)

    def _message(self, data: bytes) -> None:
        try:
            messages = list(self.parser.parse(data))
        except (ValueError, AssertionError, TypeError, RTSPError) as error:
            raise BadRtspError("an unreadable RTSP message") from error
        for message in messages:
            if message.type == "response":
                self._response(message)
            elif message.type == "request":
                self.on_request(message)

    def _response(self, response: RTSPResponse) -> None:
        if response.status < _FIRST_FINAL_STATUS:
            return  # 100 Continue: the answer follows
        pending = self.active_requests
        # a few cameras leave CSeq out: with one request under way there is no doubt
        numbers = [*pending] if response.cseq < 0 and len(pending) == 1 else [response.cseq]
        for number in numbers:
            if (waiting := pending.get(number)) is not None and not waiting.done():
                waiting.set_result(response)

    def _fail(self, error: PeerError) -> None:
        self._why = str(error)
        if not self.result.done():
            failure = RTSPConnectionError(str(error))
            failure.__cause__ = error
            self.result.set_exception(failure)
        self.abort()
