"""Hosts, and the two sides of a TCP connection, as asyncio's transports."""

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from typing import Final, Protocol

from bench.sim.loop import OWNER, VirtualLoop

KERNEL_BYTES: Final = 128 << 10
"""Bytes of one direction that the kernels take before the writer is told to wait."""


class Wire(Protocol):
    """What carries the bytes of connections: the network."""

    loop: VirtualLoop

    def carry(self, end: "End", data: bytes | None) -> None:
        """Take bytes, or the end of the link, to the other side."""

    def changed(self, host: "Host") -> None:
        """Tell that a host has a link more or less."""


def is_message(data: bytes | bytearray | memoryview) -> bool:
    """Whether a control message begins here: five digits and a newline (design, section 4)."""
    return data[5:6] == b"\n" and bytes(data[:5]).isdigit()


class Host:
    """A computer with one daemon."""

    __slots__ = (
        "_loop", "access", "busy_until", "context", "counted", "downlink", "ends", "full_until",
        "ip", "listener", "messages", "name", "rate", "reachable", "state",
    )  # fmt: skip

    def __init__(self, loop: VirtualLoop, name: str, ip: str, access: float) -> None:
        self.name, self.ip, self.access = name, ip, access
        self.counted = False
        """Control messages to and from it are counted in `messages`."""
        self.messages = 0
        self.listener: Callable[[], asyncio.BaseProtocol] | None = None
        self.reachable = True
        """Others can connect to it (no NAT)."""
        self.rate: float | None = None
        """Bytes a second that it can send; None: any number."""
        self.downlink: float | None = None
        """Bytes a second that it can receive."""
        self.busy_until = self.full_until = 0.0
        """Until when its uplink, and its downlink, has something to do."""
        self.ends: dict[End, None] = {}
        self.state = "up"
        """`up`, `stopped`, `killed` or `vanished`."""
        self.context = copy_context()
        self.context.run(OWNER.set, name)
        self._loop = loop

    @property
    def is_there(self) -> bool:
        """Its kernel answers."""
        return self.state in {"up", "stopped"}

    def run(self, do: Callable[[], object]) -> None:
        """Run the daemon's code as soon as the loop runs."""
        self._loop.call_soon(do, context=self.context)


class End(asyncio.Transport):
    """One side of a connection."""

    __slots__ = (
        "_network", "arrives_at", "ended", "held", "held_since", "host", "paused", "peer",
        "protocol", "unread",
    )  # fmt: skip

    peer: "End"

    def __init__(self, network: Wire, host: Host, ports: tuple[int, int], far: Host) -> None:
        super().__init__({"sockname": (host.ip, ports[0]), "peername": (far.ip, ports[1])})
        self.protocol: asyncio.Protocol = asyncio.Protocol()
        self.host, self.held_since = host, 0.0
        self.arrives_at = 0.0
        """Arrival time of what was sent last."""
        self.held: list[bytes | None] | None = None
        """What waits for a cut to be mended; None at the end of the list: the end of the link."""
        self.ended = False
        self.unread = 0
        """Bytes written that the other side has not taken yet."""
        self.paused = False
        """The protocol was told to write nothing more for now."""
        self._network = network

    # --- asyncio.Transport

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self.ended:
            return
        self.unread += len(data)
        if self.host.counted and is_message(data):
            self.host.messages += 1
        self._network.carry(self, bytes(data))
        if self.unread > KERNEL_BYTES and not self.paused:
            self.paused = True
            self.protocol.pause_writing()

    def close(self) -> None:
        if not self.ended:
            self._network.carry(self, None)
            self.finish(None)

    abort = close

    def is_closing(self) -> bool:
        return self.ended

    def can_write_eof(self) -> bool:
        return False  # nothing that was sent is overtaken here

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def get_write_buffer_size(self) -> int:
        return 0 if self.ended else max(0, self.unread - KERNEL_BYTES)

    # --- the network

    def finish(self, error: Exception | None) -> None:
        """End this side; the protocol is told soon."""
        self.ended = True
        self.host.ends.pop(self, None)
        self._network.changed(self.host)
        self._network.loop.call_soon(
            self.protocol.connection_lost, error, context=self.host.context
        )

    def arrive(self, data: bytes | None) -> None:
        """Take what the other side sent; None: its end."""
        if data is None:
            if not self.ended:
                self.protocol.eof_received()
                self.finish(None)
            return
        peer = self.peer
        peer.unread -= len(data)
        if peer.paused:
            peer.was_read()
        if self.host.counted and is_message(data):
            self.host.messages += 1
        if not self.ended:
            self.protocol.data_received(data)

    def was_read(self) -> None:
        """Let the protocol go on writing once there is room again."""
        if self.unread <= KERNEL_BYTES:
            self.paused = False
            if not self.ended:
                self._network.loop.call_soon(
                    self.protocol.resume_writing, context=self.host.context
                )
