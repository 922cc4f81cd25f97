"""Players over UDP whose packets the kernel stamps as they arrive: no scheduling in the figures."""

import select
import socket
import struct
import time
from collections.abc import Sequence
from contextlib import suppress

from bench.camera import stamp
from tests.support.rtsp_client import Media, Reply, RtspClient

_SO_TIMESTAMPNS = 35
"""socket(7); Python has no name for it."""
_TIMESPEC = struct.Struct("@qq")
_DATAGRAM_BYTES = 2048


class StampedPlayer(RtspClient):
    """Plays one channel of a camera of `bench`; `arrivals` is {time sent: time arrived}, in ns."""

    def __init__(self, url: str) -> None:
        super().__init__(url, lambda _kind, _is_rtcp, _data: None, transport="udp")
        self.arrivals: dict[int, int] = {}

    def setup(self, media: Media, header: str = "RTP/AVP") -> Reply:
        reply = super().setup(media, header)
        for sock in self._udp:
            sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
            sock.setblocking(False)
        return reply

    def play(self) -> None:
        """Begin."""
        for media in self.describe():
            self.setup(media)
        self.ask("PLAY", self.base)

    def take(self) -> None:
        """Note what has arrived."""
        for sock, (_, is_rtcp) in self._udp.items():
            with suppress(BlockingIOError):
                while True:
                    data, extra, _, _ = sock.recvmsg(_DATAGRAM_BYTES, 64)
                    if not is_rtcp:
                        seconds, nanoseconds = _TIMESPEC.unpack(extra[0][2])
                        self.arrivals[stamp(data)] = seconds * 10**9 + nanoseconds

    def _receive(self, timeout: float) -> None:
        ready, _, _ = select.select([self._in], [], [], timeout)
        if ready:
            self._buffer += self._in.recv(65536)


def watch(players: Sequence[StampedPlayer], seconds: float) -> None:
    """Let all of them take packets for some time, waking seldom: they share the cores."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.1)
        for player in players:
            player.take()
