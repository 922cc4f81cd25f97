"""Who asks for a channel gets it as soon as it plays, and is told when it does not."""

import asyncio
import re
from collections.abc import Callable

import pytest

from clientproxy.core.events import ChannelUnavailableError
from common.runtime.tasks import Tasks
from tests.integration.overlay.conftest import Join
from tests.support.overlay import InProcessNode, until
from tests.support.synthetic import Viewer, synthetic


async def test_players_that_wait_for_the_source_are_woken_by_its_first_packet(
    join: Join, seconds: Callable[[float], float]
) -> None:
    """The word that the source is up overtakes the SDP, which comes down the trees."""
    async with synthetic() as server:
        nodes = [(await join(server, join_timeout=60.0))[1] for _ in range(5)]
        tasks = Tasks()
        waiting = [tasks.spawn(node.readiness.wait(60.0), name="waiting") for node in nodes]
        await asyncio.sleep(0)
        server.up()
        play = server.play()
        async with asyncio.timeout(seconds(10)):
            await asyncio.gather(*waiting)
        play.cancel()
        await tasks.close()


async def test_a_channel_that_is_gone_is_refused_and_its_players_are_told(
    seconds: Callable[[float], float],
) -> None:
    """The server proxy comes back without the channel: 404, and nobody waits for ever."""
    async with synthetic() as server:
        server.up()
        play = server.play()
        host = InProcessNode(server.address, join_timeout=1.0)
        node = await host.join("cam")
        await until(lambda: node.joined, seconds(20), "joined")
        viewer = Viewer(node)
        port = server.address.port
        play.cancel()
    try:
        await until(lambda: not node.joined, seconds(10), "the server proxy is away")
        await asyncio.sleep(2.1)  # what was played until just now counts as playing
        with pytest.raises(ChannelUnavailableError) as away:
            await host.channels.open("cam", None)
        assert away.value.status == 503
        async with synthetic(port) as other:
            other.rename("cam", "another")
            await until(lambda: viewer.end is not None, seconds(20), "the player is told")
            with pytest.raises(ChannelUnavailableError) as gone:
                await host.channels.open("cam", None)
            assert gone.value.status == 404
    finally:
        await host.close()


async def test_who_asks_while_the_source_is_down_is_told_why_and_since_when(
    join: Join, seconds: Callable[[float], float]
) -> None:
    async with synthetic() as server:
        server.up()
        server.push(30)
        _, early = await join(server)
        server.channel.feed.source_down("camera:554 refuses connections")
        _, late = await join(server)
        both = (early, late)
        await until(lambda: all(one.readiness.source_trouble for one in both), seconds(10), "told")
        for node in both:
            with pytest.raises(ChannelUnavailableError) as told:
                await node.readiness.wait(0.05)
            assert told.value.status == 503
            assert re.fullmatch(
                r"channel cam: its source does not play: camera:554 refuses connections"
                r" \(since \d\d:\d\d:\d\d UTC\)",
                told.value.why,
            )
        server.up()
        await until(
            lambda: not any(one.readiness.source_trouble for one in both), seconds(10), "up"
        )
