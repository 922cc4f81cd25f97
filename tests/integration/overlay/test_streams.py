"""What viewers get while nodes come, are spliced, and lose links (Z3, Z11, Z34, S13)."""

import asyncio
import logging
from collections.abc import Callable

import pytest

from common.ids import ROOT, Stripe
from tests.integration.overlay.conftest import Join
from tests.support.overlay import until
from tests.support.synthetic import H264, H265, Viewer, synthetic

STRIPES = (Stripe(0), Stripe(1))


async def complete(viewers: list[Viewer], upto: int, within: float) -> None:
    """Wait until all viewers have what was sent, and nothing but that, in order."""
    await until(
        lambda: all(one.numbers and one.numbers[-1] >= upto - 1 for one in viewers),
        within,
        "everybody has everything",
    )
    assert [one.exact for one in viewers] == [True] * len(viewers)


async def test_joins_and_splices_cost_nobody_a_packet(
    join: Join, seconds: Callable[[float], float]
) -> None:
    """Leaves are displaced by newcomers while they watch; all get every packet."""
    async with synthetic() as server:
        server.up()
        play = server.play()
        viewers = []
        for _ in range(8):
            _, node = await join(server)
            viewers.append(Viewer(node))
            await asyncio.sleep(0.1)
        await asyncio.sleep(1.5)
        play.cancel()
        await complete(viewers, server.sent, seconds(20))
        trees = server.channel.control.membership.trees
        trees.check()
        assert all(len(trees.children(ROOT, stripe)) == 1 for stripe in STRIPES)


async def test_nodes_that_leave_cost_nobody_a_packet(
    join: Join, seconds: Callable[[float], float]
) -> None:
    async with synthetic() as server:
        server.up()
        play = server.play()
        hosts, viewers = [], []
        for _ in range(6):
            host, node = await join(server)
            hosts.append(host)
            viewers.append(Viewer(node))
        for host in hosts[:3]:
            await host.close()
            await asyncio.sleep(0.4)
        await asyncio.sleep(0.5)
        play.cancel()
        await complete(viewers[3:], server.sent, seconds(20))
        assert server.channel.nodes == 3


async def test_nodes_that_nobody_can_reach_are_leaves_and_get_everything(
    join: Join,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    seconds: Callable[[float], float],
) -> None:
    """A wrong `advertise`, and a user who passes nothing on."""
    monkeypatch.setattr("clientproxy.net.node.UNREACHED_AFTER", 0.2)
    async with synthetic(children_per_stripe=2) as server:
        server.up()
        play = server.play()
        with caplog.at_level(logging.WARNING):
            _, deaf = await join(server, advertise=("127.0.0.1:1",))
            await until(
                lambda: "cannot reach overlay port" in caplog.text, seconds(5), "it says so"
            )
        _, idle = await join(server, max_children=0)
        _, other = await join(server)
        viewers = [Viewer(node) for node in (deaf, idle, other)]
        await asyncio.sleep(0.5)
        play.cancel()
        await complete(viewers, server.sent, seconds(20))
        for node in (deaf, idle):
            assert node.stripes is not None
            assert node.stripes.serve is None
            assert list(node.stripes.downlink.children) == []


async def test_the_stream_goes_on_while_the_control_link_is_made_anew(
    join: Join, seconds: Callable[[float], float]
) -> None:
    """Rejoin keeps the node's id and its places."""
    async with synthetic() as server:
        server.up()
        play = server.play()
        nodes = [(await join(server))[1] for _ in range(4)]
        viewers = [Viewer(node) for node in nodes]
        membership = server.channel.control.membership
        children = server.channel.feed.downlink.children
        await until(lambda: len(list(children)) == 2, seconds(20), "splices are over")
        await asyncio.sleep(1.5)
        parents = {
            (name, s): membership.trees.parent(name, s)
            for name in membership.members
            for s in STRIPES
        }
        server.channel.control.close()
        await until(lambda: not any(n.joined for n in nodes), seconds(10), "control links end")
        await until(lambda: all(n.joined for n in nodes), seconds(20), "control links are back")
        await asyncio.sleep(0.3)
        play.cancel()
        await complete(viewers, server.sent, seconds(20))
        names = {n.stripes.offer.node for n in nodes if n.stripes}
        assert set(membership.members) == names
        assert {place: membership.trees.parent(*place) for place in parents} == parents
        assert all(not member.away_since for member in membership.members.values())


@pytest.mark.parametrize("source_first", [True, False])
async def test_nodes_come_back_to_a_server_proxy_that_was_restarted(
    join: Join,
    caplog: pytest.LogCaptureFixture,
    seconds: Callable[[float], float],
    source_first: bool,
) -> None:
    """Viewers are told that the source began anew, whether it is up before the nodes or after."""
    async with synthetic() as server:
        server.up()
        server.push(30)
        nodes = [(await join(server))[1] for _ in range(3)]
        viewers = [Viewer(node) for node in nodes]
        server.push(30)
        await complete(viewers, 60, seconds(20))
        port = server.address.port
    async with synthetic(port) as server:
        if source_first:
            server.up()
        await until(lambda: all(n.joined for n in nodes), seconds(40), "nodes are back")
        for one in viewers:
            one.numbers.clear()
        if not source_first:
            server.up()
        server.push(40)
        await complete(viewers, 40, seconds(20))
        assert [(one.restarts, one.end) for one in viewers] == [(1, None)] * 3
        assert [node.feed.lost for node in nodes] == [0] * 3
    assert "Traceback" not in caplog.text


async def test_a_source_that_comes_back_with_the_same_codecs_is_told_once(
    join: Join, seconds: Callable[[float], float]
) -> None:
    async with synthetic() as server:
        server.up()
        server.push(30)
        nodes = [(await join(server))[1] for _ in range(3)]
        viewers = [Viewer(node) for node in nodes]
        server.channel.feed.source_down("camera gone")
        await until(
            lambda: not any(n.readiness.source_up for n in nodes), seconds(10), "source is down"
        )
        server.up(H264)
        server.push(30)
        await complete(viewers, 60, seconds(20))
        assert [(one.restarts, one.end) for one in viewers] == [(1, None)] * 3
        stream = server.channel.feed.stream
        assert stream is not None
        assert {n.feed.stream for n in nodes} == {stream}
        _, late = await join(server)
        assert number_range(Viewer(late)) == (40, 59)


def number_range(viewer: Viewer) -> tuple[int, int]:
    return viewer.numbers[0], viewer.numbers[-1]


async def test_who_joins_a_source_that_has_begun_anew_gets_nothing_from_before(
    join: Join, seconds: Callable[[float], float]
) -> None:
    """No keyframe has come yet: the stream begins where the source did."""
    async with synthetic() as server:
        server.up()
        server.push(30)
        server.channel.feed.source_down("camera gone")
        server.up()
        server.push(5)
        viewers: list[Viewer] = []
        await join(server, watch=viewers)
        (viewer,) = viewers
        await until(lambda: len(viewer.numbers) >= 5, seconds(10), "packets come")
        assert (number_range(viewer), viewer.restarts) == ((30, 34), 0)


async def test_a_source_with_other_codecs_ends_the_viewers(
    join: Join, seconds: Callable[[float], float]
) -> None:
    async with synthetic() as server:
        server.up()
        server.push(30)
        nodes = [(await join(server))[1] for _ in range(2)]
        viewers = [Viewer(node) for node in nodes]
        server.channel.feed.source_down("other camera")
        server.up(H265)
        server.push(3)
        await until(lambda: all(one.end for one in viewers), seconds(10), "viewers are ended")
        assert [one.restarts for one in viewers] == [0, 0]
        assert {n.feed.stream.epoch for n in nodes if n.feed.stream} == {2}
        assert all(n.feed.viewers == 0 for n in nodes)
