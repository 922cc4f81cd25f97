"""A client proxy that the operator sends away leaves, stays away for a while, and comes back.

One that does not leave is shut out.
"""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from clientproxy.core.events import ChannelUnavailableError
from clientproxy.net import channels as client_channels
from clientproxy.net.node import Node
from common.ids import ROOT, Address, NodeId, Stripe
from common.messages import Closed, FromServer
from common.runtime.tasks import Tasks
from serverproxy.core import orders, sentaway
from serverproxy.net.control import Control
from tests.integration.overlay.conftest import Join
from tests.support.overlay import InProcessNode, running_server, until
from tests.support.synthetic import Viewer, synthetic

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
        _kick(control, name)
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


async def test_who_has_not_heard_it_leaves_when_it_is_refused(
    monkeypatch: pytest.MonkeyPatch, seconds: Seconds, tasks: Tasks
) -> None:
    """Its control link broke just then. It comes back as another node; until then all is quiet."""
    monkeypatch.setattr(client_channels, "STAYS_AWAY", seconds(1.0))
    monkeypatch.setattr(sentaway, "GOES_WITHIN", 0.2)
    async with running_server(cam=CARD) as server:
        address = Address.parse(server.overlay, 0)
        host = InProcessNode(address, join=("cam",))
        node = await host.join("cam")
        await until(lambda: node.joined, seconds(20), "it has joined")
        heed, name = node.told, _id(node)
        monkeypatch.setattr(
            node, "told", lambda one: None if isinstance(one, Closed) else heed(one)
        )
        control = server.channels["cam"].control
        _kick(control, name)
        counts = control.chronicle.counts
        await until(lambda: counts["refused"] > 1, seconds(20), "it has come back under its id")
        tasks.spawn(host.channels.run(), name="linger")
        await until(lambda: not host.channels.nodes, seconds(20), "it has left")
        refused = counts["refused"]
        await until(lambda: len(control.membership.members) == 1, seconds(20), "it has come back")
        assert name not in control.membership.members
        assert counts["refused"] - refused < 2, "one may have been on its way"
        assert (counts["back"], counts["joined"]) == (0, 2)
        await tasks.close()
        await host.close()


def _kick(control: Control, node: NodeId) -> None:
    now = asyncio.get_running_loop().time()
    control.order(orders.kick(control.membership, node, "make room", now), "kick")


def _id(node: Node) -> NodeId:
    assert node.stripes is not None
    return NodeId(node.stripes.offer.node)


async def test_who_ignores_it_is_fed_by_nobody_after_a_while(
    monkeypatch: pytest.MonkeyPatch, seconds: Seconds, join: Join
) -> None:
    """Its control link is refused, and its parents end its links; the others lose nothing."""
    monkeypatch.setattr(sentaway, "GOES_WITHIN", 0.5)
    async with synthetic() as server:
        server.up()
        server.play()
        viewers = list[Viewer]()
        nodes = [
            (await join(server, watch=viewers, reorder_timeout=seconds(10)))[1] for _ in range(5)
        ]
        control, root = server.channel.control, server.channel.feed.downlink
        trees, stripes = control.membership.trees, (Stripe(0), Stripe(1))
        bad = next(n for n in nodes if ROOT not in {trees.parent(_id(n), s) for s in stripes})
        others, heed = [one for one in nodes if one is not bad], bad.told
        watched = [one for one, node in zip(viewers, nodes, strict=True) if node is not bad]

        def told(message: FromServer) -> None:
            if not isinstance(message, Closed):
                heed(message)

        monkeypatch.setattr(bad, "told", told)

        def is_fed() -> bool:
            downlinks = [root, *(one.stripes.downlink for one in others if one.stripes is not None)]
            return any(down.feeds(_id(bad), stripe) for down in downlinks for stripe in stripes)

        assert is_fed()
        _kick(control, _id(bad))
        await until(lambda: not bad.control_up, seconds(20), "its control link has ended")
        assert _id(bad) not in control.membership.members
        await until(lambda: not is_fed(), seconds(30), "its links have ended")
        want = server.sent + 300
        await until(lambda: all(v.numbers[-1] > want for v in watched), seconds(20), "it goes on")
        assert all(one.exact for one in watched)
        assert sum(one.feed.lost for one in others) == 0
        await until(lambda: not is_fed(), seconds(30), "nobody has taken it again")
