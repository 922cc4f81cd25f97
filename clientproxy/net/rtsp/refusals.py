"""What the system knows of datagrams that were refused: Linux's error queue (ip(7), IP_RECVERR).

On other systems nothing is told, and a session ends by its timeout.
"""

import contextlib
import errno
import socket
import struct

_QUEUE = getattr(socket, "MSG_ERRQUEUE", None)
_OPTIONS = {
    socket.AF_INET: (socket.IPPROTO_IP, 11),
    socket.AF_INET6: (socket.IPPROTO_IPV6, 25),
}
"""IP_RECVERR and IPV6_RECVERR: level and number; Python has no names for them."""
_MOST_AT_ONCE = 64
_ANCILLARY_BYTES = 512
_ERRNO = struct.Struct("=I")
"""The first field of `sock_extended_err`."""


def tell_refusals(sock: socket.socket) -> None:
    """Let the system keep what ICMP says of datagrams that this socket has sent."""
    if _QUEUE is not None:
        with contextlib.suppress(OSError):
            sock.setsockopt(*_OPTIONS[sock.family], 1)


def refusals(sock: socket.socket) -> list[int]:
    """Return the ports that have refused a datagram, each once for each refusal.

    Empties the queue: what waits there makes a socket readable.
    """
    ports: list[int] = []
    if _QUEUE is None:
        return ports
    for _ in range(_MOST_AT_ONCE):
        try:
            _, ancillary, _, to = sock.recvmsg(1, _ANCILLARY_BYTES, _QUEUE)
        except OSError:
            break
        if any(_is_refusal(sock, *one) for one in ancillary):
            ports.append(to[1])
    return ports


def _is_refusal(sock: socket.socket, level: int, kind: int, data: bytes) -> bool:
    asked = (level, kind) == _OPTIONS[sock.family]
    return asked and _ERRNO.unpack_from(data)[0] == errno.ECONNREFUSED
