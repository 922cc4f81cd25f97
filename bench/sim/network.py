"""A model of a network: hosts, TCP between them, and what can go wrong.

Rules
-----
1. Bytes of one connection arrive in order, `delay` and some of `jitter` later. A segment that is
   lost, with a chance of `loss`, comes a retransmission time later, and all behind it wait.
2. Where one direction between two hosts is cut, TCP carries nothing in either: at once in this
   direction, in the other when its acknowledgements are missed. What was written waits and goes out
   with the first retransmission after the cut is mended; after `USER_TIMEOUT` the link ends.
3. The kernel of a host that is stopped goes on: connections are accepted, bytes are acknowledged
   while its buffers have room. A host that is killed sends the end of its connections; one that
   vanishes (its power is gone) sends nothing.
4. A host with a rate sends all its bytes one after the other; so it receives them with a downlink.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

from bench.sim.hosts import End, Host
from bench.sim.loop import VirtualLoop

LEAST_RETRANSMISSION = 0.2
"""Seconds before TCP sends a lost segment again, at least (RFC 6298 as Linux has it)."""
USER_TIMEOUT = 10.0
"""Seconds without an acknowledgement after which a link ends (RFC 5482), as the daemons set it."""
SYN_AGAIN = (1.0, 2.0, 4.0, 8.0)
"""Seconds between tries to connect."""
PORT = 7855
SEGMENT_BYTES = 60
"""What a segment costs a host's rate besides its bytes."""


_SENDS_NOTHING = frozenset({"stopped", "vanished"})
"""States of a host of which nothing is heard; of one that is killed, the end of its links is."""


def _size(data: bytes | None) -> int:
    """Return the bytes that a segment with this takes of a host's rate."""
    return SEGMENT_BYTES + (0 if data is None else len(data))


@dataclass(frozen=True, slots=True)
class Weather:
    """What lies between any two hosts."""

    delay: tuple[float, float] = (0.01, 0.03)
    """Least and greatest one-way delay in seconds; a pair of hosts keeps its own."""
    jitter: float = 0.001
    """Seconds that a segment may take longer."""
    loss: float = 0.0
    """Share of the segments that are lost once."""


class Network:
    """All hosts and connections."""

    def __init__(self, loop: VirtualLoop, rng: random.Random, weather: Weather) -> None:
        self.loop, self.rng, self.weather = loop, rng, weather
        self.hosts: dict[str, Host] = {}
        """By address."""
        self.on_trouble: Callable[[End], None] = lambda _end: None
        """Told of each side of a link that will hear nothing for a while."""
        self.on_change: list[Callable[[Host], None]] = []
        """Each is told of every host that has a link more or less."""
        self._cuts: dict[tuple[str, str], float] = {}
        """Directions between hosts that are cut, by name, and since when."""
        self._ports = PORT

    def host(self, name: str, ip: str) -> Host:
        """Add a host."""
        least, most = self.weather.delay
        host = Host(self.loop, name, ip, self.rng.uniform(least, most) / 2)
        self.hosts[ip] = host
        return host

    def changed(self, host: Host) -> None:
        """Tell that a host has a link more or less."""
        for tell in self.on_change:
            tell(host)

    def delay(self, one: Host, other: Host) -> float:
        """Return the one-way delay."""
        return one.access + other.access

    # --- faults

    def kill(self, host: Host) -> None:
        """SIGKILL: the process is gone, its kernel says so on all links."""
        self.loop.halt(host.name, for_good=True)
        for end in list(host.ends):
            end.ended = True
            self.carry(end, None)
        host.ends.clear()
        host.state = "killed"

    def vanish(self, host: Host) -> None:
        """Take the power from a host: nobody is told."""
        self.loop.halt(host.name, for_good=True)
        host.state = "vanished"
        for end in list(host.ends):
            self._trouble(end)

    def stop(self, host: Host) -> None:
        """SIGSTOP."""
        host.state = "stopped"
        self.loop.halt(host.name, for_good=False)
        for end in list(host.ends):
            self.on_trouble(end.peer)

    def go_on(self, host: Host) -> None:
        """SIGCONT."""
        host.state = "up"
        self.loop.go_on(host.name)

    def cut(self, one: Host, other: Host) -> None:
        """Let nothing through from `one` to `other`."""
        self._cuts[one.name, other.name] = self.loop.time()
        for end in [*one.ends, *other.ends]:
            if {end.host, end.peer.host} == {one, other}:
                self._trouble(end)

    def mend(self, one: Host, other: Host) -> None:
        """Let everything through from `one` to `other` again."""
        self._cuts.pop((one.name, other.name), None)
        for end in [*one.ends, *other.ends]:
            if end.held is not None and self._blocked(end) is None:
                self._release(end)

    def _trouble(self, end: End) -> None:
        for one in (end, end.peer):
            if not one.ended:
                self.on_trouble(one)

    def _blocked(self, end: End) -> float | None:
        """Return since when nothing goes out from `end`, None if something does."""
        peer = end.peer
        if peer.host.state == "vanished":
            return 0.0
        since = self._cuts.get((end.host.name, peer.host.name))
        back = self._cuts.get((peer.host.name, end.host.name))
        if since is None and back is not None and self.loop.time() > back + LEAST_RETRANSMISSION:
            since = back  # nothing is acknowledged
        return since

    def heard(self, host: Host) -> list[End]:
        """Return the sides of links here that hear what the other side sends."""
        if self._cuts:
            return [end for end in host.ends if self.hears(end)]
        return [
            end
            for end in host.ends
            if end.peer.held is None and end.peer.host.state not in _SENDS_NOTHING
        ]

    def hears(self, end: End) -> bool:
        """Whether what the other side sends, heartbeats too, gets through to this one."""
        peer = end.peer
        if peer.held is not None or peer.host.state in _SENDS_NOTHING:
            return False
        return not self._cuts or self._blocked(peer) is None

    def goes_out(self, end: End) -> bool:
        """Whether what this side writes gets to the other side's host."""
        if end.held is not None or end.peer.host.state == "vanished":
            return False
        return not self._cuts or self._blocked(end) is None

    # --- bytes

    def carry(self, end: End, data: bytes | None) -> None:
        """Take bytes, or the end of the link, to the other side."""
        if end.held is not None:
            end.held.append(data)
        elif (self._cuts or end.peer.host.state == "vanished") and self._blocked(end) is not None:
            end.held, end.held_since = [data], self.loop.time()
            self.loop.call_later(USER_TIMEOUT, self._time_out, end, end.held)
        else:
            self._send(end, data, 0.0)

    def _send(self, end: End, data: bytes | None, later: float) -> None:
        host, peer, weather = end.host, end.peer, self.weather
        there = peer.host
        arrives = self.loop.now + later
        if host.rate is not None:
            arrives = host.busy_until = max(arrives, host.busy_until) + _size(data) / host.rate
        delay = host.access + there.access
        arrives = arrives + delay + self.rng.random() * weather.jitter
        if weather.loss and self.rng.random() < weather.loss:
            arrives += LEAST_RETRANSMISSION + 2 * delay
        if there.downlink is not None:
            arrives = max(arrives, there.full_until) + _size(data) / there.downlink
            there.full_until = arrives
        arrives = max(arrives, end.arrives_at)
        end.arrives_at = arrives
        self.loop.carry(arrives, peer.arrive, data, there.context)

    def _release(self, end: End) -> None:
        """Send what waited with the first retransmission after the cut: their pauses double."""
        waited, pause, held = self.loop.time() - end.held_since, LEAST_RETRANSMISSION, end.held
        while pause < waited:
            pause *= 2
        end.held = None
        for data in held or ():
            self._send(end, data, pause - waited)

    def _time_out(self, end: End, held: list[bytes | None]) -> None:
        if end.held is held and not end.ended:
            end.finish(TimeoutError("nothing is acknowledged"))

    # --- connections

    async def connect(
        self, ip: str, factory: Callable[[], asyncio.Protocol], caller: Host
    ) -> tuple[End, asyncio.Protocol]:
        """Connect as the kernel does; ConnectionRefusedError where nobody listens."""
        for again in SYN_AGAIN:
            target = self.hosts.get(ip)
            pause = again
            if target is not None and self._gets_through(caller, target):
                await asyncio.sleep(2 * self.delay(caller, target))
                if target.listener is None or target.state == "killed":
                    raise ConnectionRefusedError(111, "Connection refused")
                if self._gets_through(caller, target):
                    return self._open(caller, target, factory)
                pause -= 2 * self.delay(caller, target)
            await asyncio.sleep(pause)
        raise TimeoutError("no answer")

    def _gets_through(self, one: Host, other: Host) -> bool:
        if other.state == "vanished" or not other.reachable:
            return False
        if (one.name, other.name) in self._cuts or (other.name, one.name) in self._cuts:
            return False
        loss = self.weather.loss
        return not loss or self.rng.random() >= 2 * loss

    def _open(
        self, caller: Host, target: Host, factory: Callable[[], asyncio.Protocol]
    ) -> tuple[End, asyncio.Protocol]:
        self._ports += 1
        near = End(self, caller, (self._ports, PORT), target)
        far = End(self, target, (PORT, self._ports), caller)
        near.peer, far.peer = far, near
        caller.ends[near] = target.ends[far] = None
        self.changed(caller)
        self.changed(target)
        self.loop.call_soon(self._accept, far, context=target.context)
        near.protocol = factory()
        near.protocol.connection_made(near)
        return near, near.protocol

    def _accept(self, far: End) -> None:
        if far.host.listener is None or far.ended:
            far.ended = True
            return
        protocol = far.host.listener()
        assert isinstance(protocol, asyncio.Protocol)
        far.protocol = protocol
        far.protocol.connection_made(far)
