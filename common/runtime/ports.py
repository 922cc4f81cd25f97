"""Ports that a daemon listens at: one number at every address that a host stands for."""

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from common.ids import Address

BACKLOG = 1024
"""Connections that wait to be accepted."""
MAX_TRIES = 8
"""Free ports that are tried for port 0, since one may be taken for IPv6 alone."""
_NOT_HERE = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})
"""What a machine without IPv4, or without IPv6, says of its addresses."""


class OpenPort:
    """A port that is listened at."""

    def __init__(
        self, number: int, hosts: Sequence[str], servers: Sequence[asyncio.Server]
    ) -> None:
        """Take its number, the addresses of this machine that it is open at, and who listens."""
        self.number, self.hosts, self._servers = number, hosts, servers

    async def close(self) -> None:
        """Listen no more; connections that are there stay. Closing again changes nothing."""
        servers, self._servers = self._servers, ()
        for server in servers:
            for sock in server.sockets:
                # What is being accepted comes first: a server that is closed by then drops it
                # with an error and leaves its socket open.
                asyncio.get_running_loop().remove_reader(sock.fileno())
        if servers:
            await asyncio.sleep(0)
        for server in servers:
            server.close()


async def listen(factory: Callable[[], asyncio.BaseProtocol], address: Address) -> OpenPort:
    """Listen at every address that the host stands for; an empty one stands for all.

    A family that this machine lacks is left out. A port that is taken for one family is taken: who
    comes over that family would reach somebody else. Raises OSError.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(
        address.host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    places = [(family, where) for family, _, _, _, where in dict.fromkeys(found)]
    with ExitStack() as held:
        sockets = [held.enter_context(sock) for sock in _bind(places, address.port)]
        servers = [await loop.create_server(factory, sock=one, backlog=BACKLOG) for one in sockets]
        names = [sock.getsockname() for sock in sockets]
        held.pop_all()
    return OpenPort(int(names[0][1]), [str(name[0]) for name in names], servers)


_Place = tuple[socket.AddressFamily, tuple[object, ...]]


def _bind(places: Sequence[_Place], port: int) -> list[socket.socket]:
    """Return a listening socket for each place, all on the same port."""
    for _ in range(0 if port else MAX_TRIES - 1):
        try:
            return _bind_once(places, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    return _bind_once(places, port)


def _bind_once(places: Sequence[_Place], port: int) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    fault = OSError(errno.EADDRNOTAVAIL, "no such address here")
    with ExitStack() as held:
        for family, where in places:
            try:
                sock = held.enter_context(_socket(family, (where[0], port, *where[2:])))
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
                fault = error
                continue
            sockets.append(sock)
            port = sock.getsockname()[1]
        if not sockets:
            raise fault
        held.pop_all()
    return sockets


def _socket(family: socket.AddressFamily, where: tuple[object, ...]) -> socket.socket:
    with ExitStack() as held:
        sock = held.enter_context(socket.socket(family))
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(where)
        sock.listen(BACKLOG)
        held.pop_all()
    return sock
