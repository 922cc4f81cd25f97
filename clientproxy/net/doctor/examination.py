"""The whole examination, in order, within twenty seconds."""

import asyncio

from clientproxy.config import ClientConfig
from clientproxy.core.diagnosis.measured import Measured, Server
from clientproxy.net.doctor import ports
from clientproxy.net.doctor.progress import Progress
from clientproxy.net.doctor.reach import reach
from clientproxy.net.doctor.visit import Visit
from common.ids import Address

ALL_WITHIN = 17.0
"""Seconds after which what is not measured yet stays so; leaving takes up to two more."""


async def examine(
    config: ClientConfig, channel: str | None, seconds: float, progress: Progress
) -> Measured:
    """Look at everything, as far as it can be had. `config.server` has to be known."""
    assert config.server is not None
    until = asyncio.get_running_loop().time() + ALL_WITHIN
    progress.say(f"connecting to {config.server}")
    server, hosts = await asyncio.gather(reach(config.server), ports.hosts_of(config))
    progress.say("looking whether the ports are free here")
    found, running = await ports.look(config, hosts)
    measured = Measured(server=server, asked=channel, ports=found, running=running)
    chosen = _choose(server, channel)
    if chosen is None:
        return measured
    guest = config.model_copy(update={"listen": _listen(config.listen, hosts["listen"], server)})
    return await _visit(measured, guest, chosen, seconds, until, progress)


def _choose(server: Server, asked: str | None) -> str | None:
    """Return the channel to look at: the one asked for, else the first."""
    if server.answer != "server proxy":
        return None
    if server.channels is None:
        return asked
    if asked is None:
        return server.channels[0] if server.channels else None
    return asked if asked in server.channels else None


def _listen(address: Address, hosts: ports.Hosts, server: Server) -> Address:
    """Return where the visit listens: no name is looked up again, the family is the server's."""
    if not address.host:
        return address
    if isinstance(hosts, str):
        return Address("", 0)
    alike = [host for host in hosts if (":" in host) == (":" in server.local_host)]
    return Address([*alike, *hosts][0], address.port)


async def _visit(
    measured: Measured,
    config: ClientConfig,
    channel: str,
    seconds: float,
    until: float,
    progress: Progress,
) -> Measured:
    server = measured.server
    works = next(one.host for one in server.attempts if one.outcome == "connected")
    address = Address(works, server.port)
    # It takes no children: nobody shall depend on a node that is about to leave.
    guest = config.model_copy(update={"server": address, "max_children": 0, "join": ()})
    visit = Visit(channel, address, guest, until)
    try:
        await visit.make(seconds, progress)
        sample, clock, round_trips = visit.sample(), visit.clock(), visit.round_trips()
    finally:
        await visit.close()
    return Measured(
        server=server,
        asked=measured.asked,
        ports=measured.ports,
        running=measured.running,
        clock=clock,
        round_trips=round_trips,
        sample=sample,
    )
