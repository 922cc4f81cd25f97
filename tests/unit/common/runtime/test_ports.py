"""One port at every address that a host stands for."""

import asyncio
import errno
import socket
from contextlib import closing

import pytest

from common.ids import Address
from common.runtime import ports
from common.runtime.ports import listen
from tests.support.ports import has_ipv6


async def answers(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except ConnectionRefusedError:
        return False
    with closing(writer):
        return True


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
async def test_all_addresses_are_open_at_the_port_that_is_named() -> None:
    port = await listen(asyncio.Protocol, Address("", 0))
    assert sorted(port.hosts) == ["0.0.0.0", "::"]
    assert await answers("127.0.0.1", port.number)
    assert await answers("::1", port.number)
    await port.close()
    assert not await answers("127.0.0.1", port.number)
    assert not await answers("::1", port.number)
    await port.close()


class Socket(socket.socket):
    """A socket of a machine on which ports are hard to have for IPv6."""

    fault = errno.EADDRINUSE
    faults = 3

    def bind(self, address: tuple[str, int]) -> None:  # type: ignore[override]
        if self.family == socket.AF_INET6 and Socket.faults:
            Socket.faults -= 1
            raise OSError(Socket.fault, "no")
        super().bind(address)


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
async def test_a_free_port_is_free_for_both_families(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", Socket)
    monkeypatch.setattr(Socket, "faults", ports.MAX_TRIES - 1)
    port = await listen(asyncio.Protocol, Address("", 0))
    assert len(port.hosts) == 2
    await port.close()
    monkeypatch.setattr(Socket, "faults", ports.MAX_TRIES)
    with pytest.raises(OSError, match="no") as caught:
        await listen(asyncio.Protocol, Address("", 0))
    assert caught.value.errno == errno.EADDRINUSE


@pytest.mark.parametrize("fault", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
async def test_a_family_that_the_machine_lacks_is_left_out(
    monkeypatch: pytest.MonkeyPatch, fault: int
) -> None:
    monkeypatch.setattr(socket, "socket", Socket)
    monkeypatch.setattr(Socket, "fault", fault)
    monkeypatch.setattr(Socket, "faults", 1000)
    port = await listen(asyncio.Protocol, Address("", 0))
    assert port.hosts == ["0.0.0.0"]
    await port.close()
    with pytest.raises(OSError, match="no") as caught:
        await listen(asyncio.Protocol, Address("::1", 0))
    assert caught.value.errno in ({fault} if has_ipv6() else {fault, errno.EAFNOSUPPORT})
