"""A dial-back that takes its time: a place that needs the newcomer's slots is not refused."""

import asyncio
from collections.abc import Callable, Sequence

import pytest

from common.ids import Address
from serverproxy.net import control
from serverproxy.net.dialback import dial_back
from tests.integration.overlay.conftest import Join
from tests.support.overlay import InProcessNode, until
from tests.support.synthetic import Viewer, synthetic


def slow(seconds: float) -> Callable[..., object]:
    """Return a dial-back that begins late."""

    async def dial(
        addresses: Sequence[Address], nonce: str, at_once: asyncio.Semaphore
    ) -> tuple[Address, ...]:
        await asyncio.sleep(seconds)
        return await dial_back(addresses, nonce, at_once)

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
        monkeypatch.setattr(control, "dial_back", slow(3 * control.DIAL_BACK_WAIT))
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
        monkeypatch.setattr(control, "dial_back", slow(60.0))
        monkeypatch.setattr(control, "DIAL_BACK_FULL", 0.2)
        host = InProcessNode(server.address)
        await host.join("cam")
        await until(lambda: server.channel.joins["full"] >= 1, seconds(10), "it is refused")
        await host.close()
