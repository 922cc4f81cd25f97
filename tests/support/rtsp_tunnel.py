"""A scripted RTSP client whose requests go through HTTP."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from common.ids import Address
from tests.support.rtsp_dialogue import DEADLINE, Talk

MIME = "application/x-rtsp-tunnelled"
COOKIE = "9e26d33f2984236010ef6253fb1887f7"


def get(cookie: str = COOKIE, *headers: str, version: str = "HTTP/1.0") -> bytes:
    """Return a GET as players write it; without a cookie none is in it."""
    lines = [f"GET /cam {version}", *_cookie(cookie), f"Accept: {MIME}", "Pragma: no-cache"]
    return "\r\n".join([*lines, *headers, "", ""]).encode()


def post(cookie: str = COOKIE, *headers: str, version: str = "HTTP/1.0") -> bytes:
    """Return the head of a POST as players write it."""
    lines = [f"POST /cam {version}", *_cookie(cookie), f"Content-Type: {MIME}"]
    fiction = ("Content-Length: 32767", "Expires: Sun, 9 Jan 1972 00:00:00 GMT")
    return "\r\n".join([*lines, *fiction, *headers, "", ""]).encode()


def _cookie(cookie: str) -> list[str]:
    return [f"x-sessioncookie: {cookie}"] if cookie else []


class Post:
    """The connection that carries requests: nothing ever comes on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self.writer = reader, writer

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)

    async def wait_closed(self) -> bytes:
        """Return what came until the server closed it: nothing but a refusal of the POST."""
        async with asyncio.timeout(DEADLINE):
            with contextlib.suppress(ConnectionError):
                return await self._reader.read()
            return b""


@asynccontextmanager
async def opened_post(address: Address, head: bytes = b"") -> AsyncIterator[Post]:
    """Connect and send the head of a POST."""
    reader, writer = await asyncio.open_connection(*address)
    made = Post(reader, writer)
    made.send(head or post())
    try:
        yield made
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


class TunnelTalk(Talk):
    """`Talk` through HTTP: `open` first; what is sent goes through `through` in base64."""

    through: Post | None = None

    async def open(self, *headers: str, cookie: str = COOKIE) -> None:
        """Send the GET and take its answer."""
        self.writer.write(get(cookie, *headers))
        reply = await self.reply()
        assert (reply.status, reply.headers["content-type"]) == (200, MIME)
        assert "content-length" not in reply.headers

    def send(self, data: bytes) -> None:
        assert self.through is not None
        self.through.send(base64.b64encode(data))

    def send_raw(self, data: bytes) -> None:
        """Send bytes on the connection of the GET."""
        self.writer.write(data)
