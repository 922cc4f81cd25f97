"""Looks whether the ports of `clientproxy run` are free here, and if not, who has them."""

import asyncio
import errno
from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias

import msgspec

from clientproxy.config import ClientConfig
from clientproxy.core.diagnosis.measured import Key, Port, Running, State
from clientproxy.net.doctor.reach import ask, look_up
from common.ids import Address
from common.runtime.addresses import from_here
from common.runtime.ask import Api, AskError
from common.runtime.reasons import reason
from common.runtime.waiting import in_thread

ASK_WITHIN = 1.0
AGAIN_AFTER = 0.2
"""Seconds after which a port that is taken is tried again: another doctor tries it only."""
KEYS: tuple[Key, ...] = ("listen", "rtsp", "http")


class _Channel(msgspec.Struct):
    """What is read of one channel of a client proxy's status."""

    addresses: tuple[str, ...] | None = None


class _Status(msgspec.Struct):
    """What is read of a client proxy's status."""

    daemon: str
    overlay: str = ""
    rtsp: str = ""
    http: str = ""
    channels: tuple[_Channel, ...] = ()


Hosts: TypeAlias = list[str] | str
"""The numbers that a host stands for, or why there are none."""


async def hosts_of(config: ClientConfig) -> dict[Key, Hosts]:
    """Look up the hosts of all ports, side by side: it takes as long as one name."""
    return dict(zip(KEYS, await asyncio.gather(*map(_hosts, _addresses(config))), strict=True))


async def look(
    config: ClientConfig, hosts: Mapping[Key, Hosts]
) -> tuple[list[Port], Running | None]:
    """Try to open each port; ask the client proxy that runs here, if there is one."""
    addresses = dict(zip(KEYS, _addresses(config), strict=True))

    async def state(key: Key) -> tuple[State, str]:
        return await _state(hosts[key], addresses[key].port)

    states = {key: await state(key) for key in KEYS}
    running, another = None, False
    if taken := [key for key in KEYS if states[key][0] == "taken"]:
        await asyncio.sleep(AGAIN_AFTER)
        states |= {key: await state(key) for key in taken}
        running, another = await asyncio.gather(
            _running(config.http), _is_overlay(hosts["listen"], config.listen.port)
        )
    ports = [_port(key, addresses[key], *states[key], running) for key in KEYS]
    if another and ports[0].state == "taken":
        ports[0] = replace(ports[0], state="another client proxy")
    return ports, running


def _port(key: Key, address: Address, state: State, why: str, running: Running | None) -> Port:
    if state == "taken" and running is not None:
        own = {"listen": running.overlay, "rtsp": running.rtsp, "http": running.http}[key]
        if own.rpartition(":")[2] == str(address.port):
            state = "client proxy"
    return Port(key=key, address=str(address), port=address.port, state=state, why=why)


async def _is_overlay(hosts: Hosts, port: int) -> bool:
    """Whether a client proxy listens there: one of another configuration, or another doctor."""
    try:
        async with asyncio.timeout(ASK_WITHIN):
            answered = await ask(from_here(Address(hosts[0], port)))
    except TimeoutError:
        return False
    return answered.answer == "client proxy"


def _addresses(config: ClientConfig) -> tuple[Address, ...]:
    return config.listen, config.rtsp, config.http


async def _hosts(address: Address) -> Hosts:
    if not address.host:
        return ["0.0.0.0", "::"]  # noqa: S104 - tried, not kept
    return await look_up(address)


async def _state(hosts: Hosts, port: int) -> tuple[State, str]:
    if isinstance(hosts, str):
        return "impossible", hosts
    loop = asyncio.get_running_loop()
    for host in hosts:
        try:
            server = await loop.create_server(asyncio.Protocol, host, port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return "taken", ""
            if host == hosts[0]:
                return "impossible", reason(error)
            continue  # no IPv6 on this machine
        server.close()
        await server.wait_closed()
    return "free", ""


async def _running(http: Address) -> Running | None:
    """Ask the client proxy at the port for HTTP for its ports; None: there is none."""
    api = Api("clientproxy", from_here(http))
    try:
        status = await in_thread(lambda: api.ask("/api/v1/status", _Status), ASK_WITHIN)
    except (AskError, TimeoutError):
        return None
    if status.daemon != "clientproxy":
        return None
    known = [one.addresses for one in status.channels if one.addresses is not None]
    return Running(
        overlay=status.overlay,
        rtsp=status.rtsp,
        http=status.http,
        reached=any(known) if known else None,
    )
