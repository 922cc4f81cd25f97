"""`join: redirect`: nodes find their parents from the server proxy down (S2, S9 to S27)."""

import logging
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass

import pytest

from clientproxy.core.events import ChannelUnavailableError
from clientproxy.net.node import Node
from common.fields import AddPolicyName, Candidate, DeletePolicyName
from common.ids import ROOT, NodeId, Stripe
from common.runtime.childfeed import ChildFeed
from serverproxy.net import control
from tests.integration.overlay.conftest import Join
from tests.support.cable import Cable
from tests.support.overlay import InProcessNode, until
from tests.support.synthetic import SyntheticServer, Viewer, synthetic

Seconds = Callable[[float], float]
S0 = Stripe(0)
ADD: list[AddPolicyName] = [
    "random",
    "round_robin",
    "smart_placement",
    "knock_down",
    "smart_bandwidth",
]
DELETE: list[DeletePolicyName] = ["root", "root_all", "grandfather", "grandfather_all"]


@pytest.fixture(autouse=True)
def reached_before_the_offer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each newcomer say its slots when it asks: a parent compares them once, at Attach."""
    monkeypatch.setattr(control, "DIAL_BACK_WAIT", 5.0)


@dataclass
class Watched:
    """One node, the cable between it and its children, and its viewer."""

    host: InProcessNode
    node: Node
    cable: Cable
    viewer: Viewer

    async def dies(self) -> None:
        """End without a word to the children."""
        await self.cable.cut()
        await self.host.close()


def redirecting(
    add: AddPolicyName = "round_robin",
    *,
    delete: DeletePolicyName = "grandfather",
    stripes: int = 1,
    repair_slots: int = 1,
) -> AbstractAsyncContextManager[SyntheticServer]:
    """Run a server proxy."""
    return synthetic(
        join="redirect",
        add_policy=add,
        delete_policy=delete,
        stripes=stripes,
        repair_slots=repair_slots,
    )


async def goes_on(server: SyntheticServer, viewers: list[Viewer], seconds: Seconds) -> None:
    """Every viewer gets what follows, and has had each packet once, in order."""
    want = server.sent + 150
    ends = lambda: all(one.numbers and one.numbers[-1] > want for one in viewers)  # noqa: E731
    await until(ends, seconds(20), "the stream goes on")
    assert all(one.exact for one in viewers)


async def grown(
    join: Join, server: SyntheticServer, cables: AsyncExitStack, count: int, **settings: object
) -> list[Watched]:
    """Let so many nodes join and watch, one after the other."""
    nodes: list[Watched] = []
    for _ in range(count):
        cable, viewers = Cable(), list[Viewer]()
        await cable.lay()
        cables.push_async_callback(cable.cut)
        host, node = await join(server, watch=viewers, cable=cable, **settings)
        nodes.append(Watched(host, node, cable, viewers[0]))
    return nodes


def path(node: Node) -> list[str]:
    """Return the ancestors in stripe 0."""
    assert node.stripes is not None
    return [entry.node for entry in (node.stripes.path(S0) or ())[:-1]]


def children(node: Node) -> int:
    assert node.stripes is not None
    return len(list(node.stripes.downlink.children))


def parent(node: Node, stripe: Stripe = S0) -> NodeId | None:
    assert node.stripes is not None
    return node.stripes.uplink.search.parent(stripe)


def name(node: Node) -> NodeId:
    assert node.stripes is not None
    return NodeId(node.stripes.offer.node)


@pytest.mark.parametrize("stripes", [1, 2])
@pytest.mark.parametrize("add", ADD)
async def test_newcomers_find_a_parent_and_orphans_another(
    join: Join, seconds: Seconds, add: AddPolicyName, stripes: int
) -> None:
    """Nobody misses a packet, neither while the tree grows nor when an interior node dies."""
    async with redirecting(add, stripes=stripes) as server, AsyncExitStack() as cables:
        server.up()
        server.play()
        nodes: list[Watched] = []
        for number in range(7):
            slots = 2 + number // 2 if add == "smart_bandwidth" else None
            nodes += await grown(join, server, cables, 1, max_children=slots)
        await goes_on(server, [one.viewer for one in nodes], seconds)
        fed = server.channel.feed.downlink.children
        await until(lambda: len(list(fed)) == stripes, seconds(10), "one copy of each stripe")
        victim = max(nodes, key=lambda one: children(one.node))
        assert children(victim.node) >= 2
        await victim.dies()
        await goes_on(server, [one.viewer for one in nodes if one is not victim], seconds)


@pytest.mark.parametrize("graceful", [True, False])
@pytest.mark.parametrize("delete", DELETE)
async def test_orphans_go_where_the_delete_policy_says(
    join: Join,
    seconds: Seconds,
    monkeypatch: pytest.MonkeyPatch,
    delete: DeletePolicyName,
    graceful: bool,
) -> None:
    """The node that leaves or dies is in the middle: its children, or all below it, are sent."""
    told: dict[tuple[NodeId, bool], set[str]] = {}
    redirect = ChildFeed.redirect

    def spy(feed: ChildFeed, to: Sequence[Candidate], *, everyone: bool = False) -> None:
        told.setdefault((feed.node, everyone), set()).update(one.node for one in to)
        redirect(feed, to, everyone=everyone)

    monkeypatch.setattr(ChildFeed, "redirect", spy)
    async with redirecting(delete=delete) as server, AsyncExitStack() as cables:
        server.up()
        server.play()
        nodes = await grown(join, server, cables, 8)
        middle = next(one for one in nodes if parent(one.node) != ROOT and children(one.node) >= 1)
        above = parent(middle.node)
        below = {name(one.node) for one in nodes if name(middle.node) in path(one.node)}
        near = {name(one.node) for one in nodes if parent(one.node) == name(middle.node)}
        others = [one for one in nodes if one is not middle]
        told.clear()
        await (middle.host.close() if graceful else middle.dies())
        await goes_on(server, [one.viewer for one in others], seconds)
        target = ROOT if delete.startswith("root") else above
        everyone = delete.endswith("_all")
        # A node that dies tells nobody: its children know where to go, and tell theirs.
        expected = (below if everyone else near) - (set() if graceful else near)
        assert all(target in told.get((node, everyone), ()) for node in expected), told
        assert not [node for node, all_below in told if all_below and not everyone]


async def test_a_parent_that_only_its_children_have_lost_shuts_nobody_out(
    join: Join, seconds: Seconds
) -> None:
    """It keeps the server proxy's only slot: a repair slot is taken instead."""
    async with redirecting() as server, AsyncExitStack() as cables:
        server.up()
        server.play()
        first, *others = await grown(join, server, cables, 4)
        assert parent(first.node) == ROOT
        await first.cable.cut()
        await goes_on(server, [one.viewer for one in others], seconds)
        assert parent(first.node) == ROOT


async def test_who_has_more_slots_takes_the_place_of_who_has_fewer(
    join: Join, seconds: Seconds
) -> None:
    async with redirecting("smart_bandwidth") as server, AsyncExitStack() as cables:
        server.up()
        server.play()
        (weak,) = await grown(join, server, cables, 1, max_children=1)
        (strong,) = await grown(join, server, cables, 1, max_children=5)
        await until(lambda: parent(weak.node) == name(strong.node), seconds(10), "it went under")
        assert parent(strong.node) == ROOT
        (middle,) = await grown(join, server, cables, 1, max_children=2)
        assert parent(middle.node) == name(strong.node)
        await goes_on(server, [one.viewer for one in (weak, strong, middle)], seconds)


async def test_who_is_nearer_takes_the_place_of_who_is_far(join: Join, seconds: Seconds) -> None:
    """Each newcomer has probed the server proxy, and says how far it is."""
    async with redirecting("knock_down") as server, AsyncExitStack() as cables:
        server.up()
        server.play()
        (far,) = await grown(join, server, cables, 1)
        (child,) = server.channel.feed.downlink.children
        assert child.rtt_us is not None
        assert 0 < child.rtt_us < seconds(1) * 1e6
        child.rtt_us = 10_000_000
        (near,) = await grown(join, server, cables, 1)
        await until(lambda: parent(far.node) == name(near.node), seconds(10), "it went under")
        assert parent(near.node) == ROOT
        await goes_on(server, [far.viewer, near.viewer], seconds)


async def test_who_is_taken_by_nobody_tells_its_player_453_and_why(
    join: Join, caplog: pytest.LogCaptureFixture, seconds: Seconds
) -> None:
    """It goes on asking: when there is a slot, players are served."""
    async with redirecting(repair_slots=0) as server:
        server.up()
        server.play()
        first, _ = await join(server, max_children=0)
        host = InProcessNode(server.address, max_children=0)
        node = await host.join("cam")
        with pytest.raises(ChannelUnavailableError) as refused:
            await node.readiness.wait(1.0)
        assert refused.value.status == 453
        assert "stripe 0 (root: full: no slot is free" in refused.value.why
        told = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
        assert [one for one in told if one.startswith("no parent in stripe 0 (root: full")]
        assert not node.joined
        await first.close()
        assert await node.readiness.wait(seconds(10)) is node.feed
        await host.close()


async def test_a_player_waits_until_its_node_has_a_place(seconds: Seconds) -> None:
    """The offer alone, which is all that a directory needs, is none."""
    async with redirecting(stripes=2) as server:
        server.up()
        server.play()
        host = InProcessNode(server.address)
        node = await host.join("cam")
        await node.readiness.wait(seconds(10))
        assert node.stripes is not None
        assert node.stripes.attached
        await host.close()
