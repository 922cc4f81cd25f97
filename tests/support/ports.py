"""Free ports for programs that cannot choose one themselves."""

import random
import socket
from contextlib import ExitStack, suppress


def free_port(host: str = "127.0.0.1") -> int:
    """Return a TCP port that was free a moment ago.

    It is none of those that the kernel gives to outgoing connections (32768 and up), which the
    tests beside this one open all the time.
    """
    for _ in range(200):
        port = random.randrange(10000, 30000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind((host, port))
            return port
    raise OSError("no free TCP port")


def has_ipv6() -> bool:
    """Say whether this machine has an IPv6 loopback."""
    with suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True
    return False


def udp_pair(host: str = "127.0.0.1") -> tuple[socket.socket, socket.socket]:
    """Two bound UDP sockets on an even port and the next one, for RTP and RTCP."""
    for _ in range(200):
        port = random.randrange(5000, 15000) * 2
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
