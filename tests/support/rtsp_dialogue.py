"""A scripted RTSP client on one connection: says what a test writes, keeps all that comes."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import NamedTuple, Self

from common.ids import Address

DEADLINE = 20.0
"""Seconds that a test waits for what should come at once."""


async def until(condition: Callable[[], bool]) -> None:
    """Return once a condition holds that no event tells."""
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def ask_without_reading(stalled: "Talk", other: "Talk", answered: Callable[[], int]) -> None:
    """Ask more than kernel buffers hold answers to, and read none of them until the end.

    The server has to stop answering `stalled` before the last one, to go on answering `other`,
    and to answer all in the end. `answered`: how many DESCRIBE the server has answered.
    """
    asked, before = 1000, -1
    for cseq in range(asked):
        stalled.send(f"DESCRIBE {stalled.base}/cam RTSP/1.0\r\nCSeq: {cseq}\r\n\r\n".encode())
    while (now := answered()) > before:
        before = now
        await asyncio.sleep(0.3)
    assert 0 < before < asked
    assert (await other.ask("OPTIONS", "*")).status == 200
    stalled.go_on_reading()
    for _ in range(asked):
        assert (await stalled.reply()).status == 200


class Reply(NamedTuple):
    """A response; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: str
    reason: str = ""

    @property
    def session(self) -> str:
        return self.headers["session"].partition(";")[0]


class Frame(NamedTuple):
    """An interleaved packet."""

    channel: int
    payload: bytes


@dataclass
class Talk:
    """One connection; `async with Talk(address)`."""

    address: Address
    host: str = "127.0.0.1"
    frames: list[Frame] = field(default_factory=list)
    cseq: int = 1
    closed: bool = False

    @property
    def base(self) -> str:
        return f"rtsp://{Address(self.host, self.address.port)}"

    async def __aenter__(self) -> Self:
        self.reader, self.writer = await asyncio.open_connection(self.host, self.address.port)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def ask(self, method: str, path: str, *headers: str, version: str = "RTSP/1.0") -> Reply:
        """Send a request with the next CSeq; return its response, which must echo it."""
        url = path if path == "*" or "://" in path else self.base + path
        lines = [f"{method} {url} {version}", f"CSeq: {self.cseq}", *headers]
        self.send("\r\n".join([*lines, "", ""]).encode())
        reply = await self.reply()
        assert reply.headers["cseq"] == str(self.cseq)
        self.cseq += 1
        return reply

    async def reply(self) -> Reply:
        """Return the next response; frames before it are kept."""
        while (message := await self._next()) is not None:
            if isinstance(message, Reply):
                return message
        raise ConnectionError("closed by the server")

    async def wait_frames(self, count: int) -> list[Frame]:
        """Return all frames so far once there are that many."""
        while len(self.frames) < count:
            if await self._next() is None:
                raise ConnectionError("closed by the server")
        return self.frames

    async def wait_closed(self) -> None:
        """Return when the server has closed the connection; frames before that are kept."""
        while await self._next() is not None:
            pass

    def stop_reading(self) -> None:
        """Leave what comes in the kernel's buffer, as a player that hangs."""
        self._set_reading(on=False)

    def go_on_reading(self) -> None:
        """Read again."""
        self._set_reading(on=True)

    def _set_reading(self, *, on: bool) -> None:
        transport = self.writer.transport
        assert isinstance(transport, asyncio.Transport)
        if on:
            transport.resume_reading()
        else:
            transport.pause_reading()

    async def _next(self) -> Reply | Frame | None:
        async with asyncio.timeout(DEADLINE):
            try:
                first = await self.reader.readexactly(1)
                return await (self._frame() if first == b"$" else self._response(first))
            except (asyncio.IncompleteReadError, ConnectionError):
                self.closed = True
                return None

    async def _frame(self) -> Frame:
        head = await self.reader.readexactly(3)
        frame = Frame(head[0], await self.reader.readexactly(int.from_bytes(head[1:])))
        self.frames.append(frame)
        return frame

    async def _response(self, first: bytes) -> Reply:
        head = first + await self.reader.readuntil(b"\r\n\r\n")
        line, *fields = head.decode().strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (f.partition(": ") for f in fields)}
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        _, status, reason = line.split(" ", 2)
        return Reply(int(status), headers, body.decode(), reason)


class Datagrams:
    """A UDP socket that keeps what comes."""

    def __init__(self, host: str) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.got: list[bytes] = []
        self._more = asyncio.Event()
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind((host, 0))
        asyncio.get_running_loop().add_reader(self._socket, self._read)

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    def send(self, data: bytes, address: tuple[str, int]) -> None:
        self._socket.sendto(data, address)

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()

    async def wait(self, count: int) -> list[bytes]:
        """Return all datagrams so far once there are that many."""
        async with asyncio.timeout(DEADLINE):
            while len(self.got) < count:
                self._more.clear()
                await self._more.wait()
        return self.got

    def _read(self) -> None:
        # All that is there: asyncio's own datagram endpoints take one at each turn of the loop.
        with contextlib.suppress(BlockingIOError):
            while True:
                self.got.append(self._socket.recv(65_536))
                self._more.set()


@dataclass
class UdpEnd:
    """The player's port pair of one track."""

    host: str = "127.0.0.1"

    async def __aenter__(self) -> Self:
        self.rtp, self.rtcp = Datagrams(self.host), Datagrams(self.host)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close both ports, as the end of a process does."""
        self.rtp.close()
        self.rtcp.close()

    @property
    def transport(self) -> str:
        return f"Transport: RTP/AVP;unicast;client_port={self.rtp.port}-{self.rtcp.port}"
