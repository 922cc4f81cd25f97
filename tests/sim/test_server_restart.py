"""The server proxy is killed and started again, and a newcomer is there before the old nodes."""

import pytest

from bench.sim.world import Setting, World
from common.ids import Stripe

S0 = Stripe(0)


def keys(world: World) -> set[str]:
    """Return the group keys that nodes show."""
    stripes = [client.node.stripes for client in world.clients.values()]
    return {one.offer.group_key for one in stripes if one is not None}


def newcomer_first(caplog: pytest.LogCaptureFixture) -> World:
    """Return a world in which a newcomer has joined before any old node is back: a seed has it."""
    for seed in range(30):
        world = World(Setting(seed=seed))
        for _ in range(8):
            world.join()
            world.run(0.3)
        world.run(10.0)
        (before,) = keys(world)
        world.kill_server()
        world.run(4.0)
        caplog.clear()
        world.start_server()
        name, stripes = world.join(), None
        while stripes is None:
            world.run(0.05)
            stripes = world.clients[name].node.stripes
        if stripes.offer.group_key != before and before in keys(world):
            return world
    raise AssertionError("an old node came first with every seed")


def test_nobody_loses_a_packet_or_its_control_link_because_old_nodes_have_another_key(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The newcomer's key goes on; later a relay dies, and whoever is asked knows the orphans."""
    world = newcomer_first(caplog)
    world.run(20.0)
    assert len(keys(world)) == 1
    assert "control link to" not in caplog.text, "nobody's is made anew"
    relays = [c for c in world.clients.values() if c.node.stripes and c.node.stripes.feeds(S0)]
    world.kill(relays[0].name)
    world.run(10.0)
    assert all(client.node.joined for client in world.clients.values())
    assert {client.node.feed.lost for client in world.clients.values()} == {0}
