"""A number from far ahead that a parent sent before it left: a node and its subtree recover."""

import asyncio
from collections.abc import Callable

import pytest

from clientproxy.core import ahead
from common.fields import LostReason
from common.frame import FLAG_FIRST, FLAG_KEYFRAME, Heartbeat, Packet, Received, encode
from common.ids import NodeId, Stripe
from tests.integration.overlay.conftest import Join
from tests.support.overlay import until
from tests.support.synthetic import Viewer, synthetic

DAY_US = 86_000_000_000
LIAR = NodeId("liar")


@pytest.mark.parametrize("gap", [1 << 21, DAY_US])
@pytest.mark.parametrize("lost", ["closed", None])
async def test_the_picture_goes_on_below_a_parent_that_lied(
    join: Join,
    gap: int,
    lost: LostReason | None,
    seconds: Callable[[float], float],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With its parent lost afterwards it asks for what comes behind the lie; else it is fed on."""
    monkeypatch.setattr(ahead, "AHEAD_FOR", 0.5)
    async with synthetic() as server:
        server.up()
        play = server.play()
        watch: list[Viewer] = []
        nodes = [(await join(server, watch=watch))[1] for _ in range(5)]
        await until(lambda: all(len(one.numbers) > 20 for one in watch), seconds(10), "it flows")
        held = [one.stripes for one in nodes if one.stripes is not None]
        top = next(one for one in held if one.uplink.search.parent(Stripe(0)) == "root")
        seq = (top.newest(Stripe(0)) + gap) // 2 * 2
        lie = Packet(seq, top.newest(Stripe(0)), 0, FLAG_KEYFRAME | FLAG_FIRST, b"\x80" + bytes(19))
        top.take(Stripe(0), Received([lie], [encode(lie)], []), parent=LIAR)
        assert top.newest(Stripe(0)) == seq
        await until(
            lambda: sum(one.newest(Stripe(0)) == seq for one in held) > 1, seconds(10), "passed on"
        )
        if lost is not None:
            top.uplink.give_up(Stripe(0), lost)
        await until(
            lambda: all(one.newest(Stripe(0)) < seq for one in held), seconds(30), "it is forgotten"
        )
        assert "was never sent: no parent comes near it" in caplog.text
        await until(lambda: all(one.joined for one in nodes), seconds(20), "all have parents")
        before = server.sent
        await until(
            lambda: all(one.numbers[-1] > before + 100 for one in watch), seconds(20), "it goes on"
        )
        play.cancel()
        sent = server.sent
        await until(lambda: all(one.numbers[-1] == sent - 1 for one in watch), seconds(20), "all")
        for one in watch:
            assert one.numbers[-100:] == list(range(sent - 100, sent))


@pytest.mark.parametrize("behind", [600, None])
async def test_a_parent_cannot_have_players_go_back(
    join: Join,
    behind: int | None,
    seconds: Callable[[float], float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It sends nothing for a while, then says that it has come to a number long passed."""
    monkeypatch.setattr(ahead, "AHEAD_FOR", 0.3)
    async with synthetic() as server:
        server.up()
        play = server.play()
        watch: list[Viewer] = []
        node = (await join(server, watch=watch))[1]
        await until(lambda: len(watch[0].numbers) > 700, seconds(20), "it flows")
        play.cancel()
        sent = server.sent
        await until(lambda: watch[0].numbers[-1] == sent - 1, seconds(20), "all")
        assert node.stripes is not None
        uplink, own = node.stripes.uplink, node.stripes.newest(Stripe(0))
        parent = uplink.search.parent(Stripe(0))
        assert parent is not None
        link = uplink.links.get(Stripe(0), parent)
        assert link is not None
        await asyncio.sleep(0.4)
        for newest in (own, own, 1 if behind is None else own - behind):
            uplink.heartbeat(link, Heartbeat(newest, 0, 0, 0, starved=False))
            await asyncio.sleep(0.4)
        play = server.play()
        await until(lambda: watch[0].numbers[-1] > sent + 100, seconds(20), "it goes on")
        play.cancel()
        assert watch[0].exact
        assert node.feed.lost == 0
