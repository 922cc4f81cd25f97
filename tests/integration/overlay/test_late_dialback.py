"""A dial-back that takes its time: a place that needs the newcomer's slots is not refused."""

import asyncio
import socket
from collections.abc import Callable, Sequence

import pytest

from common.codec import encode_message
from common.ids import Address
from common.messages import VERSION
from common.messages import Join as JoinMessage
from serverproxy.net import control, dialback
from serverproxy.net.dialback import dial_back
from tests.integration.overlay.conftest import Join
from tests.support.overlay import InProcessNode, until
from tests.support.synthetic import Viewer, synthetic

CROWD = 50


def slow(seconds: float) -> Callable[..., object]:
    """Return a dial-back that begins late."""

    async def dial(addresses: Sequence[Address], nonce: str) -> tuple[Address, ...]:
        await asyncio.sleep(seconds)
        return await dial_back(addresses, nonce)

    return dial


async def test_a_late_dial_back_still_gives_the_slots_that_the_place_needs(
    join: Join, seconds: Callable[[float], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All slots are taken: who comes must take somebody's place, and that one under it."""
    async with synthetic(repair_slots=0) as server:
        server.up()
        play = server.play()
        watched: list[Viewer] = []
        await join(server, watch=watched)
        _, leaf = await join(server, watch=watched, max_children=0)
        monkeypatch.setattr(dialback, "dial_back", slow(3 * control.DIAL_BACK_WAIT))
        _, node = await join(server, watch=watched)
        assert server.channel.joins == {"ok": 3, "full": 0}
        assert node.stripes is not None
        assert node.stripes.downlink.children.slots >= 2
        count = [len(one.numbers) for one in watched]
        more = lambda: all(  # noqa: E731
            len(one.numbers) > before + 50 for one, before in zip(watched, count, strict=True)
        )
        await until(more, seconds(20), "all are fed")
        play.cancel()
        assert all(one.exact for one in watched)
        assert leaf.feed.lost == 0


async def test_who_is_not_reached_in_time_is_refused_all_the_same(
    join: Join, seconds: Callable[[float], float], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with synthetic(repair_slots=0) as server:
        server.up()
        await join(server)
        await join(server, max_children=0)
        monkeypatch.setattr(dialback, "dial_back", slow(60.0))
        monkeypatch.setattr(control, "DIAL_BACK_FULL", 0.2)
        host = InProcessNode(server.address)
        await host.join("cam")
        await until(lambda: server.channel.joins["full"] >= 1, seconds(10), "it is refused")
        await host.close()


@pytest.mark.parametrize("stays", [True, False])
async def test_a_crowd_that_cannot_be_reached_keeps_no_honest_node_from_its_slots(
    join: Join,
    seconds: Callable[[float], float],
    monkeypatch: pytest.MonkeyPatch,
    *,
    stays: bool,
) -> None:
    """Joins whose addresses take links and say nothing; who made them stays or hangs up."""
    monkeypatch.setattr(dialback, "DIAL_BACK_WITHIN", 1000.0)
    monkeypatch.setattr(dialback, "DIAL_BACK_IN_ALL", 1000.0)
    monkeypatch.setattr(control, "DIAL_BACK_FULL", 1000.0)
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as mute:
        port = mute.getsockname()[1]
        dead = encode_message(
            JoinMessage(
                version=VERSION,
                channel="cam",
                port=port,
                nonce="x",
                sent_us=1,
                advertise=(f"127.0.0.1:{port}",),
            )
        )
        async with synthetic() as server:
            server.up()
            # Who stays is at another host: at its own it would be in the way.
            local = ("127.0.0.9", 0) if stays else None
            writers: list[asyncio.StreamWriter] = []
            for _ in range(CROWD):
                _, writer = await asyncio.open_connection(*server.address, local_addr=local)
                writers.append(writer)
                writer.write(dead)
            await until(lambda: server.open_links == CROWD, seconds(20), "all have joined")
            if not stays:
                for writer in writers:
                    writer.close()
                await until(lambda: server.open_links == 0, seconds(20), "all are gone")
            _, node = await join(server)
            assert node.stripes is not None
            children = node.stripes.downlink.children
            await until(lambda: children.slots >= 2, seconds(20), "it has its slots")
            for writer in writers:
                writer.transport.abort()
