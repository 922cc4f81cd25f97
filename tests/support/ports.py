"""Free ports for programs that cannot choose one themselves."""

import random
import socket
from contextlib import ExitStack


def free_port(host: str = "127.0.0.1") -> int:
    """Return a TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def udp_pair(host: str = "127.0.0.1") -> tuple[socket.socket, socket.socket]:
    """Two bound UDP sockets on an even port and the next one, for RTP and RTCP."""
    for _ in range(200):
        port = random.randrange(10000, 30000) * 2
        with ExitStack() as undo:
            rtp = undo.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            rtcp = undo.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            try:
                rtp.bind((host, port))
                rtcp.bind((host, port + 1))
            except OSError:
                continue
            undo.pop_all()
            rtp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
            return rtp, rtcp
    raise OSError("no free pair of UDP ports")
