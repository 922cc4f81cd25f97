"""Players' waits, slow children and clean ends."""

import asyncio
import logging
import socket
from collections.abc import Callable

import pytest

from clientproxy.core.events import ChannelUnavailableError
from clientproxy.net import control
from clientproxy.net.feed import MergedFeed
from common.attach import Attach
from common.codec import encode_message
from common.fields import Candidate, StripeCandidates
from common.frame import Heartbeat, Packet
from common.ids import ROOT, Address, NodeId, Stripe
from common.messages import VERSION, Candidates, Redirect
from tests.integration.overlay.conftest import Join
from tests.support.overlay import InProcessNode, running_server, until
from tests.support.ports import free_port
from tests.support.synthetic import Viewer, synthetic


def others() -> set["asyncio.Task[object]"]:
    return asyncio.all_tasks() - {asyncio.current_task()}


def away(server: Address, **settings: object) -> InProcessNode:
    """Return a client proxy that nobody can reach: it listens nowhere."""
    host = InProcessNode(server, **settings)
    host.channels.overlay = Address("127.0.0.1", 1)
    return host


async def open_channel(host: InProcessNode, channel: str) -> ChannelUnavailableError | None:
    try:
        await host.channels.open(channel, None)
    except ChannelUnavailableError as error:
        return error
    return None


async def test_a_server_proxy_that_is_ending_takes_nobody_in() -> None:
    """It waits for its sources; who came back by then would lose its link a second time."""
    begun, refused = asyncio.Event(), list[bool]()

    async def source(overlay: Address) -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            try:
                _, writer = await asyncio.open_connection(overlay.host, overlay.port)
            except ConnectionRefusedError:
                refused.append(True)
            else:
                refused.append(False)
                writer.close()

    async with running_server(cam="rtsp://127.0.0.1:1/none") as server:
        server.tasks.spawn(source(Address.parse(server.overlay, 0)), name="a slow source")
        await begun.wait()
    assert refused == [True]


async def test_an_unknown_channel_is_said_to_be_so_at_once(
    seconds: Callable[[float], float],
) -> None:
    async with synthetic() as server:
        host = away(server.address, join_timeout=60.0)
        try:
            async with asyncio.timeout(seconds(10)):
                error = await open_channel(host, "nothing")
            assert error is not None
            assert (error.status, "cam" in error.why) == (404, True)
        finally:
            await host.close()


async def test_a_player_is_not_told_that_there_was_no_such_channel_some_time_ago(
    monkeypatch: pytest.MonkeyPatch, seconds: Callable[[float], float]
) -> None:
    """Who stays joined asks seldom by itself, and at once for a player."""
    monkeypatch.setattr(control, "FIRST_PAUSE", 600.0)
    monkeypatch.setattr(control, "UNKNOWN_PAUSE", 600.0)
    monkeypatch.setattr(control, "MOST_PAUSE", 600.0)
    async with synthetic() as server:
        server.up()
        server.rename("cam", "other")
        host = InProcessNode(server.address, join_timeout=60.0)
        try:
            node = await host.join("cam")
            await until(lambda: node.readiness.error is not None, seconds(10), "it is refused")
            server.rename("other", "cam")
            play = server.play()
            async with asyncio.timeout(seconds(10)):
                assert await host.channels.open("cam", None) is node.feed
            play.cancel()
        finally:
            await host.close()


async def test_a_server_proxy_that_comes_late_serves_who_asks_again(
    seconds: Callable[[float], float],
) -> None:
    port = free_port()
    host = away(Address("127.0.0.1", port), join_timeout=1.0)
    try:
        began = asyncio.get_running_loop().time()
        error = await open_channel(host, "cam")
        assert error is not None
        assert error.status == 503
        assert 0.9 < asyncio.get_running_loop().time() - began < seconds(10)
        async with synthetic(port) as server:
            server.up()
            server.push(5)
            end = asyncio.get_running_loop().time() + seconds(30)
            while await open_channel(host, "cam") is not None:
                assert asyncio.get_running_loop().time() < end
                await asyncio.sleep(0.05)
    finally:
        await host.close()


@pytest.mark.parametrize("after", [0.0, 0.005, 0.02, 0.05, 0.1, 0.5])
async def test_a_node_that_is_closed_leaves_nothing_behind(
    after: float, seconds: Callable[[float], float]
) -> None:
    """Also while it joins and probes, while others close, and twice."""
    async with synthetic() as server:
        server.up()
        play = server.play()
        before = others()
        hosts = [InProcessNode(server.address) for _ in range(4)]
        nodes = [await host.join("cam") for host in hosts]
        await asyncio.sleep(after)
        await asyncio.gather(*(host.close() for host in hosts))
        await hosts[0].close()
        await nodes[0].close()
        await until(lambda: others() <= before, seconds(10), f"tasks end: {others() - before}")
        await until(lambda: server.channel.nodes == 0, seconds(5), "all are forgotten")
        trees = server.channel.control.membership.trees
        assert len(trees) == 0
        await until(
            lambda: list(server.channel.feed.downlink.children) == [], seconds(10), "no child"
        )
        play.cancel()


async def test_what_the_server_proxy_says_to_a_node_that_is_closed_starts_nothing(
    join: Join,
) -> None:
    async with synthetic() as server:
        server.up()
        host, node = await join(server)
        stripes = node.stripes
        assert stripes is not None
        before = others()
        await host.close()
        one = Candidate("n9", ("127.0.0.1:1",), 0.0, available=True)
        for stripe in stripes.stripes:
            node.told(Redirect(stripe=stripe, parent=ROOT, targets=(one,)))
            node.told(Candidates(parents=StripeCandidates(stripe, (one, one))))
        stripes.uplink.ask_again()
        assert others() <= before


async def test_players_that_wait_while_all_is_closed_are_told(
    seconds: Callable[[float], float],
) -> None:
    port = free_port()
    host = away(Address("127.0.0.1", port), join_timeout=0.5)
    waiting = asyncio.gather(*(open_channel(host, "cam") for _ in range(3)))
    await asyncio.sleep(0.1)
    await host.close()
    async with asyncio.timeout(seconds(10)):
        assert [error.status for error in await waiting if error] == [503] * 3


async def beat(raw: socket.socket) -> None:
    """Say that the child lives."""
    while True:
        raw.sendall(Heartbeat(0, 0, 1, 0, starved=False).encode())
        await asyncio.sleep(0.5)


async def test_a_child_that_does_not_read_is_skipped_then_let_go(
    join: Join, caplog: pytest.LogCaptureFixture, seconds: Callable[[float], float]
) -> None:
    """Its sibling misses nothing, and what waits for it is bounded."""
    async with synthetic(children_per_stripe=2, log_bytes=262_144) as server:
        server.up()
        server.push(5)
        key = server.channel.feed.group_key
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(server.address)
        attach = Attach(
            version=VERSION,
            channel="cam",
            stripe=0,
            node="slow",
            group_key=key,
            serve=None,
            slots=0,
            addresses=(),
            start=0,
            orphan=False,
        )
        raw.sendall(encode_message(attach) + Heartbeat(0, 0, 1, 0, starved=False).encode())
        downlink = server.channel.feed.downlink
        await until(lambda: len(list(downlink.children)) == 1, seconds(10), "it is a child")
        _, node = await join(server)
        viewer = Viewer(node)
        play = server.play(count=8, size=1200)
        beats = server.tasks.spawn(beat(raw), name="beats")
        await until(lambda: downlink.stats.skips[0] > 0, seconds(30), "it is skipped")
        assert "too slow" in caplog.text
        with caplog.at_level(logging.INFO):
            gone = lambda: not [c for c in downlink.children if c.node == "slow"]  # noqa: E731
            await until(gone, seconds(5), "it is let go")
        assert "gone: too_slow" in caplog.text
        assert (server.channel.skips, downlink.stats.skips) == ([1, 0], [1, 0])
        assert server.channel.detached == {"too_slow": [1, 0], "silent": [0, 0]}
        beats.cancel()
        play.cancel()
        sent = server.sent
        await until(lambda: viewer.numbers[-1] == sent - 1, seconds(20), "its sibling has all")
        assert viewer.exact
        assert node.feed.lost == 0
        raw.close()


async def test_what_a_child_is_skipped_over_counts_as_lost_there(
    join: Join, seconds: Callable[[float], float]
) -> None:
    """More comes at once than the log keeps: the child says how much it lacks."""
    async with synthetic(log_bytes=131_072) as server:
        server.up()
        _, node = await join(server, reorder_timeout=0.2)
        viewer = Viewer(node)
        server.push(20)
        await until(lambda: len(viewer.numbers) == 20, seconds(10), "the stream flows")
        server.push(610, size=1200)
        assert all(count == 1 for count in server.channel.skips)
        play = server.play()
        last = server.sent
        await until(lambda: viewer.numbers[-1] > last, seconds(20), "the stream goes on")
        play.cancel()
        sent = server.sent
        await until(lambda: viewer.numbers[-1] == sent - 1, seconds(20), "all has come")
        assert node.feed.lost > 300
        assert node.feed.lost + len(viewer.numbers) == sent


async def test_a_chain_of_redirects_ends_at_a_parent_with_a_slot(
    join: Join, seconds: Callable[[float], float]
) -> None:
    """Who asks the server proxy for a slot that it has not is sent down the tree."""
    async with synthetic(repair_slots=0) as server:
        server.up()
        play = server.play()
        nodes = [(await join(server))[1] for _ in range(6)]
        last = nodes[-1]
        stripes = last.stripes
        assert stripes is not None
        trees = server.channel.control.membership.trees
        leaf = next(s for s in stripes.stripes if s != stripes.serve)
        stripe = Stripe(leaf)
        viewer = Viewer(last)
        old = stripes.uplink.search.parent(stripe)
        assert old is not None
        root = Candidate(ROOT, (), 0.0, available=True)
        stripes.uplink.redirected(stripe, old, (root,))
        await until(
            lambda: stripes.uplink.search.parent(stripe) not in (None, ROOT), seconds(10), "parent"
        )
        await asyncio.sleep(0.3)
        play.cancel()
        sent = server.sent
        await until(lambda: viewer.numbers[-1] == sent - 1, seconds(20), "the stream goes on")
        assert viewer.exact
        name = NodeId(stripes.offer.node)
        await until(
            lambda: trees.parent(name, stripe) == stripes.uplink.search.parent(stripe),
            seconds(10),
            "the trees follow",
        )


async def test_a_stripe_that_is_missing_does_not_flood_the_log(
    caplog: pytest.LogCaptureFixture, seconds: Callable[[float], float]
) -> None:
    """Every loss is counted; lines about them come once a second."""
    feed = MergedFeed("cam", reorder_timeout=0.02, history_bytes=1 << 20)
    feed.begin(0, None, {}, stripes=2)
    for number in range(20):
        feed.take([Packet(2 * number + 1, 1, 0, 0, b"x")])
        await asyncio.sleep(0.01)
    await until(lambda: feed.lost == 20, seconds(10), "all is counted")
    feed.end("over")
    lines = [one for one in caplog.records if "lost" in one.message]
    assert 1 <= len(lines) < 5
