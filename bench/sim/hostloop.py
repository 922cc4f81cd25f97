"""The loop and the network together: whoever connects does so from the host whose code runs."""

import asyncio
import random
from collections.abc import Callable

from bench.sim.hosts import End, Host
from bench.sim.loop import OWNER, VirtualLoop
from bench.sim.network import PORT, Network, Weather


class _Listening:
    """What `create_server` returns: as much of an asyncio.Server as a Listener needs."""

    def __init__(self, host: Host, port: int) -> None:
        self.sockets, self._host, self._port = (self,), host, port

    def getsockname(self) -> tuple[str, int]:
        return self._host.ip, self._port

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        self._host.listener = None


class HostLoop(VirtualLoop):
    """Loop, hosts and network of one run."""

    def __init__(self, seed: int, weather: Weather) -> None:
        super().__init__()
        self.rng = random.Random(seed)
        self.network = Network(self, self.rng, weather)
        self.by_name: dict[str, Host] = {}

    def add_host(self, name: str, ip: str) -> Host:
        """Add a host."""
        host = self.by_name[name] = self.network.host(name, ip)
        return host

    async def create_connection(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.Protocol], host: str, port: int
    ) -> tuple[End, asyncio.Protocol]:
        return await self.network.connect(host, protocol_factory, self.by_name[OWNER.get()])

    async def create_server(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str,
        port: int,
        *,
        backlog: int = 100,
    ) -> _Listening:
        there = self.by_name[OWNER.get()]
        there.listener = protocol_factory
        return _Listening(there, port or PORT)

    def remove_reader(self, fd: object) -> bool:
        return False
