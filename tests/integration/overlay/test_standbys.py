"""A relay that dies, goes silent or leaves costs its children nothing: over real links."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from clientproxy.net.node import Node
from common.ids import Stripe
from tests.integration.overlay.conftest import Join
from tests.support.cable import Cable
from tests.support.overlay import InProcessNode, until
from tests.support.synthetic import SyntheticServer, Viewer, synthetic

Seconds = Callable[[float], float]
NODES = 7
GRANDCHILD = 2
"""Entries of the path of a child of the server proxy, itself included."""


@dataclass
class Watched:
    """One node, the cables between it and its children and the server proxy, and its viewer."""

    host: InProcessNode
    node: Node
    cable: Cable
    up: Cable
    viewer: Viewer

    @property
    def children(self) -> int:
        assert self.node.stripes is not None
        return len(list(self.node.stripes.downlink.children))

    def is_top(self, stripe: Stripe) -> bool:
        """Whether it hangs under the server proxy and feeds others."""
        stripes = self.node.stripes
        assert stripes is not None
        depth = len(stripes.path(stripe) or ())
        return depth == GRANDCHILD and bool(stripes.downlink.children.of(stripe))

    @property
    def rejoins(self) -> dict[str, int]:
        """Parents lost, by reason."""
        assert self.node.stripes is not None
        found: dict[str, int] = {}
        for (_, reason), count in self.node.stripes.rejoins.items():
            found[reason] = found.get(reason, 0) + count
        return found

    @property
    def has_standbys(self) -> bool:
        """In every stripe in which it has a grandparent."""
        stripes = self.node.stripes
        assert stripes is not None
        deep = [
            stripe for stripe in stripes.stripes if len(stripes.path(stripe) or ()) > GRANDCHILD
        ]
        return all(stripes.uplink.search.standbys.ready(stripe) is not None for stripe in deep)


@asynccontextmanager
async def watched(
    join: Join, seconds: Seconds
) -> AsyncIterator[tuple[SyntheticServer, Watched, list[Watched]]]:
    """Let nodes watch, with standbys; yield who feeds most, and all the others."""
    async with synthetic() as server, AsyncExitStack() as cables:
        server.up()
        server.play()
        nodes: list[Watched] = []
        for _ in range(NODES):
            cable, up, viewers = Cable(), Cable(), list[Viewer]()
            up.to = server.address
            for one in (cable, up):
                await one.lay()
                cables.push_async_callback(one.cut)
            host, node = await join(
                server, watch=viewers, cable=cable, through=up, reorder_timeout=seconds(10)
            )
            nodes.append(Watched(host, node, cable, up, viewers[0]))
        await until(lambda: all(n.has_standbys for n in nodes), seconds(20), "standbys are there")
        victim = max(nodes, key=lambda one: one.children)
        assert victim.children >= 1
        yield server, victim, [one for one in nodes if one is not victim]


async def goes_on(server: SyntheticServer, nodes: list[Watched], seconds: Seconds) -> None:
    """Every viewer gets what follows, and has had each packet once, in order."""
    want = server.sent + 300
    ends = lambda: all(one.viewer.numbers[-1] > want for one in nodes)  # noqa: E731
    await until(ends, seconds(20), "the stream goes on")
    assert all(one.viewer.exact for one in nodes)
    assert sum(one.node.feed.lost for one in nodes) == 0


async def test_children_of_a_relay_that_dies_resume_at_their_standbys(
    join: Join, seconds: Seconds
) -> None:
    async with watched(join, seconds) as (server, victim, others):
        await victim.cable.cut()
        await goes_on(server, others, seconds)
        assert sum(one.rejoins.get("closed", 0) for one in others) >= 1


async def test_a_relay_that_goes_silent_is_passed_by_while_its_links_stay(
    join: Join, seconds: Seconds
) -> None:
    """Neither data nor heartbeats come, and nothing ends: SIGSTOP, or a cut cable."""
    async with watched(join, seconds) as (server, victim, others):
        victim.cable.freeze()
        await goes_on(server, others, seconds)
        assert sum(one.rejoins.get("silent", 0) for one in others) >= 1
        assert sum(one.rejoins.get("closed", 0) for one in others) == 0


async def test_who_alone_is_cut_from_the_server_proxy_is_fed_by_who_was_its_child(
    join: Join, seconds: Seconds
) -> None:
    """Nothing comes from there, no word goes there; all other nodes are within its reach."""
    async with watched(join, seconds) as (server, victim, others):
        everybody, stripe = [victim, *others], Stripe(0)
        top = next(one for one in everybody if one.is_top(stripe))
        top.up.freeze()
        await goes_on(server, everybody, seconds)
        assert top.node.stripes is not None
        path = top.node.stripes.path(stripe)
        assert path is not None
        assert len(path) > GRANDCHILD


async def test_a_relay_that_leaves_hands_its_children_over_first(
    join: Join, seconds: Seconds
) -> None:
    """No child of it loses a parent: each has another before the link ends."""
    async with watched(join, seconds) as (server, victim, others):
        await victim.host.close()
        await goes_on(server, others, seconds)
        assert [one.rejoins for one in others if one.rejoins] == []
