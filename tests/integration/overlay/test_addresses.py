"""A candidate with several addresses, of which some lead nowhere (RFC 8305)."""

import asyncio
import socket
from collections.abc import Callable, Iterator

import pytest

from common.ids import Address
from common.runtime import link as links
from common.runtime.link import Idle, connect_any
from common.runtime.listener import Listener
from tests.integration.overlay.conftest import Join
from tests.support.overlay import until
from tests.support.ports import free_port
from tests.support.synthetic import Viewer, synthetic


@pytest.fixture
def silent() -> Iterator[Address]:
    """Return an address that neither takes nor refuses connections: its queue is full."""
    with socket.socket() as listening, socket.socket() as first, socket.socket() as second:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for one in (first, second):
            one.setblocking(False)
            one.connect_ex(listening.getsockname())
        yield Address("127.0.0.1", listening.getsockname()[1])


def refusing() -> Address:
    return Address("127.0.0.1", free_port())


async def test_the_next_address_is_tried_beside_one_that_does_not_answer(silent: Address) -> None:
    listener = Listener(Idle)
    good = await listener.start(Address("127.0.0.1", 0))
    loop = asyncio.get_running_loop()
    began = loop.time()
    handler = Idle()
    link = await connect_any([silent, refusing(), good], handler, within=60.0)
    assert loop.time() - began >= links.STAGGER
    assert (link.peer.port, link.handler, link.closed) == (good.port, handler, False)
    link.abort("done")
    await listener.close()


async def test_one_that_refuses_is_not_waited_for(silent: Address) -> None:
    with pytest.raises(ConnectionRefusedError):
        await connect_any([refusing(), refusing()], Idle(), within=60.0)
    with pytest.raises(TimeoutError):
        await connect_any([refusing(), silent], Idle(), within=0.1)


async def test_a_node_finds_its_parent_behind_a_dead_address(
    join: Join, silent: Address, seconds: Callable[[float], float]
) -> None:
    """It advertises two addresses, and the second one only can be reached by now."""
    async with synthetic() as server:
        server.up()
        play = server.play()
        _, relay = await join(server)
        assert relay.stripes is not None
        good = relay.stripes.offer.addresses
        for member in server.channel.control.membership.members.values():
            member.addresses = (str(silent), *good)
        watched: list[Viewer] = []
        _, node = await join(server, watch=watched)
        await until(lambda: len(watched[0].numbers) > 50, seconds(20), "it is fed")
        play.cancel()
        assert watched[0].exact
        assert node.stripes is not None
        parents = {node.stripes.uplink.search.parent(stripe) for stripe in node.stripes.stripes}
        assert relay.stripes.offer.node in parents
