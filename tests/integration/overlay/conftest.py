"""What the tests of the overlay share: nodes that end, and a log without errors."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from clientproxy.net.node import Node
from tests.support.cable import Cable
from tests.support.overlay import InProcessNode, until
from tests.support.synthetic import SyntheticServer, Viewer

Joined = tuple[InProcessNode, Node]
Join = Callable[..., Awaitable[Joined]]


@pytest.fixture
async def join(
    caplog: pytest.LogCaptureFixture, seconds: Callable[[float], float]
) -> AsyncIterator[Join]:
    """Return what lets a node join a server and waits until it has parents.

    In the end no node has left a task behind, and nobody has logged an error.
    """
    hosts: list[InProcessNode] = []
    complaints: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: complaints.append(context))

    async def joined(
        server: SyntheticServer,
        *,
        watch: list[Viewer] | None = None,
        cable: Cable | None = None,
        through: Cable | None = None,
        **settings: object,
    ) -> Joined:
        """`cable`: between the node and its children; `through`: and the server proxy."""
        if cable is not None:
            settings["advertise"] = (str(cable.address),)
        host = InProcessNode(server.address if through is None else through.address, **settings)
        host.cable = cable
        hosts.append(host)
        node = await host.join("cam")
        if watch is not None:
            watch.append(Viewer(node))
        await until(lambda: node.joined, seconds(20), "node has joined")
        return host, node

    yield joined
    for host in hosts:
        await host.close()
    assert complaints == []
    assert [r for r in caplog.records if r.levelno >= logging.ERROR] == []
