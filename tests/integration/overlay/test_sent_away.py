"""A client proxy that the operator sends away leaves, stays away for a while, and comes back."""

from collections.abc import AsyncIterator, Callable

import pytest

from clientproxy.core.events import ChannelUnavailableError
from clientproxy.net import channels as client_channels
from common.ids import Address, NodeId
from common.runtime.tasks import Tasks
from serverproxy.core import orders
from tests.support.overlay import InProcessNode, running_server, until

CARD = "testcard:?size=160x90&rate=10"
Seconds = Callable[[float], float]


@pytest.fixture
async def tasks() -> AsyncIterator[Tasks]:
    tasks = Tasks()
    yield tasks
    await tasks.close()


async def test_who_is_sent_away_leaves_and_comes_back_after_a_while(
    monkeypatch: pytest.MonkeyPatch, seconds: Seconds, tasks: Tasks
) -> None:
    monkeypatch.setattr(client_channels, "STAYS_AWAY", seconds(1.0))
    async with running_server(cam=CARD) as server:
        address = Address.parse(server.overlay, 0)
        host = InProcessNode(address, join=("cam",))
        node = await host.join("cam")
        tasks.spawn(host.channels.run(), name="linger")
        await until(lambda: node.joined and node.stripes is not None, seconds(20), "it has joined")
        assert node.stripes is not None
        control = server.channels["cam"].control
        name = NodeId(node.stripes.offer.node)
        control.order(orders.kick(control.membership, name, "make room"), "kick")
        await until(lambda: not host.channels.nodes, seconds(20), "it has left")
        await until(lambda: not control.membership.members, seconds(20), "it is known to be gone")
        with pytest.raises(ChannelUnavailableError, match="sent away from channel cam") as refused:
            host.channels.join("cam", address)
        assert refused.value.status == 404
        await until(
            lambda: any(one.joined for one in host.channels.nodes.values()),
            seconds(20),
            "it has come back",
        )
        assert [one.kind for one in control.chronicle.happenings if one.kind != "source_up"] == [
            "joined",
            "asked",
            "left",
            "joined",
        ]
        await tasks.close()
        await host.close()
