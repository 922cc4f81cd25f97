"""The pair of UDP sockets that one medium comes in on (RFC 3550, 11: even port RTP, odd RTCP)."""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Callable

from common.errors import SourceError

_RECEIVE_BUFFER_BYTES = 4 << 20
_MOST_PER_WAKE_UP = 64
_MOST_DATAGRAM_BYTES = 65_536
_TRIES = 64
_OPEN_RTP = b"\x80" + bytes(11)
_OPEN_RTCP = b"\x80\xc9\x00\x01" + bytes(4)
"""First packets out: they open the way in through a NAT or firewall, as other clients do."""


class UdpPair:
    """Two sockets beside the RTSP connection: its family, its local address, its peer only."""

    def __init__(
        self,
        local: tuple[str, int, int, int],
        peer: tuple[str, int, int, int],
        *,
        on_packet: Callable[[bytes], None],
        on_foreign: Callable[[], None],
        on_batch: Callable[[], None],
    ) -> None:
        """Take the end points of the RTSP connection as host, port, flow and scope."""
        self._family = socket.AF_INET6 if ":" in peer[0] else socket.AF_INET
        self._peer = peer
        self._allowed = {peer[0]}
        self._on_packet, self._on_foreign, self._on_batch = on_packet, on_foreign, on_batch
        self._loop = asyncio.get_running_loop()
        self._rtcp_port: int | None = None
        self._sockets = self._bind(local)
        for one in self._sockets:
            one.setblocking(False)
            with contextlib.suppress(OSError):
                one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
            self._loop.add_reader(one, self._read, one)

    @property
    def ports(self) -> tuple[int, int]:
        """The ports of RTP and RTCP."""
        rtp, rtcp = self._sockets
        return rtp.getsockname()[1], rtcp.getsockname()[1]

    def open(self, server_ports: tuple[int, int] | None, source: str) -> None:
        """Open the way for the server's packets; `source` is another address of theirs."""
        with contextlib.suppress(ValueError):
            self._allowed.add(str(ipaddress.ip_address(source)))
        if server_ports is None:
            return
        self._rtcp_port = server_ports[1]
        rtp, _ = self._sockets
        self._send(rtp, _OPEN_RTP, server_ports[0])
        self.send_rtcp(_OPEN_RTCP)

    def send_rtcp(self, packet: bytes) -> None:
        """Send a report to the server; what the network refuses is gone, as UDP is."""
        if self._rtcp_port is not None:
            self._send(self._sockets[1], packet, self._rtcp_port)

    def close(self) -> None:
        """Close both sockets."""
        for one in self._sockets:
            self._loop.remove_reader(one)
            one.close()

    def _bind(self, local: tuple[str, int, int, int]) -> tuple[socket.socket, socket.socket]:
        for _ in range(_TRIES):
            rtp = socket.socket(self._family, socket.SOCK_DGRAM)
            rtcp = socket.socket(self._family, socket.SOCK_DGRAM)
            try:
                rtp.bind(self._address(local, 0))
                port = rtp.getsockname()[1]
                if port % 2 == 0:
                    rtcp.bind(self._address(local, port + 1))
                    return rtp, rtcp
            except OSError:
                pass  # the odd port is somebody else's: try another pair
            rtp.close()
            rtcp.close()
        raise SourceError("no pair of free UDP ports: set transport to tcp")

    def _address(
        self, place: tuple[str, int, int, int], port: int
    ) -> tuple[str, int] | tuple[str, int, int, int]:
        host, _, flow, scope = place
        return (host, port, flow, scope) if self._family == socket.AF_INET6 else (host, port)

    def _send(self, one: socket.socket, packet: bytes, port: int) -> None:
        with contextlib.suppress(OSError):
            one.sendto(packet, self._address(self._peer, port))

    def _read(self, one: socket.socket) -> None:
        for _ in range(_MOST_PER_WAKE_UP):
            try:
                packet, address = one.recvfrom(_MOST_DATAGRAM_BYTES)
            except BlockingIOError:
                break
            except OSError:
                continue  # an ICMP error of an earlier send: the socket lives on
            if address[0].partition("%")[0] in self._allowed:
                self._on_packet(packet)
            else:
                self._on_foreign()
        self._on_batch()
