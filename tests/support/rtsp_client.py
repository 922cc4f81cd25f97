"""A small blocking RTSP client: UDP, interleaved and through the HTTP tunnel. It hides nothing."""

import base64
import random
import re
import select
import socket
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Self
from urllib.parse import urlsplit

from tests.support.ports import udp_pair
from tests.support.processes import BenchError

Transport = Literal["udp", "tcp", "http"]
Sink = Callable[[str, bool, bytes], None]
"""Called with track (media type), whether it is RTCP, and the packet."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Status, headers with lower-case names, body."""

    status: int
    headers: Mapping[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class Media:
    """One m= section: its type and the URL for SETUP."""

    kind: str
    url: str


class ClosedError(BenchError):
    """The server closed the connection."""


class RtspClient:
    """One connection. `request` answers; packets that come meanwhile go to `sink`."""

    def __init__(
        self,
        url: str,
        sink: Sink,
        *,
        transport: Transport = "tcp",
        cseq: int = 1,
        patience: float = 10.0,
    ) -> None:
        self.url, self.sink, self.transport, self.patience = url, sink, transport, patience
        self.agent = "stripecast-bench"
        self.session = ""
        self.session_header = ""
        self.base = url
        self._cseq = cseq - 1
        self._buffer = bytearray()
        self._channels: dict[int, tuple[str, bool]] = {}
        self._udp: dict[socket.socket, tuple[str, bool]] = {}
        self.server_ports: dict[socket.socket, int] = {}
        parts = urlsplit(url)
        self.host, self.port, self._path = (
            parts.hostname or "",
            parts.port or 554,
            parts.path or "/",
        )
        self._in = self._out = self._connected()
        if transport == "http":
            self._open_tunnel()

    def _connected(self) -> socket.socket:
        link = socket.create_connection((self.host, self.port), 10)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return link

    def _open_tunnel(self) -> None:
        mime = "application/x-rtsp-tunnelled"
        head = f"x-sessioncookie: {random.getrandbits(64):016x}\r\nPragma: no-cache\r\n"
        self._in.sendall(f"GET {self._path} HTTP/1.0\r\n{head}Accept: {mime}\r\n\r\n".encode())
        while b"\r\n\r\n" not in self._buffer:
            self._receive(5)
        status, _, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        if b" 200 " not in status.splitlines()[0] + b" ":
            raise BenchError(f"tunnel refused: {status!r}")
        self._buffer = bytearray(rest)
        self._out = self._connected()
        head += f"Content-Type: {mime}\r\nContent-Length: 32767\r\n"
        expires = "Expires: Sun, 9 Jan 1972 00:00:00 GMT\r\n\r\n"
        self._out.sendall(f"POST {self._path} HTTP/1.0\r\n{head}{expires}".encode())

    def _send(self, data: bytes) -> None:
        self._out.sendall(base64.b64encode(data) if self.transport == "http" else data)

    def send_request(self, method: str, url: str, headers: Mapping[str, str] | None = None) -> None:
        """Send without waiting for the answer (a TEARDOWN as players do it)."""
        self._cseq += 1
        lines = {"CSeq": str(self._cseq), "User-Agent": self.agent, **(headers or {})}
        if self.session:
            lines["Session"] = self.session
        text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._send(f"{method} {url} RTSP/1.0\r\n{text}\r\n".encode())

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> Reply:
        """Send and wait for the answer, whatever its status, for `patience` seconds by default."""
        self.send_request(method, url, headers)
        timeout = self.patience if timeout is None else timeout
        end = time.monotonic() + timeout
        while True:
            if reply := self._reply():
                return reply
            if time.monotonic() > end:
                raise BenchError(f"no answer to {method} in {timeout} s")
            self._receive(max(0.0, end - time.monotonic()))

    def ask(self, method: str, url: str, headers: Mapping[str, str] | None = None) -> Reply:
        """`request`, but anything other than 200 is an error."""
        reply = self.request(method, url, headers)
        if reply.status != 200:
            raise BenchError(f"{method} {url}: {reply.status}")
        return reply

    def describe(self) -> list[Media]:
        """DESCRIBE; the media in the order of the SDP."""
        reply = self.ask("DESCRIBE", self.url, {"Accept": "application/sdp"})
        self.base = reply.headers.get("content-base", self.url)
        found = re.findall(r"^m=(\w+)(.*?)(?=^m=|\Z)", reply.body, re.MULTILINE | re.DOTALL)
        found_media: list[Media] = []
        for kind, lines in found:
            control = re.search(r"^a=control:(\S+)", lines, re.MULTILINE)
            name = control.group(1) if control else ""
            url = name if "://" in name else f"{self.base.rstrip('/')}/{name}"
            found_media.append(Media(kind, url))
        return found_media

    def setup(self, media: Media, header: str = "RTP/AVP") -> Reply:
        """Set up one media; `header` begins the Transport value for UDP."""
        if self.transport == "udp":
            rtp, rtcp = udp_pair("" if self.host != "127.0.0.1" else "127.0.0.1")
            self._udp |= {rtp: (media.kind, False), rtcp: (media.kind, True)}
            port: int = rtp.getsockname()[1]
            wish = f"{header};unicast;client_port={port}-{port + 1}"
            reply = self.ask("SETUP", media.url, {"Transport": wish})
            answer = re.search(r"server_port=(\d+)-(\d+)", reply.headers["transport"])
            if answer:
                self.server_ports |= {rtp: int(answer[1]), rtcp: int(answer[2])}
        else:
            number = len(self._channels)
            wish = f"RTP/AVP/TCP;unicast;interleaved={number}-{number + 1}"
            reply = self.ask("SETUP", media.url, {"Transport": wish})
            given = re.search(r"interleaved=(\d+)", reply.headers["transport"])
            first = int(given[1]) if given else number
            self._channels |= {first: (media.kind, False), first + 1: (media.kind, True)}
        self.session_header = reply.headers.get("session", "")
        self.session = self.session_header.split(";")[0].strip()
        return reply

    def send_rtcp(self, kind: str, packet: bytes) -> None:
        """Send RTCP for a track the way its transport wants."""
        if self.transport == "udp":
            for sock, what in self._udp.items():
                if what == (kind, True) and sock in self.server_ports:
                    sock.sendto(packet, (self.host, self.server_ports[sock]))
        else:
            channel = next(n for n, what in self._channels.items() if what == (kind, True))
            self._send(b"$" + bytes([channel]) + len(packet).to_bytes(2, "big") + packet)

    def punch(self, payload: bytes) -> None:
        """Send `payload` from every UDP socket to its peer: what players do to open a NAT."""
        for sock, port in self.server_ports.items():
            sock.sendto(payload, (self.host, port))

    def poll(self, timeout: float) -> None:
        """Take what comes within `timeout`; replies without a waiting request are dropped."""
        self._receive(timeout)
        while self._reply():
            pass

    def _receive(self, timeout: float) -> None:
        poll = select.poll()  # select() takes no descriptor above 1,023: a crowd has more
        sockets = {sock.fileno(): sock for sock in (self._in, *self._udp)}
        for number in sockets:
            poll.register(number, select.POLLIN)
        for sock in [sockets[number] for number, _ in poll.poll(max(0.0, timeout) * 1000)]:
            data = sock.recv(262144)
            if sock is not self._in:
                self.sink(*self._udp[sock], data)
            elif not data:
                raise ClosedError(f"{self.url}: the server closed the connection")
            else:
                self._buffer += data

    def _frames(self) -> None:
        """Hand out the interleaved frames at the head of the buffer."""
        at, view = 0, self._buffer
        while len(view) >= at + 4 and view[at] == 0x24:
            end = at + 4 + int.from_bytes(view[at + 2 : at + 4], "big")
            if len(view) < end:
                break
            if view[at + 1] not in self._channels:
                raise BenchError(f"a frame on channel {view[at + 1]}, which nobody set up")
            self.sink(*self._channels[view[at + 1]], bytes(view[at + 4 : end]))
            at = end
        del self._buffer[:at]

    def _reply(self) -> Reply | None:
        self._frames()
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0 or not self._buffer.startswith(b"RTSP/"):
            return None
        lines = bytes(self._buffer[:end]).decode("latin-1").split("\r\n")
        pairs = (line.partition(":") for line in lines[1:])
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        total = end + 4 + int(headers.get("content-length", "0"))
        if len(self._buffer) < total:
            return None
        body = bytes(self._buffer[end + 4 : total]).decode("utf-8", "replace")
        del self._buffer[:total]
        return Reply(int(lines[0].split()[1]), headers, body)

    def close(self) -> None:
        for sock in {self._in, self._out, *self._udp}:
            sock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
