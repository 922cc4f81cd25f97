"""An RTSP server that answers as a test tells it to, and who watches what a source makes of it."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from common import rtp
from serverproxy.core.events import SourceDescription, SourcePacket
from tests.support.ports import udp_pair
from tests.support.rtp_packets import rtp_packet

SECONDS = 20.0
"""Most that a test waits for anything: ten times what it takes."""
VIDEO = "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track0\r\n"
AUDIO = "m=audio 0 RTP/AVP 97\r\na=rtpmap:97 OPUS/48000/2\r\na=control:track1\r\n"
SDP = f"v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=scripted\r\nt=0 0\r\n{VIDEO}{AUDIO}"


@dataclass(frozen=True, slots=True)
class Request:
    """What the source asked, and on which connection."""

    method: str
    url: str
    headers: dict[str, str]
    writer: asyncio.StreamWriter = field(repr=False)

    def reply(self, status: str = "200 OK", body: bytes = b"", **headers: str) -> bytes:
        """Answer this request; `_` in a header's name stands for `-`."""
        lines = [f"RTSP/1.0 {status}", f"CSeq: {self.headers['cseq']}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        return "\r\n".join([*lines, "", ""]).encode() + body


Answer = Callable[[Request], bytes | None]
"""Bytes to send as the answer; None: stay silent."""


def packet(number: int, *, ssrc: int = 1, timestamp: int = 0) -> bytes:
    """Return an RTP packet."""
    return rtp_packet(rtp.Header(False, 96, number & 0xFFFF, timestamp, ssrc), b"payload")


def frame(channel: int, data: bytes) -> bytes:
    """Return an interleaved packet."""
    return bytes([0x24, channel]) + len(data).to_bytes(2) + data


class ScriptedServer:
    """Answers OPTIONS, DESCRIBE, SETUP (TCP and UDP), PLAY, GET_PARAMETER and TEARDOWN by itself.

    `answers` overrides that per method; `requests` and `packets` hold what came.
    """

    def __init__(self, **answers: Answer) -> None:
        self.answers: dict[str, Answer] = answers
        self.sdp = SDP.encode()
        self.requests: list[Request] = []
        self.packets: list[tuple[int, bytes]] = []
        """Interleaved packets of the source: channel and bytes."""
        self.plays = 0
        self.connections = 0
        self.port = 0
        self.host = "127.0.0.1"
        self.udp = udp_pair()
        self.client_ports: list[tuple[int, int]] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self._playing: asyncio.StreamWriter | None = None
        self._changed = asyncio.Event()

    @property
    def url(self) -> str:
        return f"rtsp://{self.host}:{self.port}/live"

    def asked(self, method: str) -> list[Request]:
        """Return the requests of one method."""
        return [request for request in self.requests if request.method == method]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds; looked at whenever something comes."""
        async with asyncio.timeout(SECONDS):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def played(self, times: int = 1) -> None:
        """Wait until PLAY has been answered that often."""
        await self.until(lambda: self.plays >= times)

    async def send(self, data: bytes) -> None:
        """Send bytes on the connection that plays."""
        assert self._playing is not None
        self._playing.write(data)
        await self._playing.drain()

    def send_udp(self, track: int, data: bytes, *, rtcp: bool = False) -> None:
        """Send a datagram to where the source wants that track."""
        self.udp[rtcp].sendto(data, ("127.0.0.1", self.client_ports[track][rtcp]))

    def hang_up(self) -> None:
        """Close all connections."""
        for writer in self._writers:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            while (request := await self._read(reader, writer)) is not None:
                self.requests.append(request)
                answer = self.answers.get(request.method, self._default)(request)
                if answer is not None:
                    writer.write(answer)
                if request.method == "PLAY" and answer is not None and b" 200 " in answer[:20]:
                    self._playing = writer
                    self.plays += 1
                self._changed.set()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
            self._changed.set()

    async def _read(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Request | None:
        while (first := await reader.readexactly(1)) == b"$":
            head = await reader.readexactly(3)
            self.packets.append((head[0], await reader.readexactly(int.from_bytes(head[1:]))))
            self._changed.set()
        text = (first + await reader.readuntil(b"\r\n\r\n")).decode()
        start, *lines = text.strip().split("\r\n")
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        if start.startswith("RTSP/"):
            self.requests.append(Request("answer", start, headers, writer))
            self._changed.set()
            return await self._read(reader, writer)
        method, url, _ = start.split(" ")
        return Request(method, url, headers, writer)

    def _default(self, request: Request) -> bytes:
        return self.usual(request)

    def usual(self, request: Request) -> bytes:
        """Answer as a common server does."""
        match request.method:
            case "OPTIONS":
                return request.reply(Public="DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN")
            case "DESCRIBE":
                return request.reply(
                    body=self.sdp, Content_Type="application/sdp", Content_Base=request.url + "/"
                )
            case "SETUP":
                return request.reply(Session="17;timeout=60", Transport=self.transport(request))
            case _:
                return request.reply(Session="17")

    def transport(self, request: Request) -> str:
        """Return the Transport header of the answer to SETUP."""
        asked = request.headers["transport"]
        if "client_port=" not in asked:
            return asked
        first, _, second = asked.partition("client_port=")[2].partition("-")
        self.client_ports.append((int(first), int(second)))
        ports = [one.getsockname()[1] for one in self.udp]
        return f"{asked};server_port={ports[0]}-{ports[1]}"


@asynccontextmanager
async def serving(
    server: ScriptedServer, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[ScriptedServer]:
    """Let a server listen; close its connections at the end."""
    listener = await asyncio.start_server(server.serve, host, 0, ssl=tls)
    server.host = f"[{host}]" if ":" in host else host
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        server.hang_up()
        await asyncio.sleep(0)
        await listener.wait_closed()
        for one in server.udp:
            one.close()


class Watcher:
    """A SourceSink that keeps all that it is told."""

    def __init__(self) -> None:
        self.ups: list[SourceDescription] = []
        self.downs: list[str] = []
        self.packets: list[SourcePacket] = []
        self.batches: list[int] = []
        self._changed = asyncio.Event()

    def source_up(self, description: SourceDescription) -> None:
        self.ups.append(description)
        self._changed.set()

    def source_packets(self, packets: Sequence[SourcePacket]) -> None:
        self.packets += packets
        self.batches.append(len(packets))
        self._changed.set()

    def source_down(self, reason: str) -> None:
        self.downs.append(reason)
        self._changed.set()

    def numbers(self, track: int = 0) -> list[int]:
        """Return the RTP numbers of one track, in order."""
        return [
            rtp.sequence(one.payload) for one in self.packets if one.track == track and not one.rtcp
        ]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until the condition holds; looked at whenever the source tells something."""
        async with asyncio.timeout(SECONDS):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def running(run: Callable[[], Awaitable[None]]) -> AsyncIterator[asyncio.Task[None]]:
    """Run a source; cancel it at the end and see that it ends."""

    async def work() -> None:
        await run()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(work())
        try:
            yield task
        finally:
            task.cancel()
