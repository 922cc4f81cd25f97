"""The loop and the network together: whoever connects does so from the host whose code runs."""

import asyncio
import random
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from bench.sim.hosts import End, Host
from bench.sim.loop import OWNER, VirtualLoop
from bench.sim.network import PORT, Network, Weather
from common.frame import FrameReader, Received
from common.ids import Address
from common.runtime.link import Link
from common.runtime.ports import OpenPort

AnyProtocol = TypeVar("AnyProtocol", bound=asyncio.BaseProtocol)

MOST_READ = 4096
"""Different chunks of which is known what was in them; then all are forgotten."""


class _SharedReader(FrameReader):
    """Reads what many nodes get, the same bytes, once for all of them: they share the packets."""

    __slots__ = ("_known",)

    def __init__(self, known: dict[bytes, Received]) -> None:
        super().__init__()
        self._known = known

    def feed(self, chunk: bytes) -> Received:
        if (received := self._known.get(chunk)) is not None and not self._rest:
            return received
        whole = not self._rest
        received = super().feed(chunk)
        if whole and received.packets and not self._rest:
            if len(self._known) >= MOST_READ:
                self._known.clear()
            self._known[chunk] = received
        return received


class _Listening(OpenPort):
    """The port of a host that listens."""

    def __init__(self, host: Host, port: int) -> None:
        super().__init__(port, (host.ip,), ())
        self._host = host

    async def close(self) -> None:
        self._host.listener = None


class HostLoop(VirtualLoop):
    """Loop, hosts and network of one run."""

    def __init__(self, seed: int, weather: Weather) -> None:
        super().__init__()
        self.rng = random.Random(seed)
        self.network = Network(self, self.rng, weather)
        self.by_name: dict[str, Host] = {}
        self._known: dict[bytes, Received] = {}

    def add_host(self, name: str, ip: str) -> Host:
        """Add a host."""
        host = self.by_name[name] = self.network.host(name, ip)
        return host

    async def create_connection(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.Protocol], host: str, port: int
    ) -> tuple[End, asyncio.Protocol]:
        factory = partial(self._made, protocol_factory)
        return await self.network.connect(host, factory, self.by_name[OWNER.get()])

    async def listen(self, factory: Callable[[], Link], address: Address) -> OpenPort:
        """Let the host whose code runs listen, as `common.runtime.ports.listen` does."""
        there = self.by_name[OWNER.get()]
        there.listener = partial(self._made, factory)
        return _Listening(there, address.port or PORT)

    def _made(self, factory: Callable[[], AnyProtocol]) -> AnyProtocol:
        """Return the protocol of a new connection; a link of the overlay shares what it reads."""
        protocol = factory()
        if isinstance(protocol, Link):
            protocol.new_reader = partial(_SharedReader, self._known)
        return protocol
