"""How packets reach a player: interleaved on its RTSP connection, or over UDP.

Neither way ever waits: what cannot go now stays in the session's outbox (TCP) or is dropped and
counted (UDP), so that no player holds back another.
"""

import asyncio
import contextlib
import errno
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from clientproxy.core.outbox import Outbox
from clientproxy.core.playout import Outgoing
from clientproxy.net.rtsp.refusals import refusals, tell_refusals
from clientproxy.net.rtsp.stats import ServerStats
from common import rtcp, rtp
from common.rtsp.messages import DOLLAR

SocketAddress = tuple[str, int] | tuple[str, int, int, int]

_FRAME_HEAD = struct.Struct("!BBH")
_MAX_FRAME_BYTES = 0xFFFF
_WRITE_BYTES = 64 * 1024
_UDP_BURST_GAP = 0.004
"""Seconds between two bursts of datagrams."""
_UDP_BURST_BYTES = 16 * 1024
"""Least size of a burst: 32 Mbit/s, which a player's default receive buffer takes for 60 ms."""
_UDP_CLEAR_TIME = 0.25
"""Seconds in which all that waits is to be sent, where that takes larger bursts."""
_UDP_LAST_BYTES = 256 * 1024
_PORT_TRIES = 32
_DATAGRAM_BYTES = 2048
_DATAGRAMS_PER_WAKE_UP = 64


class Wire(Protocol):
    """The RTSP connection that carries interleaved packets."""

    @property
    def open(self) -> bool:
        """Whether the connection stands."""

    @property
    def congested(self) -> bool:
        """Whether its peer reads too slowly for more."""

    def write(self, data: bytes) -> None:
        """Send bytes; where the connection is gone they are lost."""


class Path(Protocol):
    """The way to one player."""

    def pump(self, outbox: Outbox) -> None:
        """Send what waits, as far as that can be done now."""

    def finish(self, outbox: Outbox, last: Sequence[tuple[int, bytes]]) -> None:
        """Send the rest, then one RTCP packet per track."""

    def close(self) -> None:
        """Free what it holds. Nothing is sent any more."""


class InterleavedPath:
    """Packets as binary frames on the RTSP connection (RFC 2326, 10.12)."""

    def __init__(
        self, wire: Wire, channels: Mapping[int, tuple[int, int]], stats: ServerStats
    ) -> None:
        """Take the channel pair of each track."""
        self._wire: Wire | None = wire
        self._channels = dict(channels)
        self._stats = stats

    def pump(self, outbox: Outbox) -> None:
        """Send what waits, as far as that can be done now."""
        while self._wire is not None and len(outbox) and not self._wire.congested:
            self._wire.write(self._frames(outbox.take(_WRITE_BYTES)))

    def finish(self, outbox: Outbox, last: Sequence[tuple[int, bytes]]) -> None:
        """Send the rest, then one RTCP packet per track."""
        if self._wire is None:
            return
        while len(outbox):
            self._wire.write(self._frames(outbox.take(_WRITE_BYTES)))
        for track, payload in last:
            head = _FRAME_HEAD.pack(DOLLAR, self._channels[track][1], len(payload))
            self._wire.write(head + payload)

    def close(self) -> None:
        """Free what it holds. Nothing is sent any more."""
        self._wire = None

    def _frames(self, items: Sequence[Outgoing]) -> bytes:
        parts: list[bytes] = []
        pack, channels = _FRAME_HEAD.pack, self._channels
        for track, is_rtcp, payload, _ in items:
            if len(payload) <= _MAX_FRAME_BYTES:
                parts.append(pack(DOLLAR, channels[track][is_rtcp], len(payload)))
                parts.append(payload)
        self._stats.packets_sent += len(parts) // 2
        return b"".join(parts)


class UdpPath:
    """Packets as datagrams from one port pair, which is shared by all tracks of the session."""

    def __init__(
        self,
        local: SocketAddress,
        peer: SocketAddress,
        stats: ServerStats,
        on_rtcp: Callable[[], None],
        on_refused: Callable[[int], None],
    ) -> None:
        """Open the pair on the address of the RTSP connection. Raises OSError.

        `on_refused` is told the track whose port has refused a packet, where the system says so.
        """
        self._loop = asyncio.get_running_loop()
        self._stats = stats
        self._on_rtcp, self._on_refused = on_rtcp, on_refused
        self._peer = peer
        self._ports: dict[int, tuple[SocketAddress, SocketAddress]] = {}
        self._resume: asyncio.TimerHandle | None = None
        self._rtp, self._rtcp = _open_pair(local)
        tell_refusals(self._rtp)
        self._loop.add_reader(self._rtp, self._drain, self._rtp)
        self._loop.add_reader(self._rtcp, self._drain, self._rtcp)

    @property
    def server_ports(self) -> tuple[int, int]:
        """Our ports for RTP and RTCP."""
        return self._rtp.getsockname()[1], self._rtcp.getsockname()[1]

    def add_track(self, track: int, ports: tuple[int, int]) -> None:
        """Send a track to these ports of the player."""
        self._ports[track] = (_with_port(self._peer, ports[0]), _with_port(self._peer, ports[1]))

    def pump(self, outbox: Outbox) -> None:
        """Send what waits, as far as that can be done now."""
        if self._resume is not None or not len(outbox):
            return
        due = int(outbox.waiting_bytes * _UDP_BURST_GAP / _UDP_CLEAR_TIME)
        self._send(outbox.take(max(_UDP_BURST_BYTES, due)))
        if len(outbox):
            self._resume = self._loop.call_later(_UDP_BURST_GAP, self._continue, outbox)

    def finish(self, outbox: Outbox, last: Sequence[tuple[int, bytes]]) -> None:
        """Send the rest, then one RTCP packet per track."""
        self._send(outbox.take(_UDP_LAST_BYTES))
        for track, payload in last:
            self._send_one(self._rtcp, payload, self._ports[track][1])

    def close(self) -> None:
        """Free what it holds. Nothing is sent any more."""
        if self._resume is not None:
            self._resume.cancel()
        for sock in (self._rtp, self._rtcp):
            self._loop.remove_reader(sock)
            sock.close()

    def _continue(self, outbox: Outbox) -> None:
        self._resume = None
        self.pump(outbox)

    def _send(self, items: Sequence[Outgoing]) -> None:
        for track, is_rtcp, payload, _ in items:
            self._send_one(
                self._rtcp if is_rtcp else self._rtp, payload, self._ports[track][is_rtcp]
            )

    def _send_one(self, sock: socket.socket, payload: bytes, address: SocketAddress) -> None:
        try:
            try:
                sock.sendto(payload, address)
            except ConnectionRefusedError:  # of an earlier packet: this one has not been sent
                sock.sendto(payload, address)
        except OSError:
            self._stats.packets_dropped += 1
        else:
            self._stats.packets_sent += 1

    def _drain(self, sock: socket.socket) -> None:
        """Read what the player sends: reports show that it lives; hole punching is ignored."""
        for port in refusals(sock):
            for track in [one for one, (to, _) in self._ports.items() if to[1] == port]:
                self._on_refused(track)
        for _ in range(_DATAGRAMS_PER_WAKE_UP):
            try:
                datagram, (host, *_rest) = sock.recvfrom(_DATAGRAM_BYTES)
            except ConnectionRefusedError:
                continue
            except OSError:
                return
            if host == self._peer[0] and rtp.is_rtcp(datagram) and rtcp.is_valid(datagram):
                self._stats.receiver_reports += 1
                self._on_rtcp()


def _with_port(address: SocketAddress, port: int) -> SocketAddress:
    if len(address) == 4:  # noqa: PLR2004 - IPv6: flow and scope stay
        return (address[0], port, address[2], address[3])
    return (address[0], port)


def _open_pair(local: SocketAddress) -> tuple[socket.socket, socket.socket]:
    """Bind an even port for RTP and the next one for RTCP (RFC 3550, 11)."""
    for _ in range(_PORT_TRIES):
        first = _bind(_with_port(local, 0))
        port = first.getsockname()[1]
        even = port % 2 == 0
        with contextlib.suppress(OSError, OverflowError):
            second = _bind(_with_port(local, port + 1 if even else port - 1))
            return (first, second) if even else (second, first)
        first.close()
    raise OSError(errno.EADDRINUSE, "no free pair of UDP ports")


def _bind(address: SocketAddress) -> socket.socket:
    family = socket.AF_INET if len(address) == 2 else socket.AF_INET6  # noqa: PLR2004
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.bind(address)
    except BaseException:
        sock.close()
        raise
    return sock
